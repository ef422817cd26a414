"""The recorder audits runs by itself: when all of a run is written, and never in the way of recording."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from recorder.audit.audit import Audit
from recorder.audit.auditor import POSTPONED_S, SETTLE_S, Auditor
from recorder.database import Database, DatabaseSettings
from recorder.spool.spool import Spool
from tests.recorder.audit_runs import RUN, SLOTS, AuditBench, at
from tests.recorder.entries import event

AFTER = RUN + 4096 * 1024


class _Seconds:
    """Time that passes when told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    """A spool in which nothing waits."""
    async with Spool(tmp_path / "spool.sqlite3", max_bytes=10_000_000) as spool:
        yield spool


@pytest.fixture
async def database(bench: AuditBench) -> AsyncIterator[Database]:
    """A pool, with a time-out that a held lock runs into."""
    settings = DatabaseSettings(dsn=bench.url, pool_min=1, pool_max=2, lock_timeout_s=0.2)
    async with Database(settings) as database:
        yield database


def auditor(database: Database, spool: Spool, seconds: _Seconds) -> Auditor:
    """The auditor of recorder 1."""
    return Auditor(database=database, spool=spool, recorder=1, monotonic_s=seconds)


async def look(made: Auditor, run: int) -> Audit | None:
    """Let it look at a run."""
    return await made.look_at(run, at(SLOTS))


async def test_every_ended_process_gets_its_verdict(bench: AuditBench, database: Database, spool: Spool) -> None:
    """The run and the idle times, each once; status shows the newest."""
    made = auditor(database, spool, _Seconds())
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(20):
            statement = "SELECT count(*) FROM process_runs WHERE audit_verdict = 'balances'"
            while await bench.sql.fetchval(statement) < 2:  # noqa: ASYNC110  (a table has no event)
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    newest = await bench.sql.fetchrow(
        'SELECT id AS "run", kind, audit_verdict AS verdict FROM process_runs WHERE audited_at IS NOT NULL'
        " ORDER BY audited_at DESC LIMIT 1"
    )
    assert newest is not None
    assert made.picture == {"latest": dict(newest), "not_balanced": 0}
    assert await bench.sql.fetchval("SELECT audited_at IS NULL FROM process_runs WHERE id = $1", AFTER)


async def test_a_run_is_audited_only_when_what_was_spooled_is_written(
    bench: AuditBench, database: Database, spool: Spool
) -> None:
    """Else entries of it that wait would be called missing."""
    made = auditor(database, spool, _Seconds())
    last = await spool.append([event(), event()])
    assert await look(made, RUN) is None
    spool.acknowledge(last)
    audited = await look(made, RUN)
    assert audited is not None
    assert audited.line == "balances"


async def test_a_run_that_nothing_follows_is_given_time(bench: AuditBench, database: Database, spool: Spool) -> None:
    """Slots of a slow scan may still come."""
    made = auditor(database, spool, seconds := _Seconds())
    assert await look(made, AFTER) is None
    seconds.now += SETTLE_S
    audited = await look(made, AFTER)
    assert audited is not None
    assert audited.line == "balances"


async def test_an_audit_that_fails_is_put_off_and_tried_again(
    bench: AuditBench, database: Database, spool: Spool
) -> None:
    """A table that somebody holds costs a time-out and a line in the log, not the recorder."""
    made = auditor(database, spool, seconds := _Seconds())
    async with bench.sql.transaction():
        await bench.sql.execute("LOCK TABLE acquisition_minutes IN ACCESS EXCLUSIVE MODE")
        assert await look(made, RUN) is None
    assert await look(made, RUN) is None, "not before its time"
    seconds.now += POSTPONED_S + 1
    assert await look(made, RUN) is not None


async def test_a_run_that_does_not_balance_is_counted(bench: AuditBench, database: Database, spool: Spool) -> None:
    """And its verdict kept with it."""
    await bench.sql.execute("DELETE FROM process_data_points WHERE process_id = $1 AND parameter_id = 2", RUN)
    made = auditor(database, spool, _Seconds())
    assert await look(made, RUN) is not None
    assert made.picture["not_balanced"] == 1
    kept = await bench.sql.fetchval("SELECT audit_verdict FROM process_runs WHERE id = $1", RUN)
    assert kept.startswith("does not balance: 1500 rows missing")
