"""From the spool into PostgreSQL: everything, in order, with its accounting."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.spool.spool import Spool
from recorder.status.latency import Mark
from recorder.writer.writer import WriterState
from tests.recorder.entries import NOON_US, PROCESS, event, points, run_started
from tests.recorder.writing import desk

MINUTE = NOON_US // 1_000_000
NASTY = "O'Neill \\'; DROP TABLE machines; -- é\u2028 $1 %s {} \\x00 E'\\n'"


async def test_what_is_spooled_is_committed_and_acknowledged(tmp_path: Path, database_url: str) -> None:
    """Before and while the writer runs; watermark and acknowledgement are those of the last entry."""
    async with desk(tmp_path, database_url) as d:
        for number in range(5):
            await d.spool.append([points(number)])
        d.start()
        await d.drained()
        assert await d.values() == [0, 1, 2, 3, 4]
        await d.spool.append([points(5), points(6)])
        await d.drained()
        assert await d.values() == [0, 1, 2, 3, 4, 5, 6]
        assert await d.watermark() == d.spool.acknowledged == 7
        assert (d.writer.state, d.writer.last_error) == (WriterState.WRITING, None)
        assert d.writer.totals.rows == 14
        assert d.writer.totals.entries == 7


async def test_a_row_is_stored_as_it_was_spooled(tmp_path: Path, database_url: str) -> None:
    """Time to the microsecond, process, value, NULL, parameter, quality."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(3, rows=1)])
        d.start()
        await d.drained()
        [row] = await d.sql.fetch("SELECT * FROM process_data_points")
        assert tuple(row) == (datetime(2023, 11, 15, 12, 0, 0, 300_000, UTC), PROCESS, 3.0, None, 1, 192)


async def test_a_backlog_goes_in_transactions_of_a_bounded_size(tmp_path: Path, database_url: str) -> None:
    """100 entries of 10 rows at most 200 rows each: 5 transactions, in order."""
    async with desk(tmp_path, database_url, max_rows=200) as d:
        await d.spool.append([points(number, rows=10) for number in range(100)])
        d.start()
        await d.drained()
        assert d.writer.totals.transactions == 5
        assert await d.values() == [float(number) for number in range(100)]


async def test_accounting_is_summed_by_minute_and_agrees_with_the_rows(tmp_path: Path, database_url: str) -> None:
    """Over entries, transactions and outcomes; every row that is counted is there."""
    async with desk(tmp_path, database_url, max_rows=50) as d:
        await d.spool.append([points(number) for number in range(590, 610)])
        skipped = SlotCount(
            process_id=PROCESS, device="plc", interval_ms=100, minute=MINUTE + 60, outcome=Outcome.SKIPPED,
            cause="overrun", slots=3, rows=0,
        )  # fmt: skip
        await d.spool.append([Entry(kind=EntryKind.ACCOUNTING, accounting=(skipped, skipped)), points(610)])
        await d.spool.append([points(611).tombstone("spool_full")])
        d.start()
        await d.drained()
        assert await d.minutes() == [
            (PROCESS, MINUTE, "completed", "", 10, 20),
            (PROCESS, MINUTE + 60, "completed", "", 11, 22),
            (PROCESS, MINUTE + 60, "shed", "spool_full", 1, 0),
            (PROCESS, MINUTE + 60, "skipped", "overrun", 6, 0),
        ]
        assert await d.sql.fetchval("SELECT count(*) FROM process_data_points") == 42
        assert d.writer.totals.lost_rows == 2


async def test_runs_and_steps_become_rows(tmp_path: Path, database_url: str) -> None:
    """Start and end of each, to the microsecond; text is text, whatever is in it."""

    def process(event: str, **header: object) -> Entry:
        return Entry(kind=EntryKind.PROCESS, header={"event": event, "process_id": PROCESS, **header})

    async with desk(tmp_path, database_url) as d:
        await d.spool.append(
            [
                run_started(started_us=NOON_US + 1, recipe=NASTY, operator=NASTY, note="", time_scale=0.1),
                process("step_started", kind="step", number=1, started_us=NOON_US + 2),
                points(0),
                process("step_ended", kind="step", started_us=NOON_US + 2, ended_us=NOON_US + 5),
                process("step_started", kind="cycle", number=2, started_us=NOON_US + 2),
                process("run_ended", status="aborted", ended_us=NOON_US + 9),
            ]
        )
        d.start()
        await d.drained()
        [run] = await d.sql.fetch(
            "SELECT run.*, machine.name AS machine FROM process_runs run"
            " JOIN machines machine ON machine.id = run.machine_id"
        )
        noon = datetime(2023, 11, 15, 12, 0, 0, 0, UTC)
        assert (run["id"], run["machine"], run["kind"], run["recipe"]) == (PROCESS, "tool", "recipe", NASTY)
        assert (run["operator"], run["status"], run["run_counter"]) == (NASTY, "aborted", 7)
        assert run["started_at"] == noon.replace(microsecond=1)
        assert run["ended_at"] == noon.replace(microsecond=9)
        assert (run["time_scale"], run["clock_synchronised"], run["definitions_version"]) == (0.1, True, "abc")
        steps = await d.sql.fetch("SELECT kind, number, started_at, ended_at FROM process_steps ORDER BY number")
        assert [tuple(step) for step in steps] == [
            ("step", 1, noon.replace(microsecond=2), noon.replace(microsecond=5)),
            ("cycle", 2, noon.replace(microsecond=2), None),
        ]


