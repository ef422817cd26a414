"""When a scan is due: slots on a fixed monotonic grid, numbered as wall-clock time divided by the interval."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from recorder.clock.clock import Clock


@dataclass(frozen=True, kw_only=True, slots=True)
class Slot:
    """A due time on the grid.

    Attributes:
        number: increases by one an interval within a process, across restarts too.
        due_ns: monotonic nanoseconds.
        skipped: slots just before this one that could not start.
    """

    number: int
    due_ns: int
    skipped: int


class Grid:
    """The slots of one scan interval; the grid never shifts, whatever a scan takes and whatever the wall clock does.

    Args:
        interval_ms: distance of two slots.
        clock: anchors the grid to UTC once.
        after: the last slot that an earlier run of the recorder used; a number is never used twice in a process.
        sleep: waits a number of seconds.
    """

    def __init__(
        self,
        *,
        interval_ms: int,
        clock: Clock,
        after: int = -1,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.interval_ms = interval_ms
        self._interval_ns = interval_ms * 1_000_000
        self._clock = clock
        self._sleep = sleep
        now_ns = clock.monotonic_ns()
        now_us = clock.utc_us(now_ns)
        by_clock = -(-now_us // (interval_ms * 1000))
        self.first = max(by_clock, after + 1)
        self._first_due_ns = now_ns + (by_clock * interval_ms * 1000 - now_us) * 1000
        self._next = self.first

    async def next(self) -> Slot:
        """Wait for the next slot; where its time has passed, take the latest that is due and count the others."""
        latest = self.first + (self._clock.monotonic_ns() - self._first_due_ns) // self._interval_ns
        number = max(self._next, latest)
        due_ns = self._first_due_ns + (number - self.first) * self._interval_ns
        while (wait_ns := due_ns - self._clock.monotonic_ns()) > 0:
            await self._sleep(wait_ns / 1e9)
        slot = Slot(number=number, due_ns=due_ns, skipped=number - self._next)
        self._next = number + 1
        return slot

    def renumber(self, slot: Slot) -> Slot:
        """Number the latest slot, and all that follow, by the UTC that is in force now; due times stay as they are.

        For the first slot of a process, and no other: within one, numbers have no hole and none comes twice. Numbers
        that tell the time to within an interval are kept, lest a clock that is led after the wall clock change them
        back and forth.
        """
        interval_us = self.interval_ms * 1000
        due_us = self._clock.utc_us(slot.due_ns)
        if abs(due_us - slot.number * interval_us) < interval_us:
            return slot
        moved = due_us // interval_us - slot.number
        self.first += moved
        self._next += moved
        return replace(slot, number=slot.number + moved)
