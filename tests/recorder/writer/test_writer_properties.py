"""Whatever happens to spool, writer and database in whatever order: all that was spooled is stored once, or accounted.

A real spool file, a real PostgreSQL, a line between that loses replies. The database is made once and emptied for each
example.
"""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from recorder.cli.fault_lab.proxy import Proxy, confirms_commit
from recorder.database import connect_once
from recorder.spool.entry import Entry
from recorder.spool.spool import Spool
from tests.recorder.entries import event, points
from tests.recorder.writer.test_quarantine import NO_NAN, with_values
from tests.recorder.writing import Desk, desk

ROWS = 60
MOST_BYTES = 400_000
"""Of the spool: some dozens of entries; what does not fit is shed."""
TABLES = (
    *("recorders", "recorder_streams", "process_data_points", "acquisition_minutes", "recorder_events"),
    "recorder_quarantine",
)
KINDS = st.sampled_from(["points", "points", "event", "poison"])
Result = TypeVar("Result")


def entry_of(kind: str, number: int) -> Entry:
    """The entry with a number: each of its rows, or its detail, holds it."""
    match kind:
        case "event":
            return event("counted", number=number)
        case "poison":
            return with_values(number, [float(number)] * (ROWS - 1) + [np.nan])
        case _:
            return points(number, rows=ROWS)