async def test_a_run_without_a_counter_and_an_event_without_a_time_are_stored(
    tmp_path: Path, database_url: str
) -> None:
    """NULL is NULL; an event that does not know its time gets that of its storing."""
    async with desk(tmp_path, database_url) as d:
        lost = Entry(kind=EntryKind.EVENT, header={"event": "entry_lost", "lost_rows": 5, "detail": {"rows": 5}})
        await d.spool.append([run_started(run_counter=None), event(reason=NASTY), lost])
        d.start()
        await d.drained()
        assert await d.sql.fetchval("SELECT run_counter FROM process_runs") is None
        first, second = await d.sql.fetch("SELECT * FROM recorder_events ORDER BY id")
        assert (first["recorder"], first["kind"], first["device"]) == (1, "device_lost", "plc")
        assert first["occurred_at"] == datetime(2023, 11, 15, 12, tzinfo=UTC)
        assert await d.sql.fetchval("SELECT detail ->> 'reason' FROM recorder_events ORDER BY id LIMIT 1") == NASTY
        assert abs((second["occurred_at"] - datetime.now(UTC)).total_seconds()) < 60
        assert d.writer.totals.lost_rows == 5


async def test_rows_of_two_days_in_one_entry_go_to_both(tmp_path: Path, database_url: str) -> None:
    """A scan around midnight, and one transaction over many days."""
    midnight_us = NOON_US + 43_200_000_000
    async with desk(tmp_path, database_url) as d:
        around = points(0, rows=4, start_us=midnight_us - 2)
        later = points(1, start_us=midnight_us + 5 * 86_400_000_000)
        await d.spool.append([around, later])
        d.start()
        await d.drained()
        partitions = await d.sql.fetch(
            "SELECT tableoid::regclass::text AS name, count(*) AS rows FROM process_data_points GROUP BY 1 ORDER BY 1"
        )
        assert [tuple(row) for row in partitions] == [
            ("process_data_points_20231115", 2),
            ("process_data_points_20231116", 2),
            ("process_data_points_20231121", 2),
        ]


async def test_a_partition_that_was_dropped_meanwhile_is_made_again(tmp_path: Path, database_url: str) -> None:
    """Retention may take a day for which a late entry comes."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0)])
        await d.drained()
        await d.sql.execute("SELECT drop_day_partition('2023-11-15')")
        await d.spool.append([points(1)])
        await d.drained()
        assert await d.values() == [1]


async def test_the_latency_of_each_entry_is_recorded_once(tmp_path: Path, database_url: str) -> None:
    """From its sampling and from its spooling to its commit; its mark is gone then."""
    async with desk(tmp_path, database_url) as d:
        now_ns = time.monotonic_ns()
        await d.spool.append([points(0), points(1), points(2)])
        d.marks |= {2: Mark(sampled_ns=now_ns - 50_000_000, spooled_ns=now_ns - 20_000_000)}
        d.start()
        await d.drained()
        summary = d.latency.summary_ms()
        assert (summary["commit"]["count"], summary["sample_to_commit"]["count"]) == (1, 1)
        assert summary["sample_to_commit"]["max"] - summary["commit"]["max"] == pytest.approx(30, rel=0.01)
        assert summary["commit"]["max"] >= 20
        assert d.marks == {}


async def test_a_restart_goes_on_from_the_watermark(tmp_path: Path, database_url: str) -> None:
    """The spool may not know yet what the database has; nothing is sent again."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0), points(1)])
        d.start()
        await d.drained()
        await d.stop()
        await d.spool.append([points(2)])
        epoch = d.writer.epoch
        # as after a crash: the file says that nothing was acknowledged
        d.spool._store._writer.execute("UPDATE spool SET value = '0' WHERE key = 'acknowledged'")
        d.spool._store._writer.commit()
    async with Spool(tmp_path / "spool.sqlite3", max_bytes=10**8) as spool:
        spool._acknowledged = 0
        async with desk(tmp_path, database_url, spool=spool) as d:
            d.start()
            await d.drained()
            assert d.writer.epoch == epoch + 1
            assert await d.values() == [0, 1, 2]
            assert spool.acknowledged == 3


async def test_a_writer_takes_an_entry_as_soon_as_it_is_durable(tmp_path: Path, database_url: str) -> None:
    """No timer: each of a row of single scans is committed before the next is made."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        for number in range(10):
            await d.spool.append([points(number)])
            await d.drained()
        assert d.writer.totals.transactions == 10
        assert await d.values() == [float(number) for number in range(10)]


async def test_draining_returns_at_once_where_nothing_waits(tmp_path: Path, database_url: str) -> None:
    """Also where the writer never ran."""
    async with desk(tmp_path, database_url) as d:
        async with asyncio.timeout(1):
            await d.writer.drained()
