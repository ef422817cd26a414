"""Slots across a restart and across a clock that was moved: counted where they belong, numbers never used again."""

from pathlib import Path

from hal.memory import MemoryDevice
from recorder.spool.entry import EntryKind, SlotCount
from tests.recorder.fake_time import NOON_US, FakeTime
from tests.recorder.sampling import bench, slots

NOON_SLOT = NOON_US // 100_000


async def restart(
    folder: Path, time: FakeTime, memory: MemoryDevice, *, away_s: float, counter: int
) -> tuple[list[SlotCount], list[str], int | None]:
    """Record a run of counter 7 for a second, be away, come back; the new counts and what is told."""
    async with bench(folder, time=time, memory=memory) as b:
        b.tool(1, 7)
        await b.sample(1.0)
        before = len(await b.entries())
        assert b.recording.tracker.current is not None
        run = b.recording.tracker.current.process_id
    time.pass_s(away_s)
    async with bench(folder, time=time, memory=memory) as b:
        b.tool(1, counter)
        await b.sample(0.5)
        entries = (await b.entries())[before:]
        told = [str(e.header["event"]) for e in entries if e.kind is EntryKind.PROCESS]
        return [count for e in entries for count in e.accounting], told, run


async def test_slots_of_a_run_while_no_recorder_was_there_are_counted(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """After a restart in mid-run: 150 s less the slots that were recorded, each in its minute, and once."""
    counts, told, run = await restart(tmp_path, time, memory, away_s=150.0, counter=7)
    assert told == []
    assert slots(counts) == {("skipped", "recorder_down"): 1500, ("completed", ""): 5}
    assert {count.process_id for count in counts} == {run}
    down = [(count.minute - NOON_US // 1_000_000, count.slots) for count in counts if count.cause]
    assert down == [(0, 590), (60, 600), (120, 310)]


async def test_slots_before_another_run_are_of_the_one_that_was_under_way(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """That run is ended with the time of the restart; so its slots are complete, and none is of no run."""
    counts, told, run = await restart(tmp_path, time, memory, away_s=150.0, counter=8)
    assert told == ["step_ended", "run_ended", "run_started", "step_started"]
    assert slots(counts) == {("skipped", "recorder_down"): 1500, ("completed", ""): 5}
    assert {count.process_id for count in counts if count.cause == "recorder_down"} == {run}
    assert run not in {count.process_id for count in counts if count.cause != "recorder_down"}


async def test_idle_slots_while_no_recorder_was_there_are_counted(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """An hour: between runs too every slot is accounted for, and all of them by number."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.5)
    time.pass_s(3600)
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.5)
        counts = await b.accounting()
        assert slots(counts) == {("completed", ""): 10, ("skipped", "recorder_down"): 36_000}
        numbers = [number for count in counts for ends in count.slots_at for number in range(*ends)]
        assert sorted(numbers) == list(range(NOON_SLOT, NOON_SLOT + 36_010))


async def test_slot_numbers_are_not_used_again_after_the_clock_went_back(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """Nor are any counted as missed."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.5)
    time.wall_us -= 3_600_000_000
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.5)
        entries = [entry for entry in await b.entries() if entry.kind is EntryKind.POINTS]
        assert [e.header["last_slot"] for e in entries] == list(range(NOON_SLOT, NOON_SLOT + 10))
        assert slots(await b.accounting()) == {("completed", ""): 10}


async def test_a_clock_that_was_moved_is_taken_over_where_a_process_begins(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """Not before; and then the run's start, its first step and its first rows agree."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.2)
        time.wall_us -= 3_600_000_000
        b.recording.clock_was_moved = b.clock.follow() is not None
        await b.sample(0.2)
        assert b.clock.offset_us == -3_600_000_000
        b.tool(1, 7, step=1)
        await b.sample(0.2)
        assert b.clock.offset_us == 0
        started = [e.header["started_us"] for e in await b.entries() if e.header.get("kind") in {"recipe", "step"}]
        run = b.recording.tracker.current
        assert run is not None
        times = [row.timestamp_us for row in await b.rows() if row.process_id == run.process_id]
        assert started == [run.started_us] * 2
        assert run.started_us == min(times)
        assert abs(max(times) - time.wall_us) < 1_000_000


async def test_a_manual_start_takes_a_moved_clock_over_too(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """It is a boundary like any other."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        time.wall_us += 90_000_000
        b.recording.clock_was_moved = b.clock.follow() is not None
        await b.recording.spool_now(b.recording.tracker.start_manual(b.clock.now_us()))
        started, told = await b.entries()
        assert started.header["started_us"] == time.wall_us
        assert told.header["event"] == "clock_taken_over"
        assert (told.header["occurred_us"], told.header["process_id"]) == (time.wall_us, started.header["process_id"])
        assert told.header["detail"]["moved_us"] == 90_000_000
        assert b.recording.tracker.current is not None
        assert b.recording.tracker.current.started_us == time.wall_us
