"""How late the event loop is, all the time, and how much of that is our own doing.

A task sleeps for 20 ms and looks how much later it woke. On a busy machine it wakes late although nobody here holds the
loop: Linux says how long a thread was ready and had to wait for a processor, and what remains is what held the loop: a
callback that computes, a file that is written, the interpreter's lock in another thread.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from recorder.latency import Histogram, summary_ms

INTERVAL_S: Final = 0.02
_RUN_DELAY: Final = 1
"""Field of schedstat: nanoseconds that the thread was ready and waited; Linux, Documentation/scheduler/sched-stats."""


class LoopLag:
    """Measures the loop that runs it.

    Args:
        monotonic_ns: a clock.
        waiting: opens a reading of how long this thread has waited for a processor so far.
        sleep: waits.
    """

    def __init__(
        self,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        waiting: "Callable[[], AbstractContextManager[Callable[[], int]]] | None" = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._waiting = waiting or waiting_for_processor
        self._sleep = sleep
        self._late = Histogram()
        self._held = Histogram()

    async def run(self) -> None:
        """Measure until cancelled."""
        with self._waiting() as waited_ns:
            while True:
                due_ns = self._monotonic_ns() + round(INTERVAL_S * 1e9)
                before_ns = waited_ns()
                await self._sleep(INTERVAL_S)
                late_ns = max(0, self._monotonic_ns() - due_ns)
                # what was waited before the timer was due goes off too: held may be told too small, never too large
                held_ns = max(0, late_ns - (waited_ns() - before_ns))
                self._late.add(late_ns // 1000)
                self._held.add(held_ns // 1000)

    def picture_ms(self) -> Mapping[str, Mapping[str, float]]:
        """How late a timer was, and for how long of that something of ours held the loop, in milliseconds."""
        return {"late": summary_ms(self._late), "held": summary_ms(self._held)}


@contextmanager
def waiting_for_processor() -> Iterator[Callable[[], int]]:
    """A reading of how long this thread has waited for a processor, in nanoseconds; 0 where the system does not say."""
    try:
        file = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield lambda: 0
        return

    def read() -> int:
        try:
            return int(os.pread(file, 80, 0).split()[_RUN_DELAY])
        except (OSError, ValueError, IndexError):
            return 0

    try:
        yield read
    finally:
        os.close(file)
