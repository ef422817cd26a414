"""Waiting to a tenth of a millisecond: a timer of the kernel that the event loop listens to.

The timers of uvloop tick in whole milliseconds, which is half of the jitter that a grid of 100 Hz may have. A timerfd
wakes the loop itself, within 0.1 ms. A thread that only sleeps and then wakes the loop does so too, but two threads
must then be given a processor in time. Measured in turns at 100 Hz on two shared cores, twice: half of all slots began
within 0.01 and 0.03 ms of their distance with a timerfd, 0.04 and 0.03 with a thread, 0.23 and 0.33 with the loop's
timers; 95 of 100 within 0.48 and 1.12, 1.87 and 1.40, 0.73 and 1.73.
"""

import asyncio
import ctypes
import heapq
import os
import struct
import sys
import time
from contextlib import suppress
from itertools import count
from types import TracebackType
from typing import Final, Self

TURN_S: Final = 0.000_5
"""Longest turn of a thread that another waits for: the loop must not wait Python's own 5 ms for the spool's thread."""
_CLOCK_MONOTONIC: Final = 1
_SPEC: Final = struct.Struct("@llll")
"""struct itimerspec of timerfd_settime(2): seconds and nanoseconds of the interval, then of the first expiry."""
_EXPIRIES_BYTES: Final = 8
_S_NS: Final = 1_000_000_000


class SlotTimer:
    """One timer for all grids of one event loop; a context manager, entered and left in that loop.

    It holds one entry for each grid that waits. Outside of its block, and where the system has no timerfd, `sleep` is
    that of the event loop.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._system: ctypes.CDLL | None = None
        self._file = -1
        self._turn_s = TURN_S

    def __enter__(self) -> Self:
        self._turn_s = sys.getswitchinterval()
        sys.setswitchinterval(TURN_S)
        if sys.platform.startswith("linux"):
            self._system = ctypes.CDLL(None)
            self._file = self._system.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file >= 0:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._file, self._expired)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setswitchinterval(self._turn_s)
        if self._loop is not None:
            self._loop.remove_reader(self._file)
            os.close(self._file)
        self._loop = None
        self._file = -1
        while self._waiting:  # whoever still waits goes on at once rather than for ever
            _wake(self._waiting.pop()[2])

    async def sleep(self, seconds: float) -> None:
        """Wait so long, and hardly longer."""
        if self._loop is None:
            await asyncio.sleep(seconds)
            return
        due_ns = time.monotonic_ns() + round(seconds * _S_NS)
        future = self._loop.create_future()
        heapq.heappush(self._waiting, (due_ns, next(self._order), future))
        if self._waiting[0][2] is future:
            self._set()
        await future

    def left_s(self) -> float | None:
        """Seconds until the next slot that somebody waits for; None where nobody does."""
        while self._waiting and self._waiting[0][2].done():
            heapq.heappop(self._waiting)
        return (self._waiting[0][0] - time.monotonic_ns()) / _S_NS if self._waiting else None

    def _set(self) -> None:
        """Let the kernel wake the loop at the earliest time that somebody waits for."""
        # from now on: an absolute time libfaketime would shift by what it moves the wall clock; 0 would disarm it
        left_ns = max(1, self._waiting[0][0] - time.monotonic_ns())
        specification = _SPEC.pack(0, 0, left_ns // _S_NS, left_ns % _S_NS)
        assert self._system is not None
        self._system.timerfd_settime(self._file, 0, specification, None)

    def _expired(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._file, _EXPIRIES_BYTES)
        now_ns = time.monotonic_ns()
        while self._waiting and self._waiting[0][0] <= now_ns:
            _wake(heapq.heappop(self._waiting)[2])
        if self._waiting:
            self._set()


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
