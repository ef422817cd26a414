"""The spool as the event loop sees it: group commit, failures of the disk, and its end."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.errors import SpoolError
from recorder.spool.entry import Entry, EntryKind, Outcome
from recorder.spool.kept import MOST_KEPT
from recorder.spool.spool import Spool
from tests.recorder.entries import count, event, points, run_started

ROOMY = 100_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is to be made."""
    return tmp_path / "spool.sqlite3"


async def everything(spool: Spool, after: int = 0) -> list[Entry]:
    """All entries that wait."""
    found: list[Entry] = []
    while part := await spool.peek(after=after, max_rows=10**9):
        found += [spooled.entry for spooled in part]
        after = part[-1].sequence
    return found


def refuse(spool: Spool) -> None:
    """Let the disk refuse whatever makes the file grow; there is no reserve to be given back."""
    spool._appender._reserve.path.unlink(missing_ok=True)
    writer = spool._store._writer
    writer.execute(f"PRAGMA max_page_count = {writer.execute('PRAGMA page_count').fetchone()[0]}")


def accept(spool: Spool) -> None:
    """Let the disk have room again."""
    spool._store._writer.execute("PRAGMA max_page_count = 1000000000")


def large(number: int) -> Entry:
    """Points that need pages which a full disk does not have."""
    return points(number, rows=2000)


async def test_appends_at_once_are_written_in_order_and_in_few_transactions(path: Path) -> None:
    """Each future brings the sequence of its own last entry."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        transactions = 0

        def count_commits(statement: str) -> None:
            nonlocal transactions
            transactions += statement == "COMMIT"

        spool._store._writer.set_trace_callback(count_commits)
        futures = [spool.append([points(n), event(number=n)]) for n in range(200)]
        assert await asyncio.gather(*futures) == list(range(2, 401, 2))
        assert transactions < 100
        assert await everything(spool) == [entry for n in range(200) for entry in (points(n), event(number=n))]


async def test_an_append_is_on_disk_when_its_future_is_done(path: Path) -> None:
    """Another connection sees it at once."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        sequence = await spool.append([points(1)], state={"a": 1})
        async with Spool(path, max_bytes=ROOMY) as other:
            assert other.last_sequence == sequence
            assert other.state == {"a": 1}


async def test_an_append_of_nothing_keeps_the_state(path: Path) -> None:
    """Its future brings the newest sequence there is."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert await spool.append([], state={"a": 1}) == 0
        assert [await f for f in (spool.append([points(1)]), spool.append([], state={"a": 2}))] == [1, 1]
        assert spool.state == {"a": 2}


async def test_the_state_is_as_it_was_at_the_call(path: Path) -> None:
    """What the caller does to it afterwards is no part of it."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        state = {"slots": [1]}
        future = spool.append([points(1)], state=state)
        state["slots"].append(2)
        await future
        assert spool.state == {"slots": [1]}


async def test_what_cannot_be_encoded_is_the_callers_error(path: Path) -> None:
    """It is raised at once, and the spool goes on."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        with pytest.raises(TypeError):
            spool.append([Entry(kind=EntryKind.EVENT, header={"x": object()})])
        with pytest.raises(TypeError):
            spool.append([], state={"x": object()})
        assert await spool.append([points(1)]) == 1


async def test_waiting_ends_as_soon_as_an_entry_is_durable(path: Path) -> None:
    """Of several who wait for different entries each wakes for its own."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        first, second = (asyncio.create_task(spool.wait_beyond(n)) for n in (0, 1))
        await spool.append([points(1)])
        await first
        assert not second.done()
        await spool.append([points(2)])
        await second
        await spool.wait_beyond(1)


async def test_an_acknowledgement_is_durable_with_the_next_append_or_the_end(path: Path) -> None:
    """Until then the entries are still in the file, and the database's watermark knows better."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(4):
            await spool.append([points(number)])
        spool.acknowledge(2)
        assert (spool.acknowledged, spool.depth.entries) == (2, 2)
        assert len(await everything(spool)) == 4
        await spool.append([points(4)])
        assert len(await everything(spool)) == 3
        spool.acknowledge(4)
        spool.acknowledge(3)
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert (spool.acknowledged, spool.last_sequence, spool.depth.entries) == (4, 5, 1)
        assert await everything(spool) == [points(4)]


async def test_a_disk_that_refuses_fails_the_future_and_what_was_lost_is_counted(path: Path) -> None:
    """Points become counts of their slots, events stay in order; all of it comes with the next append."""
    lines: list[str] = []
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        await spool.append([points(1)], state={"n": 1})
        refuse(spool)
        for number in (2, 3):
            with pytest.raises(SpoolError, match=r"full.*rows are being lost and counted"):
                await spool.append([event(number=number), large(number), run_started(number)], state={"n": number})
        assert spool.state == {"n": 1}
        accept(spool)
        assert await spool.append([points(4)]) == 7
        found = await everything(spool)
        assert found[:5] == [points(1), event(number=2), run_started(2), event(number=3), run_started(3)]
        assert found[6] == points(4)
        [lost] = found[5].accounting
        assert (lost.outcome, lost.cause, lost.slots, lost.rows) == (Outcome.SHED, "spool_write", 2, 0)
        assert spool.state == {"n": 3}, "the entries that were kept need the state that explains them"
    assert len(lines) == 1, "a refusal that lasts is told once"


async def test_losses_of_several_minutes_and_processes_are_counted_apart(path: Path) -> None:
    """Slots of one key add up over failures; accounting that was under way is kept."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        refuse(spool)
        accounting = Entry(kind=EntryKind.ACCOUNTING, accounting=(count(1, rows=0, outcome=Outcome.SKIPPED),))
        futures = [spool.append([large(n)]) for n in (1, 2, 3, 700)]
        futures += [spool.append([accounting, points(1, process_id=5, rows=2000)])]
        await asyncio.gather(*futures, return_exceptions=True)
        accept(spool)
        await spool.append([])
        [entry] = await everything(spool)
        found = {(c.process_id, c.minute - count(0).minute, c.outcome): c.slots for c in entry.accounting}
        run = count(0).process_id
        assert found == {
            (run, 0, Outcome.SHED): 3,
            (run, 60, Outcome.SHED): 1,
            (run, 0, Outcome.SKIPPED): 1,
            (5, 0, Outcome.SHED): 1,
        }
        assert spool.last_sequence == 1


