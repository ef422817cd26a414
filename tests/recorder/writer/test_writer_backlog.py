"""A backlog is read on while PostgreSQL is busy, and nothing changes in what is stored."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.spool.entry import Entry, EntryKind
from recorder.spool.spool import Spool
from recorder.spool.stored_entry import SpooledEntry
from tests.recorder.entries import event, points
from tests.recorder.writing import desk

ENTRIES = 100
AT_ONCE = 10


class ListeningSpool(Spool):
    """A spool that tells how far the database was when it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, max_bytes=100_000_000)
        self.ahead: list[int] = []

    async def peek(self, *, after: int, max_rows: int) -> list[SpooledEntry]:
        """Read, and note by how many entries the database was behind."""
        self.ahead.append(after - self.acknowledged)
        return await super().peek(after=after, max_rows=max_rows)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[ListeningSpool]:
    """Open, and empty."""
    async with ListeningSpool(tmp_path / "spool.sqlite3") as spool:
        yield spool


def scans(numbers: range) -> list[Entry]:
    """An entry of ten rows each."""
    return [points(number, rows=10) for number in numbers]


async def test_the_next_entries_of_a_backlog_are_read_while_those_before_are_committed(
    tmp_path: Path, database_url: str, spool: ListeningSpool
) -> None:
    """All but the first reading and the last are one transaction ahead; what is stored is in order, and once."""
    async with desk(tmp_path, database_url, spool=spool, max_rows=10 * AT_ONCE) as d:
        await spool.append(scans(range(ENTRIES)))
        d.start()
        await d.drained()
        assert spool.ahead == [0] + [AT_ONCE] * (ENTRIES // AT_ONCE - 1)
        assert d.writer.totals.transactions == ENTRIES // AT_ONCE
        assert await d.values() == [float(number) for number in range(ENTRIES)]


async def test_a_writer_that_keeps_up_reads_nothing_ahead(
    tmp_path: Path, database_url: str, spool: ListeningSpool
) -> None:
    """What arrives while it commits goes together into the next transaction."""
    async with desk(tmp_path, database_url, spool=spool) as d:
        d.start()
        for number in range(5):
            await spool.append([points(number), event()])
            await d.drained()
        assert set(spool.ahead) == {0}


async def test_what_was_read_ahead_of_a_commit_that_failed_is_read_again(
    tmp_path: Path, database_url: str, spool: ListeningSpool
) -> None:
    """The table is locked until the statement times out, and the watermark of the next claim counts."""
    async with desk(tmp_path, database_url, spool=spool, max_rows=10 * AT_ONCE, statement_timeout_s=0.3) as d:
        await spool.append(scans(range(AT_ONCE)))
        d.start()
        await d.drained()
        async with d.sql.transaction():
            await d.sql.execute("LOCK TABLE process_data_points")
            await spool.append(scans(range(AT_ONCE, ENTRIES)))
            await d.away()
            assert AT_ONCE in spool.ahead
        await d.drained()
        assert await d.values() == [float(number) for number in range(ENTRIES)]
        assert await d.watermark() == ENTRIES


async def test_what_cannot_be_written_within_a_backlog_goes_into_quarantine_in_its_turn(
    tmp_path: Path, database_url: str, spool: ListeningSpool
) -> None:
    """One event that lacks what this release needs, one row that no calendar holds; all else is stored, in order."""
    async with desk(tmp_path, database_url, spool=spool, max_rows=10 * AT_ONCE) as d:
        await spool.append(
            [
                *scans(range(45)),
                Entry(kind=EntryKind.PROCESS, header={"event": "step_started"}),
                *scans(range(45, 75)),
                points(-1, start_us=2**62),
                *scans(range(75, ENTRIES)),
            ]
        )
        d.start()
        await d.drained()
        assert max(spool.ahead) >= AT_ONCE
        assert await d.values() == [float(number) for number in range(ENTRIES)]
        assert await d.watermark() == ENTRIES + 2
        assert (d.writer.totals.quarantined_entries, d.writer.totals.quarantined_rows) == (1, 2)


async def test_a_writer_that_is_ended_in_a_backlog_leaves_no_reading_behind(
    tmp_path: Path, database_url: str, spool: ListeningSpool
) -> None:
    """Ended while the database stands still; the next one goes on where the first came to."""
    async with desk(tmp_path, database_url, spool=spool, max_rows=10 * AT_ONCE) as d:
        async with d.sql.transaction():
            await d.sql.execute("LOCK TABLE process_data_points")
            await spool.append(scans(range(ENTRIES)))
            d.start()
            await d.until(lambda: AT_ONCE in spool.ahead)
            await d.stop()
            assert not [task for task in asyncio.all_tasks() if task.get_name() == "read ahead"]
        d.start()
        await d.drained()
        assert await d.values() == [float(number) for number in range(ENTRIES)]
