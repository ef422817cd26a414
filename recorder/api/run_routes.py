"""Routes of what was recorded: the list of runs, one run, its summaries and its points."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Path, Query, Response
from pydantic import AfterValidator, BeforeValidator, Field

from recorder.api.accepted import best_of, has_already, takes_gzip
from recorder.api.access import READING, Reader
from recorder.api.cache import Answer
from recorder.api.context import ContextOf
from recorder.api.errors import NotFoundError
from recorder.api.points import PointFormat
from recorder.api.points_response import PointsResponse
from recorder.api.problem import problems
from recorder.api.run_cursor import MOST_ID, RunCursor
from recorder.api.run_documents import Kind, RunDocument, RunPage, RunSummaries, Status
from recorder.api.run_history import RunQuestion
from recorder.api.run_points import PointsQuestion

MOST_RUNS: Final = 200
MOST_PARAMETERS: Final = 200
_JSON: Final = "application/json"
_REVALIDATE: Final = "private, no-cache"
"""A client may keep an answer, and asks with its ETag whether it still holds."""
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)
_NOT_MODIFIED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "The client has this content: If-None-Match named its ETag."}
}
_ETAG: Final = {"ETag": {"description": "Of the content.", "schema": {"type": "string"}}}


def _utc(moment: datetime) -> datetime:
    """A moment without offset is UTC; the far ends of the calendar cannot be moved to another offset."""
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    try:
        aware = aware.astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment between the years 1 and 9999 in UTC is needed") from None
    return min(max(aware, _FIRST), _LAST)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("text has no NUL")
    return text


def _after(cursor: str | None) -> RunCursor:
    """Where a page begins.

    Raises:
        NotFoundError: no page ended there.
    """
    if not cursor:
        return RunCursor(started_at=_LAST, run=MOST_ID)
    try:
        return RunCursor.decode(cursor)
    except ValueError as error:
        raise NotFoundError(f"cursor: {error}") from error


def _dated(text: object) -> object:
    """A plain number would be taken for seconds since 1970."""
    if isinstance(text, str) and not _DATE.match(text):
        raise ValueError("a moment as in 2026-11-22T09:30:00Z is needed")
    return text


Moment = Annotated[datetime, BeforeValidator(_dated), AfterValidator(_utc)]
Words = Annotated[str, AfterValidator(_without_nul), Field(json_schema_extra={"pattern": r"^[^\x00]*$"})]
"""The pattern is for the document alone: the validator says it in words."""
Run = Annotated[int, Path(ge=0, le=MOST_ID)]
IfNoneMatch = Annotated[str | None, Header(description="ETags of what the client has.")]

router = APIRouter(tags=["history"], dependencies=[Reader])


@router.get(
    "/api/runs",
    summary="The runs, newest first",
    response_model=RunPage,
    responses={200: {"headers": _ETAG}, **_NOT_MODIFIED, **READING, **problems(404, 429, 503)},
)
async def runs(
    *,
    context: ContextOf,
    limit: Annotated[int, Query(ge=1, le=MOST_RUNS)] = 20,
    cursor: Annotated[
        str | None,
        Query(max_length=64, description="`next` of the page before; empty for the first."),
    ] = None,
    kind: Annotated[
        list[Kind] | None, Query(max_length=3, description="Recipes and runs by hand, unless said otherwise.")
    ] = None,
    status: Annotated[list[Status] | None, Query(max_length=5)] = None,
    recipe: Annotated[Words | None, Query(max_length=200, description="The whole name.")] = None,
    search: Annotated[
        Words | None,
        Query(max_length=200, description="Part of id, recipe, operator, lot, substrate or note; any letters."),
    ] = None,
    begun_from: Annotated[Moment, Query(description="Earliest beginning; UTC where it has no offset.")] = _FIRST,
    begun_before: Annotated[Moment, Query(description="The beginning is before this.")] = _LAST,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One page; `next` is the cursor of the one after it. Idle times are runs too, and left out unless asked for.

    Kept for five minutes, or half a minute while one of the runs goes on; a run that begins, ends, is audited,
    summarised or noted is shown at once.
    """
    question = RunQuestion(
        limit=limit,
        after=_after(cursor),
        kinds=tuple(sorted(set(kind or ("manual", "recipe")))),
        statuses=None if not status else tuple(sorted(set(status))),
        recipe=recipe,
        search=search.lower() if search else None,
        begun_from=begun_from,
        begun_before=begun_before,
    )
    return _given(await context.history.page(question), if_none_match)


