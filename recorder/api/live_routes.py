"""Routes of what the recorder does now: health, status, definitions, values and their stream."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Header, HTTPException, Query, Response

from hal.quality import MEANING, Quality
from recorder.api.access import READING, Reader
from recorder.api.context import ContextOf
from recorder.api.event_stream import EventStream
from recorder.api.guard import LIVENESS, STREAM
from recorder.api.live_model import (
    EVENT_EXAMPLE,
    Check,
    Liveness,
    ParameterAnswer,
    ParameterIds,
    ParametersAnswer,
    ProcessInForce,
    Readiness,
    ValueAnswer,
    ValuesAnswer,
)
from recorder.api.problem import problems
from recorder.api.status_model import StatusAnswer
from recorder.api.value_board import LiveValue, ValueBoard
from recorder.console.picture import ParameterRow
from recorder.errors import RecorderError

MOST_PARAMETERS: Final = 500
_INTERVALS: Final = 3
_PATIENCE_MS: Final = 2_000
"""A plan is late when its newest sample is older than so many intervals and this."""

router = APIRouter(tags=["now"])


@router.get(LIVENESS, summary="Whether the api answers", tags=["health"])
async def live() -> Liveness:
    """Needs no token, no recorder and no database."""
    return Liveness()


@router.get(
    "/health/ready",
    summary="Whether the recorder answers and dispatches slots",
    tags=["health"],
    dependencies=[Reader],
    responses={503: {"model": Readiness, "description": "It does not; the checks say which."}, **READING},
)
async def ready(context: ContextOf, response: Response) -> Readiness:
    """Whatever devices and database do: a recorder that cannot reach them still records that."""
    try:
        board = await context.live.values()
        checks = [Check(name="daemon", ok=True), _slots(board)]
    except RecorderError as error:
        checks = [
            Check(name="daemon", ok=False, detail=str(error)),
            Check(name="slots", ok=False, detail="not known while the recorder does not answer"),
        ]
    is_ready = all(check.ok for check in checks)
    response.status_code = 200 if is_ready else 503
    return Readiness(ready=is_ready, checks=checks)


def _slots(board: ValueBoard) -> Check:
    late = [
        f"{device} every {interval_ms} ms"
        for device, interval_ms, sampled_us, _ in board.plans
        if sampled_us is None or board.now_us - sampled_us > 1000 * (_INTERVALS * interval_ms + _PATIENCE_MS)
    ]
    if not board.plans:
        return Check(name="slots", ok=False, detail="nothing has been scanned yet")
    return Check(name="slots", ok=not late, detail=f"not scanned in time: {', '.join(late)}" if late else "")


@router.get(
    "/api/status",
    summary="The whole recorder",
    dependencies=[Reader],
    response_model=StatusAnswer,
    responses={**READING, **problems(503)},
)
async def status(context: ContextOf) -> dict[str, object]:
    """State, run, devices, slots, latency, spool, writer; no older than a quarter of a second."""
    _, plain = await context.live.status()
    return plain


@router.get(
    "/api/parameters",
    summary="The definitions, with their limits",
    dependencies=[Reader],
    responses={**READING, **problems(503)},
)
async def parameters(
    context: ContextOf,
    offset: Annotated[int, Query(ge=0, lt=1 << 31)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_PARAMETERS)] = MOST_PARAMETERS,
    search: Annotated[str, Query(max_length=100, description="Part of the name; small or large letters.")] = "",
) -> ParametersAnswer:
    """One page, in the order of the recorder."""
    board = await context.live.values()
    wanted = search.casefold()
    rows = [row for row in board.parameters.values() if wanted in row.name.casefold()]
    page = [ParameterAnswer.model_validate(row, from_attributes=True) for row in rows[offset : offset + limit]]
    return ParametersAnswer(total=len(rows), offset=offset, parameters=page)


@router.get(
    "/api/values",
    summary="The newest values",
    dependencies=[Reader],
    responses={**READING, **problems(404, 503)},
)
async def values(context: ContextOf, id: Annotated[ParameterIds, Query()] = []) -> ValuesAnswer:  # noqa: A002, B006
    """Of some parameters, or of all that are read; no older than a tenth of a second beside the scan itself."""
    board = await context.live.values()
    found = []
    for row in _rows(board, id):
        value = board.get(row.id)
        if value is not None:
            found.append(_value(board, row, value))
    process = None if board.process is None else ProcessInForce(**board.process_row(board.process))
    return ValuesAnswer(now_us=board.now_us, process=process, values=found)


def _rows(board: ValueBoard, ids: Sequence[int]) -> Sequence[ParameterRow]:
    unknown = [parameter_id for parameter_id in ids if parameter_id not in board.parameters]
    if unknown:
        raise HTTPException(404, f"there is no parameter {unknown[0]}; see /api/parameters")
    return [board.parameters[parameter_id] for parameter_id in dict.fromkeys(ids)] or list(board.parameters.values())


def _value(board: ValueBoard, row: ParameterRow, value: LiveValue) -> ValueAnswer:
    sampled_us = board.plans[value.plan][2]
    quality = value.quality
    return ValueAnswer(
        id=row.id,
        name=row.name,
        unit=row.unit,
        value=value.value,
        text=value.text,
        set_value=value.set_value,
        quality=quality,
        meaning=MEANING[Quality(quality)] if quality in MEANING else "",
        device=row.device,
        timestamp_us=sampled_us,
        age_ms=None if sampled_us is None else (board.now_us - sampled_us) / 1000,
    )


@router.get(
    STREAM,
    summary="The values as they change, as server-sent events",
    dependencies=[Reader],
    status_code=200,
    response_class=EventStream,
    responses={200: {"description": "Events until the client goes.", "content": EVENT_EXAMPLE}, **READING},
)
async def stream(
    context: ContextOf,
    id: Annotated[ParameterIds, Query()] = [],  # noqa: A002, B006
    last_event_id: Annotated[str, Header(max_length=100)] = "",
) -> EventStream:
    """First a `snapshot` with every value, then `changes`: what changed since the client took in the one before.

    Each has the recorder's time `now_us`, the process in force, the plans with the time of their newest sample, and
    rows of id, value, text, set-value, quality and place of the plan. Where nothing changes, an empty one says so
    every two seconds. `away` says that the recorder is not heard, and why; afterwards a snapshot follows. `end` says
    that the api ends. A client that reads slowly gets fewer, and one that comes back with Last-Event-ID gets what it
    has missed.
    """
    context.live.require_room()
    return EventStream(
        context.live,
        ids=frozenset(id) if id else None,
        last_event_id=last_event_id,
        heartbeat_s=context.config.api.heartbeat_s,
    )
