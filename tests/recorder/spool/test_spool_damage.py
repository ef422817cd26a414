"""A spool file that is damaged while it is in use: set aside, followed by a new one, and nothing stored twice."""

import asyncio
import json
import threading
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from recorder.spool.entry import Entry, EntryKind, Outcome
from recorder.spool.spool import Spool
from recorder.spool.stored_entry import PAGE_BYTES
from recorder.writer.writer import WriterState
from tests.recorder.entries import event, points, run_started
from tests.recorder.writing import desk

ROOMY = 100_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is to be made."""
    return tmp_path / "spool.sqlite3"


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what is damaged is not all in memory."""
    monkeypatch.setattr("recorder.spool.recent.MOST_RECENT_ENTRIES", 5)


async def overwrite(spool: Spool, path: Path, *, first: float = 0.4, last: float = 0.6, skip: int = 0) -> None:
    """Let the disk bring back garbage for a part of the file, as a sector that dies does, and forget what it cached."""

    def in_the_thread_of_the_file() -> None:
        store = spool._store
        store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = path.stat().st_size // PAGE_BYTES
        with path.open("r+b") as file:
            for page in range(round(pages * first) + skip, round(pages * last)):
                file.seek(page * PAGE_BYTES)
                file.write(b"\xa5" * PAGE_BYTES)
        for connection in (store._writer, store._reader._connection):
            connection.execute("PRAGMA shrink_memory")

    await spool._loop.run_in_executor(spool._write_thread, in_the_thread_of_the_file)


def zero_pages(path: Path, pages: int) -> None:
    """Overwrite pages in the middle of a file that nobody has open."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // PAGE_BYTES // 2 * PAGE_BYTES)
        file.write(bytes(pages * PAGE_BYTES))


async def ruin(spool: Spool, path: Path) -> None:
    """Overwrite all but the first page: not even a new entry can be written."""
    await overwrite(spool, path, first=0.0, last=1.0, skip=1)


async def everything(spool: Spool, after: int = 0) -> dict[int, Entry]:
    """All that waits."""
    found: dict[int, Entry] = {}
    while part := await spool.peek(after=max(found, default=after), max_rows=10**9):
        found |= {spooled.sequence: spooled.entry for spooled in part}
    return found


def account(found: dict[int, Entry]) -> dict[str, Any]:
    """What the spool tells of the file that was set aside."""
    [told] = [dict(e.header["detail"]) for e in found.values() if e.header.get("event") == "spool_set_aside"]
    return told


async def test_an_append_to_a_damaged_file_goes_into_a_new_one_at_once(path: Path) -> None:
    """The same future succeeds, the state stays, numbers go on; the loss is told by name, stream and range."""
    lines: list[str] = []
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        for number in range(1, 41):
            await spool.append([points(number, rows=100)], state={"slot": number})
        stream = spool.stream_id
        spool.acknowledge(4)
        await ruin(spool, path)
        assert await spool.append([points(41, rows=100)], state={"slot": 41}) == 41
        assert spool.stream_id != stream
        assert spool.claims.lineage == (spool.stream_id, (stream,))
        found = await everything(spool, 4)
        told = account(found)
        assert told["stream_id"] == str(stream)
        assert (path.parent / told["file"]).exists()
        assert told["lost_sequences"] == [[5, 35]], "five of the newest were in memory"
        assert told["lost_entries"] == 31
        assert [n for n, e in found.items() if e.kind is EntryKind.POINTS] == [36, 37, 38, 39, 40, 41]
        assert spool.state == {"slot": 41}
        assert len(lines) == 1
        assert told["file"] in lines[0]
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert spool.state == {"slot": 41}
        assert await everything(spool, 4) == found


async def test_what_can_be_read_of_a_damaged_file_is_recovered_in_order(path: Path) -> None:
    """Each entry by its checksum; the rest is counted by range, and every number is accounted for once."""
    appended = {n: points(n, rows=100) if n % 10 else run_started(n) for n in range(1, 301)}
    async with Spool(path, max_bytes=ROOMY) as spool:
        for entry in appended.values():
            await spool.append([entry])
        await overwrite(spool, path)
        reading = await everything(spool)
        told = account(reading)
        lost = {n for first, last in told["lost_sequences"] for n in range(first, last + 1)}
        whole = {n for n, entry in reading.items() if appended.get(n) == entry}
        # rows on a page that was overwritten make their entry a tombstone
        counted = {n for n, entry in reading.items() if n <= 300 and entry == appended[n].tombstone("damaged")}
        assert whole | counted | lost == set(appended)
        assert len(whole) + len(counted) + len(lost) == 300
        assert lost
        assert len(whole) > 100
        assert list(reading) == sorted(reading)
        assert (told["recovered_entries"], told["lost_entries"]) == (len(whole) + len(counted), len(lost))
        assert all(a[1] < b[0] for a, b in pairwise(told["lost_sequences"]))
        assert await spool.append([points(301)]) == 302


async def test_a_reading_finds_the_damage_too(path: Path) -> None:
    """Whoever meets it first; nobody has to restart anything."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(1, 101):
            # one after the other: all that goes into the last transaction is in memory, however much it is
            await spool.append([points(number, rows=100)])
        stream = spool.stream_id
        await overwrite(spool, path, first=0.0, last=1.0, skip=2)
        found = await everything(spool)
        assert spool.stream_id != stream
        assert account(found)["lost_sequences"] == [[1, 95]], "five of the newest were in memory"
        assert list(found) == [96, 97, 98, 99, 100, 101]


