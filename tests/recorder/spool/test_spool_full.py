"""A full spool: it keeps its size on disk, and what it gives up is counted by minute however long it lasts."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.spool.entry import Entry, EntryKind, Outcome
from recorder.spool.room import MOST_COUNTS
from recorder.spool.spool import Spool
from recorder.spool.store import SpooledEntry, SpoolStore
from recorder.spool.stored_entry import EncodedEntry
from tests.recorder.entries import PROCESS, event, points, run_started

SMALL = 1 << 20
DAY = 864_000
"""Slots of 100 ms."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is to be made."""
    return tmp_path / "spool.sqlite3"


@pytest.fixture
async def spool(path: Path) -> AsyncIterator[Spool]:
    """A spool of the least size that the configuration allows."""
    async with Spool(path, max_bytes=SMALL) as spool:
        yield spool


def on_disk(path: Path) -> int:
    """What the file takes, its log and the log's index included."""
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


async def everything(spool: Spool) -> list[SpooledEntry]:
    """All that waits."""
    found: list[SpooledEntry] = []
    while part := await spool.peek(after=found[-1].sequence if found else 0, max_rows=10**9):
        found += part
    return found


def slots_of(found: list[SpooledEntry]) -> Counter[tuple[int, int, Outcome]]:
    """Slots by process, minute and outcome."""
    slots: Counter[tuple[int, int, Outcome]] = Counter()
    for spooled in found:
        for count in spooled.entry.accounting:
            assert count.slots == sum(end - first for first, end in count.slots_at)
            slots[count.process_id, count.minute, count.outcome] += count.slots
    return slots


def expected(numbers: list[int]) -> Counter[tuple[int, int]]:
    """Slots by process and minute, of what was appended."""
    return Counter((PROCESS, points(number).accounting[0].minute) for number in numbers)


@pytest.mark.timeout(180)
async def test_an_outage_of_days_keeps_the_size_and_every_slot(path: Path) -> None:
    """A slot every few seconds over three days: one file of the least size, and all of it counted by minute."""
    numbers = list(range(0, 3 * DAY, 400))
    events = 0
    async with Spool(path, max_bytes=SMALL) as spool:
        for at in range(0, len(numbers), 20):
            batch = [points(number, rows=25) for number in numbers[at : at + 20]]
            await spool.append(batch)
            if at % 1000 == 0:
                events += 1
                await spool.append([event(number=at), run_started(at + 1)])
            assert on_disk(path) <= SMALL
        found = await everything(spool)
        slots = slots_of(found)
        assert Counter({(key[0], key[1]): 0 for key in slots}) + expected(numbers) == Counter(
            {
                (process, minute): sum(slots[process, minute, outcome] for outcome in Outcome)
                for process, minute, _ in slots
            }
        )
        assert sum(1 for s in found if s.entry.header.get("event") == "run_started") == events, "runs are never shed"
        assert sum(1 for s in found if s.entry.header.get("event") == "device_lost") == events
        tombstones = [s.entry for s in found if s.entry.kind is EntryKind.ACCOUNTING]
        assert len(tombstones) <= 2 * events + len(slots) // MOST_COUNTS + 1
        covered = sum(entry.header.get("merged", {}).get("entries", 1) for entry in tombstones)
        assert covered + len(found) - len(tombstones) == len(numbers) + 2 * events, "no sequence is without its entry"
        assert found[-1].sequence == spool.last_sequence


async def test_a_restart_in_an_outage_goes_on_merging(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file says that nothing was handed out, so that a controller that is switched off each night stays bounded."""
    monkeypatch.setattr("recorder.spool.handing._QUIET_S", 0.0)
    numbers = list(range(0, 30_000, 10))
    for at in range(0, len(numbers), 500):
        async with Spool(path, max_bytes=SMALL) as spool:
            for number in numbers[at : at + 500 : 20]:
                await spool.append([points(n, rows=25) for n in range(number, number + 200, 10)])
    async with Spool(path, max_bytes=SMALL) as spool:
        found = await everything(spool)
        assert sum(slots_of(found).values()) == len(numbers)
        assert len([s for s in found if s.entry.kind is EntryKind.ACCOUNTING]) < 5
        assert on_disk(path) <= SMALL


async def test_what_was_handed_out_is_not_merged(spool: Spool) -> None:
    """The database may have half of it; each keeps its own tombstone."""
    for number in range(12):
        await spool.append([points(number, rows=500)])
    handed = await spool.peek(after=0, max_rows=2500)
    assert [s.sequence for s in handed] == [1, 2, 3, 4, 5]
    for number in range(12, 40):
        await spool.append([points(number, rows=500)])
    found = await everything(spool)
    assert [s.sequence for s in found[:5]] == [1, 2, 3, 4, 5]
    assert all("merged" not in s.entry.header for s in found[:5])
    assert "merged" in found[5].entry.header
    assert found[5].entry.header["merged"]["from_sequence"] == 6
    assert sum(slots_of(found).values()) == 40


async def test_once_the_watermark_is_known_what_lies_above_it_is_merged(spool: Spool) -> None:
    """What was handed out and is not in the database goes with the others."""
    for number in range(12):
        await spool.append([points(number, rows=500)])
    await spool.peek(after=0, max_rows=2500)
    spool.claims.taken(2, ())
    for number in range(12, 40):
        await spool.append([points(number, rows=500)])
    found = await everything(spool)
    assert [s.sequence for s in found[:2]] == [1, 2]
    assert found[2].entry.header["merged"]["from_sequence"] == 3


def append(store: SpoolStore, *entries: Entry) -> list[int]:
    """Append where nothing was handed out."""
    return store.append([EncodedEntry.of(entry) for entry in entries], state=None, acknowledge=0, merge_above=0)


def test_counts_of_a_run_do_not_move_past_its_end(path: Path) -> None:
    """It is audited there; between runs each has a tombstone of its own."""
    store = SpoolStore(path, max_bytes=SMALL)
    for run in range(1, 6):
        append(store, run_started(run))
        for number in range(20):
            append(store, points(number, rows=500, process_id=run))
    found = store.peek(after=0, max_rows=10**9)
    store.close()
    started = 0
    for spooled in found:
        if spooled.entry.header.get("event") == "run_started":
            started = spooled.entry.header["process_id"]
        else:
            assert {count.process_id for count in spooled.entry.accounting} == {started}


def test_events_of_devices_go_when_no_points_are_left(path: Path) -> None:
    """The oldest, counted in one event; runs and steps stay."""
    store = SpoolStore(path, max_bytes=SMALL)
    step = Entry(kind=EntryKind.PROCESS, header={"event": "step_started", "process_id": 1, "text": "x" * 500})
    for number in range(1000):
        append(store, event(number=number, text="x" * 500))
        if number % 100 == 0:
            append(store, run_started(number + 1), step)
    found = [s.entry.header for s in store.peek(after=0, max_rows=10**9)]
    assert on_disk(path) <= SMALL
    store.close()
    accounts = [header for header in found if header["event"] == "events_dropped"]
    left = sum(1 for header in found if header["event"] == "device_lost")
    assert sum(header["detail"]["events"] for header in accounts) + left == 1000
    assert len(accounts) == 1
    assert sum(1 for header in found if header["event"] in {"run_started", "step_started"}) == 20
    assert found[-1]["event"] == "device_lost"
