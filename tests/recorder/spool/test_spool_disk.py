"""Disks that are full, slow or to be spared."""

import asyncio
import os
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hal.memory import MemoryDevice
from recorder.errors import SpoolError
from recorder.service.vitals import is_disk_full
from recorder.spool.entry import EntryKind, Outcome
from recorder.spool.spool import Spool
from tests.recorder.entries import points, run_started
from tests.recorder.fake_time import FakeTime
from tests.recorder.sampling import bench

ROOMY = 100_000_000
_DISK_BYTES = 3 * 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk of a few megabytes, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a tmpfs")
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(place)]
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


async def slots_of(spool: Spool) -> Counter[tuple[str, str]]:
    """Slots by outcome and cause, of all that waits."""
    slots: Counter[tuple[str, str]] = Counter()
    for spooled in await spool.peek(after=0, max_rows=10**9):
        for count in spooled.entry.accounting:
            slots[count.outcome, count.cause] += count.slots
    return slots


def fill(place: Path) -> Path:
    """Take all the space that a disk has left."""
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return ballast


async def test_a_full_disk_costs_rows_by_count_and_nothing_when_there_is_space_again(small_disk: Path) -> None:
    """ENOSPC of a real file system, without a reserve: it lives, counts each slot by cause, and recovers by itself."""
    lines: list[str] = []
    path = small_disk / "spool.sqlite3"
    lost = 0
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        for number in range(10):
            await spool.append([points(number, rows=200)])
        path.with_suffix(".reserve").unlink()
        ballast = await asyncio.to_thread(fill, small_disk)
        for number in range(10, 100):
            try:
                await spool.append([points(number, rows=200)])
            except SpoolError as error:
                lost += 1
                assert "rows are being lost and counted" in str(error)  # noqa: PT017  (some of them succeed)
                assert is_disk_full(error.__cause__)  # noqa: PT017  (no reason to restart the recorder)
        await asyncio.gather(spool.append([run_started()]), return_exceptions=True)
        assert lost > 10
        ballast.unlink()
        for number in range(100, 110):
            await spool.append([points(number, rows=200)])
        assert spool.set_aside is None
        assert len(lines) == 1
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert await slots_of(spool) == {
            (Outcome.COMPLETED, ""): 110 - lost,
            (Outcome.SHED, "spool_write"): lost,
        }
        assert run_started() in [s.entry for s in await spool.peek(after=0, max_rows=10**9)]


async def test_a_spool_that_fills_its_own_disk_goes_on_in_what_it_has(small_disk: Path) -> None:
    """The reserve is given back: the oldest goes for the newest, all of it counted; what is acknowledged makes room."""
    lines: list[str] = []
    path = small_disk / "spool.sqlite3"
    scans = 0

    async def append(spool: Spool, count: int) -> None:
        nonlocal scans
        for number in range(scans, scans + count):
            await spool.append([points(number, rows=200)])
        scans += count

    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        assert path.with_suffix(".reserve").stat().st_size > 0
        await append(spool, 600)  # 6 MB
        assert not path.with_suffix(".reserve").exists()
        assert len(lines) == 1
        assert "the disk is full" in lines[0]
        assert 0 < spool.shed_entries < scans
        before = spool.shed_entries
        # ballast beside it changes nothing: the log is written over, and the file has its pages
        await asyncio.to_thread(fill, small_disk)
        await append(spool, 200)
        assert spool.shed_entries > before
        found = await spool.peek(after=0, max_rows=10**9)
        assert found[-1].entry == points(scans - 1, rows=200)
        assert await slots_of(spool) == {
            (Outcome.COMPLETED, ""): len([one for one in found if one.entry.rows]),
            (Outcome.SHED, "spool_full"): scans - len([one for one in found if one.entry.rows]),
        }
        spool.acknowledge(found[-1].sequence)
        shed = spool.shed_entries
        await append(spool, 20)
        assert spool.shed_entries == shed, "there is room again for what comes"
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        await append(spool, 100)
        assert spool.depth.entries == 120


async def test_a_full_disk_holds_up_nothing_while_the_database_takes_what_comes(small_disk: Path) -> None:
    """Somebody else filled it: entries come and go in the file as it is, and with room the reserve is made again."""
    lines: list[str] = []
    path = small_disk / "spool.sqlite3"
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        sequence = await spool.append([points(0, rows=200)])
        ballast = await asyncio.to_thread(fill, small_disk)
        for number in range(1, 400):
            spool.acknowledge(sequence)
            sequence = await spool.append([points(number, rows=200)])
        assert spool.shed_entries == 0
        assert len(lines) == 1
        assert not path.with_suffix(".reserve").exists()
        await asyncio.to_thread(ballast.unlink)
        spool._appender._looked_s = 0
        await spool.append([points(400, rows=200)])
        assert path.with_suffix(".reserve").stat().st_size > 0
        assert spool._store.limit_bytes > _DISK_BYTES, "the file may grow again"