@router.get(
    "/api/runs/{run}",
    summary="One run",
    response_model=RunDocument,
    responses={200: {"headers": _ETAG}, **_NOT_MODIFIED, **READING, **problems(404, 429, 503)},
)
async def run(context: ContextOf, run: Run, if_none_match: IfNoneMatch = None) -> Response:
    """With its slots, last steps, last values, audit and summaries. One that is over is the same until a notice."""
    return _given(await context.history.document(run), if_none_match)


@router.get(
    "/api/runs/{run}/summaries",
    summary="What each parameter did in a run",
    response_model=RunSummaries,
    responses={200: {"headers": _ETAG}, **_NOT_MODIFIED, **READING, **problems(404, 429, 503)},
)
async def summaries(context: ContextOf, run: Run, if_none_match: IfNoneMatch = None) -> Response:
    """As a whole and by step; empty until the run has ended and was summarised."""
    return _given(await context.history.summaries(run), if_none_match)


@router.get(
    "/api/runs/{run}/points",
    summary="The points of a run",
    response_class=Response,
    responses={
        200: {
            "description": "A line a point, in order of time, as they come from the database.",
            "headers": _ETAG,
            "content": {form.media_type: {"schema": {"type": "string"}} for form in PointFormat},
        },
        **_NOT_MODIFIED,
        **READING,
        **problems(404, 406, 429, 503),
    },
)
async def points(
    *,
    context: ContextOf,
    run: Run,
    parameter: Annotated[
        list[Words] | None,
        Query(max_length=MOST_PARAMETERS, description="component/parameter, or id; all where none is named."),
    ] = None,
    begin: Annotated[Moment | None, Query(description="Earliest time stamp; UTC where it has no offset.")] = None,
    end: Annotated[Moment | None, Query(description="Latest time stamp.")] = None,
    format: Annotated[PointFormat | None, Query(description="Goes before Accept.")] = None,  # noqa: A002
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    accept_encoding: Annotated[str | None, Header(include_in_schema=False)] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """CSV or NDJSON, compressed above 10 kB where the client takes gzip.

    Times are UTC to the microsecond; quality in words and as OPC code. A value that is bad is empty (null), with the
    quality that says why. An answer that ends without its end is not whole: ask again.
    """
    form = format or _form(accept)
    head = await context.history.head(run)
    download = await context.points.prepare(
        head, PointsQuestion(form=form, parameters=tuple(parameter or ()), earliest=begin, latest=end)
    )
    headers = {"Vary": "Accept, Accept-Encoding"}
    if download.etag is not None:
        headers |= {"ETag": download.etag, "Cache-Control": _REVALIDATE}
        if has_already(download.etag, if_none_match):
            return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="run-{run}.{form.value}"'
    return PointsResponse(
        lambda: context.points.chunks(download),
        media_type=form.media_type,
        headers=headers,
        may_compress=takes_gzip(accept_encoding),
    )


def _form(accept: str | None) -> PointFormat:
    forms = {form.media_type: form for form in PointFormat}
    best = best_of(list(forms), accept)
    if best is None:
        raise HTTPException(406, f"points come as {' or '.join(forms)}; ask for one of them, or with ?format=")
    return forms[best]


def _given(answer: Answer, if_none_match: str | None) -> Response:
    headers = {"ETag": answer.etag, "Cache-Control": _REVALIDATE}
    if has_already(answer.etag, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(answer.body, media_type=_JSON, headers=headers)
