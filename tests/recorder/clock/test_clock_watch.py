"""The wall clock is waited for at a start, watched from then on, and what happens to it is recorded."""

import asyncio
import time as real_time
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hal.memory import MemoryDevice
from recorder.clock.kept import KeptClock, boot_id, start_clock
from recorder.clock.watch import ClockWait, ClockWatch
from recorder.control import ask
from recorder.runs.process_id import ProcessIdMint
from recorder.spool.entry import Entry, EntryKind
from tests.recorder.fake_time import NOON_US, FakeTime
from tests.recorder.sampling import Bench, bench

DAY_US = 86_400_000_000


@pytest.fixture
def time() -> FakeTime:
    """Noon."""
    return FakeTime()


@pytest.fixture
def memory() -> MemoryDevice:
    """A tool that is idle."""
    return MemoryDevice("plc")


def state_of(kind: str | None, **clock: object) -> Mapping[str, Any]:
    """What an earlier run of the recorder left."""
    kept = {"boot": "b", "monotonic_ns": 0, "utc_us": 0, **clock}
    return {"tracker": {"current": kind and {"kind": kind}}, "clock": kept}


async def waited_s(folder: Path, wait: ClockWait, stop: asyncio.Event | None = None) -> float:
    """How long a wait took."""
    began = real_time.monotonic()
    await wait.wait(stop or asyncio.Event(), socket=folder / "control.sock", machine="tool")
    return real_time.monotonic() - began


async def test_a_synchronised_clock_is_not_waited_for(short_directory: Path) -> None:
    """Nor one that cannot be asked, which counts as synchronised."""
    assert await waited_s(short_directory, ClockWait(wait_s=30, state={}, ask=lambda: True)) < 1


@pytest.mark.parametrize("kind", ["recipe", "manual"])
async def test_a_run_that_goes_on_is_not_waited_with(short_directory: Path, kind: str) -> None:
    """After a crash in mid-run acquisition starts at once."""
    wait = ClockWait(wait_s=30, state=state_of(kind), ask=lambda: False)
    assert await waited_s(short_directory, wait) < 1
    assert wait.is_worth_waiting, "nothing was learnt"


@pytest.mark.parametrize("state", [{}, state_of(None), state_of("idle")])
async def test_a_clock_that_becomes_synchronised_ends_the_wait(short_directory: Path, state: Mapping[str, Any]) -> None:
    """Meanwhile `status` says what is waited for."""
    synchronised = asyncio.Event()
    wait = ClockWait(wait_s=30, state=state, ask=synchronised.is_set)
    task = asyncio.create_task(waited_s(short_directory, wait))
    while not (short_directory / "control.sock").exists():  # noqa: ASYNC110  (a socket has no event)
        await asyncio.sleep(0)
    picture = await ask(short_directory / "control.sock", "status")
    assert (picture["state"], picture["process"]) == ("waiting for a synchronised clock", None)
    synchronised.set()
    assert await task < 5
    assert wait.is_worth_waiting


async def test_a_wait_in_vain_is_not_repeated(short_directory: Path) -> None:
    """A controller without NTP pays once; one whose clock is seen synchronised is waited for again."""
    wait = ClockWait(wait_s=0.3, state={}, ask=lambda: False)
    assert await waited_s(short_directory, wait) >= 0.3
    assert not wait.is_worth_waiting
    again = ClockWait(wait_s=30, state=state_of("idle", is_worth_waiting=False), ask=lambda: False)
    assert await waited_s(short_directory, again) < 1
    assert not again.is_worth_waiting
    seen = ClockWait(wait_s=30, state=state_of("idle", is_worth_waiting=False), ask=lambda: True)
    assert await waited_s(short_directory, seen) < 1
    assert seen.is_worth_waiting


async def test_a_wait_ends_when_the_recorder_is_to_stop(short_directory: Path) -> None:
    """At once, and without a word on whether waiting is worth it."""
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stop.set)
    wait = ClockWait(wait_s=30, state={}, ask=lambda: False)
    assert await waited_s(short_directory, wait, stop) < 5
    assert wait.is_worth_waiting


