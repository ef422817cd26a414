"""Waiting to a tenth of a millisecond: a thread that sleeps until the next due time and wakes the event loop.

The timers of uvloop tick in whole milliseconds, which is half of the jitter that a grid of 100 Hz may have. A thread
that does nothing but sleep is woken by the kernel within 0.1 ms. It then needs the interpreter, for which it would wait
up to 5 ms behind a busy thread: so while it runs, threads take turns after half a millisecond (measured with scans at
100 Hz and a spool: p99 of the jitter 4.7 ms at 5 ms a turn, 1.0 ms at 0.5).
"""

import asyncio
import heapq
import sys
import threading
import time
from itertools import count
from types import TracebackType
from typing import Final, Self

TURN_S: Final = 0.000_5
"""Longest turn of a thread that another waits for; Python's own is 5 ms."""
_JOIN_S: Final = 2.0

_Waiting = tuple[int, int, asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class SlotTimer:
    """One thread for all grids; a context manager.

    It holds one entry for each grid that waits. Outside of its block, `sleep` is that of the event loop.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._order = count()
        self._is_running = False
        self._turn_s = TURN_S
        self._thread = threading.Thread(target=self._run, name="slot-timer", daemon=True)

    def __enter__(self) -> Self:
        self._is_running = True
        self._turn_s = sys.getswitchinterval()
        sys.setswitchinterval(TURN_S)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._condition:
            self._is_running = False
            self._condition.notify()
        self._thread.join(_JOIN_S)
        sys.setswitchinterval(self._turn_s)

    async def sleep(self, seconds: float) -> None:
        """Wait so long, and hardly longer."""
        if not self._is_running:
            await asyncio.sleep(seconds)
            return
        due_ns = time.monotonic_ns() + round(seconds * 1e9)
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._condition:
            heapq.heappush(self._waiting, (due_ns, next(self._order), loop, future))
            if self._waiting[0][3] is future:
                self._condition.notify()
        await future

    def _run(self) -> None:
        with self._condition:
            while self._is_running:
                if not self._waiting:
                    self._condition.wait()
                    continue
                wait_ns = self._waiting[0][0] - time.monotonic_ns()
                if wait_ns > 0:
                    self._condition.wait(wait_ns / 1e9)
                    continue
                _wake(heapq.heappop(self._waiting))
            while self._waiting:  # whoever still waits goes on at once rather than for ever
                _wake(self._waiting.pop())


def _wake(waiting: _Waiting) -> None:
    """Let a sleeper go on; one whose loop or wait has ended needs nothing."""
    _, _, loop, future = waiting
    try:
        loop.call_soon_threadsafe(_finish, future)
    except RuntimeError:  # the loop is closed
        return


def _finish(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