async def test_all_of_the_last_transaction_outlives_the_file(path: Path) -> None:
    """What a burst wrote at once is still in memory, more than is kept of single appends: nothing of it is lost."""
    appended = {number: points(number, rows=100) for number in range(1, 101)}
    async with Spool(path, max_bytes=ROOMY) as spool:
        is_burst_over = threading.Event()
        spool._write_thread.do(is_burst_over.wait)
        futures = [spool.append([entry]) for entry in appended.values()]
        is_burst_over.set()
        assert await asyncio.gather(*futures) == list(appended)
        await overwrite(spool, path, first=0.0, last=1.0, skip=2)
        found = await everything(spool)
        assert account(found)["lost_sequences"] == []
        assert {number: found[number] for number in appended} == appended


async def test_a_shed_of_the_rescue_is_counted_though_the_file_breaks_again(path: Path) -> None:
    """What it shed of the last transaction comes back from no memory, or the tombstone would have no place."""
    async with Spool(path, max_bytes=1 << 20) as spool:
        spool._is_ending = True  # nothing is rescued by itself
        spool.acknowledge(await spool.append([points(0, rows=100)]))
        run = partial(spool._loop.run_in_executor, spool._write_thread)
        await run(spool._appender.replace, spool._store, "test")
        for number in range(1, 5):
            await spool.append([points(number, rows=100)])
        await spool.append([points(number, rows=100) for number in range(5, 9)])
        spool._store._room.limit_bytes = 0  # as if it were full to the last page
        while spool._store.damaged:
            written = await run(spool._appender.rescue)
        assert written is not None
        spool._complete(written, is_last=False)
        spool._store._room.limit_bytes = 1 << 20
        spool._appender._replaced_s = None
        await run(spool._appender.replace, spool._store, "test")
        spool._is_ending = False
        spool._go_on_rescuing()
        found = await everything(spool, 1)
        counts = [count for entry in found.values() for count in entry.accounting]
        assert sum(count.slots for count in counts) == 8
        assert any(count.outcome is Outcome.SHED for count in counts)


async def test_a_rescue_goes_on_after_a_crash(path: Path) -> None:
    """The new file knows how far it came, and finishes at the next start."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(1, 201):
            await spool.append([points(number, rows=100)])
        await overwrite(spool, path)
        spool._is_ending = True  # as a crash right after the new file was made
        await spool._loop.run_in_executor(spool._write_thread, spool._appender.replace, spool._store, "test")
        spool._is_ending = False
        assert len(spool._store.damaged) == 1
        assert spool._store.peek(after=0, max_rows=10**9)[0].sequence == 196
        spool._is_ending = True
    async with Spool(path, max_bytes=ROOMY) as spool:
        found = await everything(spool)
        told = account(found)
        assert len([n for n in found if n <= 200]) + told["lost_entries"] == 200
        assert told["recovered_entries"] > 50
        assert spool._store.damaged == []
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert await everything(spool) == found, "told once"


async def test_a_file_found_damaged_at_the_start_is_recovered_too(path: Path) -> None:
    """With its state, where it can still be read."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(1, 101):
            spool.append([points(number, rows=100)], state={"slot": number})
        await spool.append([])
        stream = spool.stream_id
    zero_pages(path, 4)
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert spool.set_aside is not None
        assert spool.state == {"slot": 100}
        assert spool.claims.lineage[1] == (stream,)
        found = await everything(spool)
        told = account(found)
        assert told["file"] == spool.set_aside.name
        assert len([n for n in found if n <= 100]) + told["lost_entries"] == 100
        assert len(found) > 50
        assert await spool.append([points(101)]) > 100