async def test_a_recorder_starts_on_a_full_disk(small_disk: Path) -> None:
    """With the space of the reserve that its predecessor made; what waits is there, and more comes."""
    lines: list[str] = []
    path = small_disk / "spool.sqlite3"
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(10):
            await spool.append([points(number, rows=200)])
    await asyncio.to_thread(fill, small_disk)
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        for number in range(10, 20):
            await spool.append([points(number, rows=200)])
        assert await slots_of(spool) == {(Outcome.COMPLETED, ""): 20}
    assert len(lines) == 1
    assert "the disk is full" in lines[0]


async def test_a_disk_that_stands_still_costs_no_slot(tmp_path: Path) -> None:
    """At 5 ms, with the file locked by another process for 300 ms and more: 60 scans and their rows."""
    time, memory = FakeTime(), MemoryDevice("plc")
    async with bench(tmp_path, time=time, memory=memory, interval_ms=5) as b:
        with closing(sqlite3.connect(tmp_path / "spool.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sampling = asyncio.create_task(b.sample(0.3))
            async with asyncio.timeout(20):
                while b.recording.totals.scheduled < 60:  # noqa: ASYNC110  (the sampler has no event for it)
                    await asyncio.sleep(0.001)
            assert b.spool.last_sequence == 0, "nothing could be written meanwhile"
            assert b.spool.unspooled_bytes > 0
            other.execute("ROLLBACK")
        await sampling
        totals = b.recording.totals
        assert (totals.scheduled, totals.skipped, totals.late, totals.lost_rows) == (60, 0, 0, 0)
        assert len([entry for entry in await b.entries() if entry.kind is EntryKind.POINTS]) == 60


@pytest.mark.parametrize("limit", ["MOST_UNSPOOLED_S", "MOST_UNSPOOLED_BYTES"])
async def test_memory_for_a_disk_that_stands_still_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """By time and by bytes; beyond them the next scan waits, and what that costs is counted as skipped."""
    least = {"MOST_UNSPOOLED_S": 0.1, "MOST_UNSPOOLED_BYTES": 5000}[limit]
    monkeypatch.setattr(f"recorder.acquisition.sampler.{limit}", least)
    time, memory = FakeTime(), MemoryDevice("plc")
    async with bench(tmp_path, time=time, memory=memory, interval_ms=5) as b:
        with closing(sqlite3.connect(tmp_path / "spool.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sampling = asyncio.create_task(b.sample(0.3))
            for _ in range(2000):  # turns of the loop, since the sampler asks for no other time than that of the test
                await asyncio.sleep(0)
            waiting = b.recording.totals.scheduled
            assert 1 <= waiting <= 25
            time.pass_s(0.05)
            other.execute("ROLLBACK")
        await sampling
        totals = b.recording.totals
        assert totals.skipped > 0
        assert totals.scheduled == totals.completed + totals.late + totals.skipped


async def test_grouped_appends_are_synced_together_and_done_when_they_are_durable(tmp_path: Path) -> None:
    """One transaction for all that came within the time, and each future no sooner than it."""
    path = tmp_path / "spool.sqlite3"
    async with Spool(path, max_bytes=ROOMY, group_ms=100) as spool:
        commits: list[str] = []
        spool._store._writer.set_trace_callback(lambda said: commits.append(said) if said == "COMMIT" else None)
        began = time.monotonic()
        futures = []
        for number in range(20):
            futures.append(spool.append([points(number)]))
            await asyncio.sleep(0)
        assert not any(future.done() for future in futures)
        assert await asyncio.gather(*futures) == list(range(1, 21))
        assert time.monotonic() - began >= 0.1
        assert len(commits) == 1
        last = spool.append([points(20)])
        assert spool.last_sequence == 20
    assert await last == 21
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert spool.last_sequence == 21, "the end waits for no timer"


async def test_a_group_that_grows_large_is_written_before_its_time(tmp_path: Path) -> None:
    """Memory holds no more than a transaction should."""
    async with Spool(tmp_path / "spool.sqlite3", max_bytes=1 << 20, group_ms=60_000) as spool:
        async with asyncio.timeout(10):
            first, *_ = [spool.append([points(number, rows=500)]) for number in range(4)]
            assert await first == 1
