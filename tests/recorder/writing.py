"""A writer between a real spool and a real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from recorder.clock.clock import Clock
from recorder.database import Database, DatabaseSettings, connect_once
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder, Mark
from recorder.writer.holder import Holder
from recorder.writer.statements import PREPARED
from recorder.writer.writer import Writer, WriterState

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE application_name LIKE 'ald-recorder/%' AND datname = current_database()
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@dataclass(kw_only=True)
class Desk:
    """A writer at work, and a connection of its own to look at what it wrote."""

    spool: Spool
    database: Database
    writer: Writer
    latency: LatencyRecorder
    marks: dict[int, Mark]
    sql: asyncpg.Connection
    task: "asyncio.Task[None] | None" = None

    def start(self) -> None:
        """Let the writer begin."""
        self.task = asyncio.create_task(self.writer.run())

    async def stop(self) -> None:
        """Cancel the writer, as a crash would."""
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    async def drained(self) -> None:
        """Wait until all that is spooled is committed, or the writer has ended with an error."""
        draining = asyncio.create_task(self.writer.drained())
        try:
            await asyncio.wait(
                [draining, *([self.task] if self.task else [])], timeout=20, return_when="FIRST_COMPLETED"
            )
            if self.task is not None and self.task.done() and not draining.done():
                self.task.result()
            assert draining.done(), f"not drained: {self.writer.state}, {self.writer.last_error}"
        finally:
            draining.cancel()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until the writer has come to something."""
        async with asyncio.timeout(20):
            while not is_so():  # noqa: ASYNC110  (a writer's state has no event)
                await asyncio.sleep(0.002)

    async def away(self) -> None:
        """Wait until the writer has found the database away."""
        await self.until(lambda: self.writer.state is WriterState.AWAY)

    async def values(self) -> list[float]:
        """The value of every point of parameter 1, in order of time: the numbers of the entries that are stored."""
        rows = await self.sql.fetch('SELECT value FROM process_data_points WHERE parameter_id = 1 ORDER BY "timestamp"')
        return [row["value"] for row in rows]

    async def watermark(self) -> int:
        """Where the database stands in this stream."""
        query = "SELECT last_sequence FROM recorder_streams WHERE stream_id = $1"
        return int(await self.sql.fetchval(query, self.spool.stream_id))

    async def minutes(self) -> list[tuple[Any, ...]]:
        """All accounting: process, minute as UTC seconds, outcome, cause, slots, rows."""
        rows = await self.sql.fetch(
            "SELECT process_id, extract(epoch FROM minute)::int8, outcome, cause, slots, rows"
            " FROM acquisition_minutes ORDER BY 1, 2, 3, 4"
        )
        return [tuple(row) for row in rows]


async def _no_wait(_seconds: float) -> None:
    """Try again at once."""
    await asyncio.sleep(0.001)


async def kill_backends(d: Desk) -> None:
    """End every session of the writer from the server's side."""
    await d.sql.fetch(TERMINATE)


async def assert_stored_once(d: Desk, numbers: int, *, rows: int = 2) -> None:
    """Every entry's rows, each once, and accounting that agrees."""
    assert await d.values() == [float(number) for number in range(numbers)]
    assert await d.sql.fetchval("SELECT count(*) FROM process_data_points") == numbers * rows
    assert await d.sql.fetchval("SELECT sum(rows) FROM acquisition_minutes") == numbers * rows
    assert await d.sql.fetchval("SELECT sum(slots) FROM acquisition_minutes") == numbers
    assert await d.watermark() == d.spool.last_sequence == d.spool.acknowledged


async def events(d: Desk) -> list[tuple[str, Any]]:
    """What happened, by the database."""
    await d.sql.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")
    return [tuple(row) for row in await d.sql.fetch("SELECT kind, detail FROM recorder_events ORDER BY id")]


@asynccontextmanager
async def desk(
    folder: Path,
    url: str,
    *,
    sql_url: str | None = None,
    recorder: int = 1,
    machine: str = "tool",
    max_rows: int = 100_000,
    statement_timeout_s: float = 60,
    dead_after_s: float = 10,
    prepared_statements: bool = True,
    spool: Spool | None = None,
) -> AsyncIterator[Desk]:
    """A writer that is not started yet.

    The writer reaches the database by ``url``, the test by ``sql_url``; a ``spool`` that is given is open already.
    """
    holder = Holder.here(recorder)
    settings = DatabaseSettings(
        dsn=url,
        application_name=holder.application_name,
        pool_min=1,
        pool_max=2,
        connect_timeout_s=5,
        lock_timeout_s=5,
        statement_timeout_s=statement_timeout_s,
        dead_after_s=dead_after_s,
        prepared=PREPARED,
        prepared_statements=prepared_statements,
    )
    opened = Spool(folder / "spool.sqlite3", max_bytes=100_000_000) if spool is None else None
    sql = await connect_once(sql_url or url, schema="ald")
    database = Database(settings)
    latency = LatencyRecorder()
    marks: dict[int, Mark] = {}
    try:
        here = await opened.__aenter__() if opened is not None else spool
        assert here is not None
        writer = Writer(
            database=database,
            spool=here,
            holder=holder,
            machine=machine,
            clock=Clock(),
            latency=latency,
            marks=marks,
            max_rows=max_rows,
            sleep=_no_wait,
        )
        made = Desk(spool=here, database=database, writer=writer, latency=latency, marks=marks, sql=sql)
        try:
            yield made
        finally:
            await made.stop()
            if opened is not None:
                await opened.__aexit__(None, None, None)
    finally:
        await database.close()
        await sql.close()
