"""Downloads of points: a few at one time, each from a place that the server keeps in an open answer."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from recorder.api.errors import NotFoundError, TooBusyError
from recorder.api.points import ParameterName, PointFormat, point_writer
from recorder.api.run_history import RunHead
from recorder.database import Database

BATCH_ROWS: Final = 2_000
"""Rows in memory for each download, about 1 MB of them and their text."""
_AROUND: Final = timedelta(minutes=1)
"""Points of a run lie within its start and end, and this much around them where the clock was set."""
_VERSION: Final = 1
"""Of what is written; another one makes all ETags others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PointsQuestion:
    """Which points of which run, and how they are written.

    Attributes:
        parameters: ids or full names; empty for all.
        earliest: None from the start of the run.
        latest: None to its end.
    """

    form: PointFormat
    parameters: tuple[str, ...]
    earliest: datetime | None
    latest: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """A question that can be answered.

    Attributes:
        ids: of the parameters; None for all.
        etag: of the answer; None where that may change without a notice.
    """

    head: RunHead
    form: PointFormat
    ids: tuple[int, ...] | None
    earliest: datetime
    latest: datetime
    names: Mapping[int, ParameterName]
    etag: str | None


class RunPoints:
    """Downloads of the points of one machine's runs.

    Args:
        most: downloads at one time; each holds a connection of the pool.
        batch_rows: rows in memory for each.
        on_batch: told how many rows each batch has.

    Attributes:
        under_way: downloads now.
    """

    def __init__(
        self,
        database: Database,
        machine: str,
        *,
        most: int,
        batch_rows: int = BATCH_ROWS,
        on_batch: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        self._database = database
        self._machine = machine
        self._most = most
        self._batch_rows = batch_rows
        self._on_batch = on_batch
        self.under_way = 0

    async def prepare(self, head: RunHead, question: PointsQuestion) -> Download:
        """Look up what is asked for.

        Raises:
            NotFoundError: a parameter that is asked for is none of this machine.
            DatabaseError: the database cannot be asked.
        """
        rows = await self._database.read("api_parameter_names", self._machine)
        names = {row["id"]: ParameterName(**row) for row in rows}
        ids = _ids(question.parameters, names.values())
        earliest = max(head.started_at - _AROUND, question.earliest or head.started_at - _AROUND)
        latest = (head.ended_at or datetime.now(UTC)) + _AROUND
        return Download(
            head=head,
            form=question.form,
            ids=ids,
            earliest=earliest,
            latest=latest if question.latest is None else min(latest, question.latest),
            names=names,
            etag=None if head.version is None else _etag(head, question, ids, names),
        )

    @asynccontextmanager
    async def chunks(self, download: Download) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer, a batch at a time, for as long as the block runs.

        Raises:
            TooBusyError: as many are under way as may be.
            DatabaseError: the database cannot be asked.
        """
        if self.under_way >= self._most:
            raise TooBusyError(f"{self.under_way} downloads of points are under way; try again in a few seconds")
        self.under_way += 1
        try:
            await self._database.ensure_open()
            async with aclosing(self._batches(download)) as batches:
                yield batches
        finally:
            self.under_way -= 1

    async def _batches(self, download: Download) -> AsyncGenerator[bytes, None]:
        writer = point_writer(download.form, download.names)
        yield writer.head()
        ids = None if download.ids is None else list(download.ids)
        async with self._database.session() as session, session.transaction():
            asked = session.stream(
                "api_points", download.head.id, download.earliest, download.latest, ids, batch_rows=self._batch_rows
            )
            async with aclosing(asked) as batches:
                async for rows in batches:
                    self._on_batch(len(rows))
                    yield writer.lines(rows)


def _ids(asked: Iterable[str], names: Iterable[ParameterName]) -> tuple[int, ...] | None:
    by_text = {text: name.id for name in names for text in (str(name.id), name.full)}
    ids = set()
    for text in asked:
        if text not in by_text:
            raise NotFoundError(f"parameter {text!r}: there is none; name it as component/parameter, or by its id")
        ids.add(by_text[text])
    return tuple(sorted(ids)) or None


def _etag(
    head: RunHead, question: PointsQuestion, ids: tuple[int, ...] | None, names: Mapping[int, ParameterName]
) -> str:
    """Of what decides the answer, so that nothing need be read to know it; weak, since it is the same compressed."""
    span = [moment and moment.isoformat() for moment in (question.earliest, question.latest)]
    called = sorted((name.id, name.full, name.unit) for name in names.values() if ids is None or name.id in ids)
    content = repr((_VERSION, head.id, head.version, question.form.value, ids, span, called))
    return f'W/"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'
