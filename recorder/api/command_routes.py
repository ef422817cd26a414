"""Routes of what changes something: runs, notes, alarms, set-values. Each needs an operator's token.

Nothing is decided here: the daemon refuses what may not be, and the name of the token is what its change log says.
"""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Response

from recorder.api.access import CHANGING, READING, Operator, Reader
from recorder.api.command_model import (
    AcknowledgedAnswer,
    AcknowledgeRequest,
    AlarmAnswer,
    AlarmsAnswer,
    NoteAnswer,
    NoteRequest,
    RunAnswer,
    SetValuesAnswer,
    SetValuesRequest,
    ShelveRequest,
    StartRequest,
    UnshelveRequest,
)
from recorder.api.context import Context, ContextOf
from recorder.api.problem import problems
from recorder.errors import UsageError

router = APIRouter(tags=["commands"])


@router.post(
    "/api/runs/start", summary="Start a run by hand", status_code=201, responses={**CHANGING, **problems(409, 503, 504)}
)
async def start(context: ContextOf, operator: Operator, asked: StartRequest) -> RunAnswer:
    """Where one is under way already, 409."""
    labels = asked.model_dump()
    return RunAnswer(**await context.command("runs_start", **{**labels, "operator": asked.operator or operator.name}))


@router.post(
    "/api/runs/stop", summary="End the recording of the present run", responses={**CHANGING, **problems(409, 503, 504)}
)
async def stop(context: ContextOf, _operator: Operator) -> RunAnswer:
    """Whatever the tool says; where none is under way, 409."""
    return RunAnswer(**await context.command("runs_stop"))


@router.post(
    "/api/runs/{run}/notes",
    summary="Write a note on a run",
    status_code=201,
    responses={**CHANGING, **problems(404, 503, 504)},
)
async def note(
    context: ContextOf, operator: Operator, run: Annotated[int, Path(ge=0, lt=1 << 63)], asked: NoteRequest
) -> NoteAnswer:
    """While it runs or afterwards; kept also while the database is away."""
    try:
        return NoteAnswer(**await context.command("runs_note", process_id=run, text=asked.text, by=operator.name))
    except UsageError as error:
        raise HTTPException(404, str(error)) from error  # all else of the request was examined already


@router.post(
    "/api/set-values",
    summary="Write set-values to the tool",
    responses={
        409: {"model": SetValuesAnswer, "description": "Not all of them hold; each result says what became of it."},
        **CHANGING,
        **problems(404, 503, 504),
    },
)
async def set_values(
    context: ContextOf, operator: Operator, asked: SetValuesRequest, response: Response
) -> SetValuesAnswer:
    """As `ald-recorder set` does: within [writes] of config.toml, read back, and kept with the name of the token."""
    try:
        results = await context.command("set", changed_by=operator.name, **asked.model_dump())
    except UsageError as error:
        raise HTTPException(404, str(error)) from error  # all but the names was examined already
    is_done = all(result["outcome"] == "done" for result in results)
    response.status_code = 200 if is_done else 409
    return SetValuesAnswer(done=is_done, changed_by=operator.name, results=results)


@router.get(
    "/api/alarms",
    summary="The alarms, the most urgent first",
    dependencies=[Reader],
    responses={**READING, **problems(503)},
)
async def alarms(
    context: ContextOf,
    all: Annotated[bool, Query(description="Also those that are normal.")] = False,  # noqa: A002
) -> AlarmsAnswer:
    """Those that are not normal, or all."""
    return AlarmsAnswer(**await context.ask("alarms", all=all))


@router.post(
    "/api/alarms/acknowledge", summary="Acknowledge alarms", responses={**CHANGING, **problems(404, 409, 503, 504)}
)
async def acknowledge(context: ContextOf, operator: Operator, asked: AcknowledgeRequest) -> AcknowledgedAnswer:
    """One, or all that wait; kept with the name of the token."""
    return AcknowledgedAnswer(**await _of_alarm(context, "acknowledge", asked.id, by=operator.name))


@router.post(
    "/api/alarms/shelve",
    summary="Put an alarm aside for some minutes",
    responses={**CHANGING, **problems(404, 409, 503, 504)},
)
async def shelve(context: ContextOf, operator: Operator, asked: ShelveRequest) -> AlarmAnswer:
    """It tells nothing meanwhile, and comes back by itself."""
    return AlarmAnswer(**await _of_alarm(context, "shelve", asked.id, minutes=asked.minutes, by=operator.name))


@router.post(
    "/api/alarms/unshelve",
    summary="Take an alarm back before its time",
    responses={**CHANGING, **problems(404, 409, 503, 504)},
)
async def unshelve(context: ContextOf, operator: Operator, asked: UnshelveRequest) -> AlarmAnswer:
    """It is unacknowledged where its condition still holds."""
    return AlarmAnswer(**await _of_alarm(context, "unshelve", asked.id, by=operator.name))


async def _of_alarm(context: Context, command: str, id: str | None, **arguments: object) -> dict[str, Any]:  # noqa: A002
    try:
        answer: dict[str, Any] = await context.command(command, id=id, **arguments)
    except UsageError as error:
        known = await context.ask("alarms", all=True)
        if id is not None and all(alarm["id"] != id for alarm in known["alarms"]):
            raise HTTPException(404, f"there is no alarm {id!r}; see /api/alarms?all=true") from error
        raise
    return answer
