"""The timer that wakes samplers: precise, bounded, and gone when its block ends."""

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from recorder.acquisition.grid import Grid
from recorder.acquisition.slot_timer import TURN_S, SlotTimer
from recorder.clock.clock import Clock


def open_timers() -> int:
    """Timers of the kernel that this process holds."""
    found = 0
    for file in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += "timerfd" in str(file.readlink())
    return found


async def test_it_never_wakes_before_the_time() -> None:
    """Also with several that wait at once, the shortest of which came last."""
    waits = [0.03, 0.01, 0.02, 0.005]

    async def one(timer: SlotTimer, seconds: float) -> float:
        started = time.monotonic()
        await timer.sleep(seconds)
        return time.monotonic() - started

    with SlotTimer() as timer:
        slept = await asyncio.gather(*(one(timer, seconds) for seconds in waits))
    assert all(real >= asked for real, asked in zip(slept, waits, strict=True))


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    """Whatever the order in which they came."""
    woken: list[float] = []

    async def one(timer: SlotTimer, seconds: float) -> None:
        await timer.sleep(seconds)
        woken.append(seconds)

    with SlotTimer() as timer:
        await asyncio.gather(*(one(timer, seconds) for seconds in (0.03, 0.0, 0.015)))
    assert woken == [0.0, 0.015, 0.03]


async def test_the_timer_is_closed_with_the_block() -> None:
    """One while it lasts, however many wait."""
    before = open_timers()
    with SlotTimer() as timer:
        await asyncio.gather(*(timer.sleep(0.001) for _ in range(50)))
        assert open_timers() == before + 1
    assert open_timers() == before


async def test_without_a_timer_of_the_kernel_the_loop_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that is not Linux records all the same, less precisely."""
    monkeypatch.setattr(sys, "platform", "darwin")
    before = open_timers()
    with SlotTimer() as timer:
        started = time.monotonic()
        await timer.sleep(0.01)
        assert time.monotonic() - started >= 0.009
        assert open_timers() == before


async def test_threads_take_short_turns_while_it_runs() -> None:
    """A loop that is woken in time must not wait 5 ms for the interpreter; afterwards all is as before."""
    before = sys.getswitchinterval()
    with SlotTimer():
        assert sys.getswitchinterval() == pytest.approx(TURN_S)
    assert sys.getswitchinterval() == before


async def test_a_cancelled_sleeper_hurts_nobody() -> None:
    """A sampler that is stopped cancels its wait."""
    with SlotTimer() as timer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await timer.sleep(0.01)
        await timer.sleep(0.02)


async def test_whoever_still_waits_at_the_end_goes_on_at_once() -> None:
    """Nobody hangs on a timer that is gone; later sleeps are the event loop's own."""
    with SlotTimer() as timer:
        sleeper = asyncio.create_task(timer.sleep(3600))
        await asyncio.sleep(0)
    await sleeper
    await timer.sleep(0)


async def test_a_grid_on_it_keeps_its_slots() -> None:
    """Each slot begins at or after its time, none is left out."""
    clock = Clock()
    with SlotTimer() as timer:
        grid = Grid(interval_ms=5, clock=clock, sleep=timer.sleep)
        slots = []
        for _ in range(20):
            slot = await grid.next()
            assert clock.monotonic_ns() >= slot.due_ns
            slots.append(slot)
    assert slots[-1].number - slots[0].number == 19 + sum(slot.skipped for slot in slots[1:])