async def test_no_wait_is_asked_for(short_directory: Path) -> None:
    """By the configuration of demo and tests."""
    wait = ClockWait(wait_s=0, state={}, ask=lambda: False)
    assert await waited_s(short_directory, wait) < 1
    assert wait.is_worth_waiting


async def events(b: Bench) -> list[Entry]:
    """The events that were spooled."""
    return [entry for entry in await b.entries() if entry.kind is EntryKind.EVENT]


async def test_a_step_is_recorded_with_both_times_and_ends_an_idle_time(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """The next slot begins another idle time, on the new time; that too is recorded."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        watch = ClockWatch(b.recording, ask=lambda: True)
        await b.sample(0.5)
        first = b.recording.tracker.current
        assert first is not None
        noticed_us = time.wall_us
        time.wall_us += 90_000_000
        watch.look()
        await b.sample(0.5)
        second = b.recording.tracker.current
        assert second is not None
        assert second.started_us == NOON_US + 90_500_500
        step, taken = await events(b)
        assert (step.header["event"], step.header["process_id"]) == ("clock_step", first.process_id)
        assert step.header["detail"] == {
            "offset_us": 90_000_000,
            "recorder_us": noticed_us,
            "wall_us": noticed_us + 90_000_000,
        }
        assert (taken.header["event"], taken.header["process_id"]) == ("clock_taken_over", second.process_id)
        assert taken.header["detail"]["moved_us"] == 90_000_000
        ended = next(e for e in await b.entries() if e.header.get("event") == "run_ended")
        started = [e for e in await b.entries() if e.header.get("event") == "run_started"]
        assert ended.header["clock_offset_us"] == 90_000_000, "what its times are off by"
        assert [e.header["clock_offset_us"] for e in started] == [0, 0]


@pytest.mark.parametrize("step_us", [90_000_000, -90_000_000, 12_345_678])
async def test_slots_minutes_and_times_agree_after_a_take_over(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice, step_us: int
) -> None:
    """In each process numbers are without a hole, and say the time of their rows; a run keeps its time to its end."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        watch = ClockWatch(b.recording, ask=lambda: True)
        b.tool(1, 7)
        await b.sample(0.5)
        time.wall_us += step_us
        watch.look()
        await b.sample(0.5)
        b.tool(1, 8)
        await b.sample(0.5)
        points = [entry for entry in await b.entries() if entry.kind is EntryKind.POINTS]
        runs = list(dict.fromkeys(entry.header["process_id"] for entry in points))
        assert len(runs) == 2
        for run in runs:
            own = [entry for entry in points if entry.header["process_id"] == run]
            numbers = [entry.header["first_slot"] for entry in own]
            assert numbers == list(range(numbers[0], numbers[0] + len(own)))
            assert all(e.header["first_slot"] == e.header["last_slot"] == e.first_us // 100_000 for e in own)
            assert all(c.minute == e.first_us // 60_000_000 * 60 for e in own for c in e.accounting)
            assert {later.first_us - e.first_us for e, later in pairwise(own)} == {100_000}
        assert points[10].first_us - points[9].first_us == 100_000 + step_us
        assert len(points) == 15, "no slot more or less than real time had"
        assert b.recording.last_slots == {"plc/100": points[-1].header["last_slot"]}
        assert Counter(c.outcome for c in await b.accounting()) == {"completed": 15}


async def test_a_step_that_is_taken_back_moves_nothing(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """Both are recorded; the next process goes on with the time that there was."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        watch = ClockWatch(b.recording, ask=lambda: True)
        b.tool(1, 7)
        await b.sample(0.2)
        for step_us in (5_000_000, -5_000_000):
            time.wall_us += step_us
            watch.look()
        b.tool(1, 8)
        await b.sample(0.2)
        assert [e.header["event"] for e in await events(b)] == ["clock_step", "clock_step_taken_back"]
        points = [entry for entry in await b.entries() if entry.kind is EntryKind.POINTS]
        assert {later.first_us - e.first_us for e, later in pairwise(points)} == {100_000}


async def test_a_clock_that_becomes_synchronised_is_told(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """The run keeps what was so at its start; the next has what is so then."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        answers = {"synchronised": False}
        watch = ClockWatch(b.recording, ask=lambda: answers["synchronised"])
        watch.look()
        await b.sample(0.2)
        answers["synchronised"] = True
        watch.look()
        watch.look()
        b.tool(1, 7)
        await b.sample(0.2)
        kinds = [e.header["event"] for e in await events(b)]
        assert kinds == ["clock_unsynchronised", "clock_synchronised"]
        started = [e.header for e in await b.entries() if e.header.get("event") == "run_started"]
        assert [header["clock_synchronised"] for header in started] == [False, True]
        assert b.recording.state()["clock"]["is_worth_waiting"]


async def restart(b: Bench) -> None:
    """What the daemon does with the clock at its start."""
    start_clock(b.clock, b.spool.state)
    ClockWatch(b.recording, ask=lambda: True).look()


@pytest.mark.parametrize("same_boot", [True, False])
async def test_a_run_goes_on_in_its_own_time_after_a_restart(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice, monkeypatch: pytest.MonkeyPatch, same_boot: bool
) -> None:
    """The wall clock was set back by a day meanwhile: times go on, by the monotonic clock within one boot."""
    if not boot_id():
        pytest.skip("this system does not tell one boot from another")
    async with bench(tmp_path, time=time, memory=memory) as b:
        b.tool(1, 7)
        await b.sample(0.5)
    time.pass_s(30.0)
    time.wall_us -= DAY_US
    if not same_boot:
        monkeypatch.setattr("recorder.clock.kept.boot_id", lambda: "another")
        time.monotonic_ns = 1_000_000_000
    async with bench(tmp_path, time=time, memory=memory) as b:
        await restart(b)
        await b.sample(0.5)
        rows = [row for row in await b.rows() if row.parameter_id == 1]
        assert len({row.process_id for row in rows}) == 1
        times = [row.timestamp_us for row in rows]
        assert times == sorted(set(times))
        assert times[-1] - times[0] == (30_900_000 if same_boot else times[-1] - NOON_US - 500)
        if not same_boot:
            assert times[5] - times[4] <= 200_000, "how long the machine was off nobody knows"
        step = next(e for e in await events(b) if e.header["event"] == "clock_step")
        assert abs(step.header["detail"]["offset_us"] + DAY_US) < 40_000_000
        down = sum(c.slots for c in await b.accounting() if c.cause == "recorder_down")
        assert down == (300 if same_boot else times[5] // 100_000 - times[4] // 100_000 - 1)
        numbers = [n for c in await b.accounting() for ends in c.slots_at for n in range(*ends)]
        assert sorted(numbers) == list(range(min(numbers), min(numbers) + len(numbers)))


async def test_ids_are_never_repeated_by_a_clock_that_was_set_back(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """A day, over a restart between runs: the next processes are on the new time, and their ids still go up."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.5)
    time.pass_s(5.0)
    time.wall_us -= DAY_US
    async with bench(tmp_path, time=time, memory=memory) as b:
        await restart(b)
        await b.sample(0.5)
        b.tool(1, 7)
        await b.sample(0.5)
        started = [e.header for e in await b.entries() if e.header.get("event") == "run_started"]
        assert [header["kind"] for header in started] == ["idle", "idle", "recipe"]
        ids = [header["process_id"] for header in started]
        assert ids == sorted(set(ids))
        times = [header["started_us"] for header in started]
        assert times[1] - times[0] == 5_500_000 - DAY_US
        later_ids = ProcessIdMint(recorder=1, last=ids[-1]).mint(times[-1])
        assert later_ids > ids[-1]


def test_a_clock_without_anything_kept_is_the_wall_clock(time: FakeTime) -> None:
    """As after the very first start, and after one of an older release."""
    clock = time.clock()
    time.wall_us += 5_000_000
    older: Callable[[], Mapping[str, Any]] = lambda: {"tracker": {"current": {"kind": "recipe"}}}  # noqa: E731
    for state in ({}, older(), state_of(None, utc_us=1)):
        start_clock(clock, state)
        assert clock.offset_us == 0


def test_a_moment_survives_as_plain_data(time: FakeTime) -> None:
    """Through the state of the spool."""
    kept = KeptClock.of(time.clock(), is_worth_waiting=False)
    assert KeptClock.from_state({"clock": kept.to_plain()}) == kept
    assert (kept.monotonic_ns, kept.utc_us) == (time.monotonic_ns, NOON_US)