async def test_a_refusal_is_told_again_after_a_recovery(path: Path) -> None:
    """Once for each time that it begins."""
    lines: list[str] = []
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        for number in range(3):
            refuse(spool)
            with pytest.raises(SpoolError):
                await spool.append([large(number)])
            accept(spool)
            await spool.append([event()])
    assert len(lines) == 3


async def test_what_is_kept_in_memory_is_written_at_the_end(path: Path) -> None:
    """A disk that has room again when the recorder stops gets what is still untold."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        refuse(spool)
        with pytest.raises(SpoolError):
            await spool.append([run_started(), large(1)], state={"n": 1})
        accept(spool)
    async with Spool(path, max_bytes=ROOMY) as spool:
        found = await everything(spool)
        assert found[0] == run_started()
        assert found[1].accounting[0].slots == 1
        assert spool.state == {"n": 1}


async def test_an_end_on_a_full_disk_says_what_is_lost(path: Path) -> None:
    """It raises nothing, and says it in one line."""
    lines: list[str] = []
    async with Spool(path, max_bytes=ROOMY, on_failure=lines.append) as spool:
        refuse(spool)
        with pytest.raises(SpoolError):
            await spool.append([*(event(text="x" * 3000) for _ in range(30)), large(1)])
    assert len(lines) == 2
    assert "31 entries that were kept in memory are lost" in lines[1]


async def test_events_kept_while_the_disk_refuses_are_bounded(path: Path) -> None:
    """The oldest go and are counted; the start of a run stays."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        refuse(spool)
        futures = [spool.append([run_started(), *(event(number=n) for n in range(MOST_KEPT)), large(0)])]
        futures += [spool.append([event(number=n)]) for n in range(MOST_KEPT, MOST_KEPT + 5)]
        await asyncio.gather(*futures, return_exceptions=True)
        accept(spool)
        await spool.append([])
        found = await everything(spool)
        assert found[0].header["event"] == "events_dropped"
        assert found[1] == run_started()
        assert found[-2] == event(number=MOST_KEPT + 4)
        kept = [entry for entry in found if entry.header.get("event") == "device_lost"]
        assert found[0].header["detail"]["events"] + len(kept) == MOST_KEPT + 5
        assert len(found) <= MOST_KEPT + 3


async def test_a_damaged_file_is_known_after_opening(path: Path) -> None:
    """The daemon can say so."""
    path.write_bytes(b"no database at all" * 100)  # noqa: ASYNC240  (nothing else runs)
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert spool.set_aside is not None
        await spool.append([points(1)])
        told, stored = sorted(await everything(spool), key=lambda entry: entry.kind)
        assert stored == points(1)
        assert told.header["event"] == "spool_set_aside"
        assert told.header["detail"]["file"] == spool.set_aside.name


async def test_a_spool_that_cannot_be_opened_is_a_spool_error(tmp_path: Path) -> None:
    """And leaves no thread behind."""
    (tmp_path / "spool.sqlite3").mkdir()
    with pytest.raises(SpoolError, match="cannot be opened"):
        async with Spool(tmp_path / "spool.sqlite3", max_bytes=ROOMY):
            pass


async def test_the_end_waits_for_what_was_appended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An append whose future nobody awaited is durable, also where the reader is busy."""
    monkeypatch.setattr("recorder.spool.recent.MOST_RECENT_ROWS", 0)
    async with Spool(path, max_bytes=ROOMY) as spool:
        for number in range(50):
            spool.append([points(number, rows=100)])
        reading = asyncio.create_task(spool.peek(after=0, max_rows=10**9))
        await asyncio.sleep(0)
        reading.cancel()
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert spool.last_sequence == 50
    with pytest.raises(asyncio.CancelledError):
        await reading


FULL_DISK = """
import asyncio, resource, signal, sys
from pathlib import Path
from recorder.errors import SpoolError
from recorder.spool.spool import Spool
from tests.recorder.entries import points, run_started

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with Spool(Path(sys.argv[1]), max_bytes=100_000_000) as spool:
        await spool.append([points(0)])
        limit = 1_000_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        lost = 0
        for number in range(1, 60):
            try:
                await spool.append([points(number, rows=1000)])
            except SpoolError:
                lost += 1
        await asyncio.gather(spool.append([run_started()]), return_exceptions=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await spool.append([points(60)])
        print(lost)

asyncio.run(main())
"""


async def test_a_file_that_may_not_grow_loses_points_by_count_and_recovers(path: Path) -> None:
    """The kernel refuses (RLIMIT_FSIZE): every slot is stored or counted, and the next append works again."""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lost = int(done.stdout)
    assert lost > 0
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert spool.set_aside is None
        found = await everything(spool)
    slots: dict[Outcome, int] = {}
    for entry in found:
        for counted in entry.accounting:
            slots[counted.outcome] = slots.get(counted.outcome, 0) + counted.slots
    assert slots == {Outcome.COMPLETED: 61 - lost, Outcome.SHED: lost}
    assert run_started() in found
    assert found[-1] == points(60)