async def test_tombstones_of_a_damaged_file_cover_what_is_not_there(path: Path) -> None:
    """What was merged is not told as lost."""
    async with Spool(path, max_bytes=1 << 20) as spool:
        for number in range(1, 61):
            await spool.append([points(number, rows=500)])
        await spool._loop.run_in_executor(spool._write_thread, spool._appender.replace, spool._store, "test")
        found = await everything(spool)
        assert account(found)["lost_sequences"] == []
        assert sum(count.slots for entry in found.values() for count in entry.accounting) == 60


async def test_a_file_that_is_damaged_again_at_once_is_not_replaced_for_ever(path: Path) -> None:
    """A disk that dies must not fill up with files; what cannot be written is counted, as on any disk that refuses."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(1, 11):
            await spool.append([points(number, rows=100)])
        await ruin(spool, path)
        await spool.append([points(11, rows=100)])
        assert spool.set_aside is not None
        await ruin(spool, path)
        with pytest.raises(Exception, match="rows are being lost and counted"):
            await asyncio.gather(*(spool.append([points(number, rows=100)]) for number in range(12, 30)))
        assert len(list(path.parent.glob("spool.damaged-*.sqlite3"))) == 1


async def test_what_was_committed_but_not_acknowledged_is_not_stored_twice(
    tmp_path: Path, path: Path, database_url: str
) -> None:
    """The file breaks between COMMIT and its acknowledgement: the successor begins where the old stream stands."""
    async with desk(tmp_path, database_url) as d:
        for number in range(20):
            await d.spool.append([points(number, rows=100)])
        d.start()
        await d.drained()
        old = d.spool.stream_id
        await d.stop()
        # as a crash leaves it: committed, but neither memory nor file know
        d.spool._acknowledged = d.spool._appender.acknowledged = d.spool._store.acknowledged
        d.writer._position = 0
        for number in range(20, 40):
            await d.spool.append([points(number, rows=100)])
        await d.spool._loop.run_in_executor(d.spool._write_thread, d.spool._appender.replace, d.spool._store, "test")
        await d.spool.append([points(40, rows=100)])
        d.start()
        await d.drained()
        assert d.spool.stream_id != old
        assert await d.values() == [float(number) for number in range(41)]
        assert await d.watermark() == d.spool.last_sequence == d.spool.acknowledged
        kinds = [row["kind"] for row in await d.sql.fetch("SELECT kind FROM recorder_events")]
        assert kinds == ["spool_set_aside"], "no restore of the database is taken for it"
        assert d.spool.claims.lineage == (d.spool.stream_id, ())


async def test_a_writer_at_work_follows_to_the_new_stream(tmp_path: Path, path: Path, database_url: str) -> None:
    """Rows before, during and after, each once, or counted by the range that is lost."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        for number in range(50):
            await d.spool.append([points(number, rows=50)])
        await d.drained()
        await ruin(d.spool, path)
        for number in range(50, 100):
            await d.spool.append([points(number, rows=50)])
        await d.drained()
        await d.until(lambda: not d.spool._store.damaged and d.writer.state is WriterState.WRITING)
        await d.drained()
        detail = json.loads(await d.sql.fetchval("SELECT detail FROM recorder_events WHERE kind = 'spool_set_aside'"))
        assert detail["lost_sequences"] == []
        assert await d.values() == [float(number) for number in range(100)]


async def test_a_backlog_damaged_while_it_is_drained_is_stored_once(
    tmp_path: Path, path: Path, database_url: str
) -> None:
    """The writer is somewhere in the file when it breaks."""
    async with desk(tmp_path, database_url, max_rows=500) as d:
        for number in range(300):
            d.spool.append([points(number, rows=100)])
        await d.spool.append([event()])
        d.start()
        await d.until(lambda: d.writer.totals.transactions >= 5)
        await overwrite(d.spool, path, first=0.5, last=0.8)
        await d.drained()
        await d.until(lambda: not d.spool._store.damaged)
        await d.drained()
        values = await d.values()
        assert values == sorted(set(values)), "in order, each once"
        detail = json.loads(await d.sql.fetchval("SELECT detail FROM recorder_events WHERE kind = 'spool_set_aside'"))
        lost = {n - 1 for first, last in detail["lost_sequences"] for n in range(first, last + 1)}
        shed = await d.sql.fetchval("SELECT coalesce(sum(slots), 0) FROM acquisition_minutes WHERE outcome = 'shed'")
        assert len(values) + shed + len(lost - {300}) == 300
        assert lost.isdisjoint(values)