class RecorderMachine(RuleBasedStateMachine):
    """A recorder that is started, killed and cut off, a database that is restored, and a list of what was spooled.

    Attributes:
        spooled: kind of each entry by its sequence, which is its number too.
    """

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp(prefix="ald"))
        self.lives = 0
        self.path = self.folder / "0.sqlite3"
        self.spooled: dict[int, str] = {}
        self.has_backup = False
        self.run(self.set_up())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    async def set_up(self) -> None:
        self.stack = AsyncExitStack()
        self.sql = await connect_once(self.url, schema="ald")
        await self.sql.execute(f"TRUNCATE {', '.join(TABLES)} RESTART IDENTITY CASCADE")
        self.proxy = await self.stack.enter_async_context(Proxy(self.url, self.folder).listening())
        await self.begin()

    async def begin(self) -> None:
        self.life = AsyncExitStack()
        self.spool = await self.life.enter_async_context(
            # every other life keeps some of what is confirmed, so that a restored database gets it again
            Spool(self.path, max_bytes=MOST_BYTES, keep_bytes=MOST_BYTES // 8 * (self.lives % 2))
        )
        self.desk: Desk = await self.life.enter_async_context(
            desk(self.folder, self.proxy.url, sql_url=self.url, spool=self.spool)
        )

    def teardown(self) -> None:
        try:
            self.run(self.check())
        finally:
            self.run(self.end())
            self.runner.close()
            shutil.rmtree(self.folder)

    async def end(self) -> None:
        await self.life.aclose()
        await self.sql.close()
        await self.stack.aclose()

    @rule(kinds=st.lists(KINDS, min_size=1, max_size=8))
    def append(self, kinds: list[str]) -> None:
        first = max(self.spooled, default=0) + 1
        numbered = dict(enumerate(kinds, start=first))

        async def work() -> None:
            last = await self.spool.append([entry_of(kind, number) for number, kind in numbered.items()])
            assert last == first + len(kinds) - 1

        self.run(work())
        self.spooled |= numbered

    @rule()
    def fill(self) -> None:
        """More than there is room for, unless the writer is quick."""
        for _ in range(4):
            self.append(["points"] * 30)

    @rule(moments=st.integers(1, 20))
    def write(self, moments: int) -> None:
        """Let the writer run for a moment, whatever it comes to."""

        async def work() -> None:
            if self.desk.task is None:
                self.desk.start()
            for _ in range(moments):
                await asyncio.sleep(0.001)

        self.run(work())

    @rule()
    def drain(self) -> None:
        self.run(self.drained())

    async def drained(self) -> None:
        if self.desk.task is None:
            self.desk.start()
        await self.desk.drained()

    @rule(is_reply=st.booleans(), is_commit=st.booleans())
    def lose(self, *, is_reply: bool, is_commit: bool) -> None:
        """Cut the connection at the next reply, at the next reply to a commit, or at the next request."""
        lost: Callable[[bytes], bool] = confirms_commit if is_reply and is_commit else lambda _: True
        if is_reply:
            self.proxy.lose_reply = lost
        else:
            self.proxy.lose_request = lost

    @rule()
    def stop(self) -> None:
        self.run(self.desk.stop())

    @rule()
    def restart(self) -> None:
        """In order: what is acknowledged leaves the file."""

        async def work() -> None:
            await self.life.aclose()
            await self.begin()

        self.run(work())

    @rule()
    def crash(self) -> None:
        """Go on with the file as it lies there now; the process that had it is gone."""

        async def work() -> None:
            await self.desk.stop()
            self.lives += 1
            after = self.folder / f"{self.lives}.sqlite3"
            for part in self.folder.glob(f"{self.path.name}*"):
                shutil.copy(part, self.folder / part.name.replace(self.path.name, after.name))
            await self.life.aclose()
            self.path = after
            await self.begin()

        self.run(work())

    @rule()
    def back_up(self) -> None:
        async def work() -> None:
            async with self.sql.transaction():
                await self.sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                for table in TABLES:
                    await self.sql.execute(f"DROP TABLE IF EXISTS public.{table}")
                    await self.sql.execute(f"CREATE TABLE public.{table} AS TABLE ald.{table}")

        self.run(work())
        self.has_backup = True

    @precondition(lambda self: self.has_backup)
    @rule()
    def restore(self) -> None:
        """The server is stopped, its data put back; the writer meets it when it comes again."""

        async def work() -> None:
            self.proxy.cut()
            async with self.sql.transaction():
                await self.sql.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
                for table in TABLES:
                    overriding = "OVERRIDING SYSTEM VALUE" if await has_identity(self.sql, table) else ""
                    await self.sql.execute(f"INSERT INTO ald.{table} {overriding} TABLE public.{table}")

        self.run(work())

    async def check(self) -> None:
        """Write what is left and set it all against each other."""
        self.proxy.lose_reply = self.proxy.lose_request = None
        # an idle writer meets a restored database only when it claims again
        await self.desk.stop()
        epoch = self.desk.writer.epoch
        self.desk.start()
        await self.desk.until(lambda: self.desk.writer.epoch > epoch)
        await self.desk.drained()
        lost = await self.lost()
        kinds = {number: kind for number, kind in self.spooled.items() if number not in lost}
        events = [row["number"] for row in await self.sql.fetch(EVENTS)]
        assert events == sorted(set(events)), "order of events, and none twice"
        dropped = {number for number, kind in kinds.items() if kind == "event"} - set(events)
        assert len(dropped) <= await self.sql.fetchval(DROPPED), "events are given up last, and counted"
        rows = {int(row["value"]): row["rows"] for row in await self.sql.fetch(STORED)}
        refused = {row["sequence"]: row["rows"] for row in await self.sql.fetch(REFUSED)}
        for number, stored in rows.items():
            poisoned = self.spooled[number] == "poison"
            assert (stored, refused.pop(number, 0)) == ((ROWS - 1, 1) if poisoned else (ROWS, 0)), f"entry {number}"
        assert refused == {}
        missing = {number for number, kind in self.spooled.items() if kind != "event"} - set(rows)
        [(shed, counted)] = await self.sql.fetch(COUNTED)
        assert len(missing - lost) <= shed <= len(missing), "what is not stored is counted as shed, or known as lost"
        assert counted == sum(rows.values()), "accounting and rows"
        if self.spooled:
            assert await self.desk.watermark() == self.spool.acknowledged == max(self.spooled)

    async def lost(self) -> set[int]:
        """Sequences that a restored database lost for good, as recorded."""
        found: set[int] = set()
        for row in await self.sql.fetch("SELECT detail FROM recorder_events WHERE kind = 'database_restored'"):
            detail = json.loads(row["detail"])
            found |= set(range(detail["lost_after_sequence"] + 1, detail["lost_to_sequence"] + 1))
        return found


EVENTS = "SELECT (detail ->> 'number')::int AS number FROM recorder_events WHERE kind = 'counted' ORDER BY id"
DROPPED = "SELECT coalesce(sum((detail ->> 'events')::int), 0) FROM recorder_events WHERE kind = 'events_dropped'"
STORED = "SELECT value, count(*) AS rows FROM process_data_points GROUP BY value"
REFUSED = "SELECT sequence, sum(row_count)::int AS rows FROM recorder_quarantine GROUP BY sequence"
COUNTED = (
    "SELECT coalesce(sum(slots) FILTER (WHERE outcome = 'shed'), 0)::int, coalesce(sum(rows), 0)::int"
    " FROM acquisition_minutes"
)


async def has_identity(sql: asyncpg.Connection, table: str) -> bool:
    """Whether a table numbers its rows itself."""
    query = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attidentity = 'a')"
    return bool(await sql.fetchval(query, f"ald.{table}"))


@pytest.mark.timeout(300)
def test_whatever_happens_all_is_stored_once_or_accounted(database_url: str) -> None:
    """Appends, crashes, restarts, lost replies and requests, sheds, restores and poison in any order."""

    async def forbid() -> None:
        sql = await connect_once(database_url, schema="ald")
        await sql.execute(NO_NAN)
        await sql.close()

    asyncio.run(forbid())
    RecorderMachine.url = database_url
    run_state_machine_as_test(
        RecorderMachine,
        settings=settings(
            max_examples=6,
            stateful_step_count=15,
            deadline=None,
            database=None,
            phases=(Phase.generate,),  # to make an example smaller takes minutes here
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
