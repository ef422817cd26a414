"""The newest entries in memory: the same as the file's, without a hole, and never more than their limit."""

import asyncio
from pathlib import Path

import pytest

from recorder.spool import recent
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.file import connect
from recorder.spool.reader import SpoolReader
from recorder.spool.recent import MOST_RECENT_ROWS
from recorder.spool.spool import Spool
from recorder.spool.store import SpooledEntry
from tests.recorder.entries import event, points

ROOMY = 100_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is to be made."""
    return tmp_path / "spool.sqlite3"


def of_file(spool: Spool, after: int = 0) -> list[SpooledEntry]:
    """What the file says."""
    return spool._store.peek(after=after, max_rows=10**9)


async def test_what_was_just_appended_is_read_without_the_file_and_equals_it(path: Path) -> None:
    """A writer that keeps up waits for no other thread, and sees the very entries that a restart would."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        header = {"event": "device_lost", "detail": {"reason": "lone surrogate \ud800", "tuple": (1, 2)}}
        await spool.append([points(1), Entry(kind=EntryKind.EVENT, header=header), points(2)])
        expected = of_file(spool)
        spool._store._reader.close()
        assert await spool.peek(after=0, max_rows=10**9) == expected
        assert await spool.peek(after=1, max_rows=10**9) == expected[1:]
        assert await spool.peek(after=0, max_rows=3) == expected[:2]
        assert await spool.peek(after=0, max_rows=1) == expected[:1]
        spool._store._reader = SpoolReader(connect(path))


async def test_a_writer_far_behind_finds_every_entry_once_and_in_order(path: Path) -> None:
    """It begins in the file and ends in memory."""
    rows = MOST_RECENT_ROWS // 4
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(1, 11):
            await spool.append([points(number, rows=rows)])
        assert 0 < len(spool._recent.sequences) < 10
        found, after = [], 0
        while part := await spool.peek(after=after, max_rows=rows):
            found += [spooled.sequence for spooled in part]
            after = found[-1]
        assert found == list(range(1, 11))


async def test_memory_is_bounded_by_rows_and_by_entries(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long outage fills the disk's share and not the memory."""
    monkeypatch.setattr(recent, "MOST_RECENT_ENTRIES", 5)
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(20):
            await spool.append([event(number=number)])
        assert spool._recent.sequences == [16, 17, 18, 19, 20]
        await spool.append([points(1, rows=MOST_RECENT_ROWS + 1)])
        assert not spool._recent.sequences
        assert spool._recent.rows == 0
        assert (await spool.peek(after=20, max_rows=1))[0].entry.row_count == MOST_RECENT_ROWS + 1


async def test_what_is_acknowledged_leaves_memory(path: Path) -> None:
    """Memory holds what the writer may still ask for."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        await spool.append([points(1), points(2), points(3)])
        spool.acknowledge(2)
        assert spool._recent.sequences == [3]
        assert spool._recent.rows == 2


async def test_what_was_shed_is_read_as_its_tombstone(path: Path) -> None:
    """Memory does not bring back rows that were counted as given up."""
    size = len(points(1, rows=100).rows)
    async with Spool(path, max_bytes=4 * size) as spool:
        for number in range(1, 8):
            await spool.append([points(number, rows=100)])
        assert spool.shed_entries
        assert await spool.peek(after=0, max_rows=10**9) == of_file(spool)


async def test_entries_of_an_earlier_start_are_read_from_the_file(path: Path) -> None:
    """New ones come behind them."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        await spool.append([points(1)])
    async with Spool(path, max_bytes=ROOMY) as spool:
        await spool.append([points(2)])
        assert [spooled.sequence for spooled in await spool.peek(after=0, max_rows=10**9)] == [1, 2]


async def test_whoever_waits_for_the_disk_goes_before_the_writer(path: Path) -> None:
    """The writer decodes and encodes for a while when something arrives; what it is told of is durable before that."""
    order: list[str] = []
    async with Spool(path, max_bytes=ROOMY) as spool, asyncio.TaskGroup() as tasks:

        async def write() -> None:
            await spool.wait_beyond(0)
            order.append("writer")

        tasks.create_task(write(), name="writer")
        await asyncio.sleep(0)
        future = spool.append([points(1)])
        future.add_done_callback(lambda _: order.append("durable"))
        await future
    assert order == ["durable", "writer"]
