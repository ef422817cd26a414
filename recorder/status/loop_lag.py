"""How late the event loop is, all the time, and how much of that is our own doing.

A timer of 50 ms looks how much later it was called. On a busy machine it wakes late although nobody here holds the
loop: Linux says how long a thread was ready and had to wait for a processor, and what remains is what held the loop: a
callback that computes, a file that is written, the interpreter's lock in another thread.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Final

from recorder.status.latency import Histogram, summary_ms

INTERVAL_S: Final = 0.05
"""A hold of so long is always seen, a shorter one in that share of times; each look wakes a processor that rests."""
_INTERVAL_NS: Final = round(INTERVAL_S * 1e9)
_RUN_DELAY: Final = 1
"""Field of schedstat: nanoseconds that the thread was ready and waited; Linux, Documentation/scheduler/sched-stats."""


class LoopLag:
    """Measures the loop that runs it.

    Args:
        monotonic_ns: a clock.
        waiting: opens a reading of how long this thread has waited for a processor so far.
        call_later: lets the loop call back after so many seconds; by default that of the running loop.
    """

    def __init__(
        self,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        waiting: "Callable[[], AbstractContextManager[Callable[[], int]]] | None" = None,
        call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
    ) -> None:
        self._monotonic_ns = monotonic_ns
        self._waiting = waiting or waiting_for_processor
        self._call_later = call_later
        self._late = Histogram()
        self._held = Histogram()

    async def run(self) -> None:
        """Measure until cancelled."""
        call_later = self._call_later or asyncio.get_running_loop().call_later
        # a timer and not a task that sleeps: fifty times a second that takes twice as long
        timer: asyncio.TimerHandle | None = None
        with self._waiting() as waited_ns:

            def look(due_ns: int, before_ns: int) -> None:
                now_ns, now_waited_ns = self._monotonic_ns(), waited_ns()
                late_ns = max(0, now_ns - due_ns)
                self._late.add(late_ns // 1000)
                # what was waited before the timer was due goes off too: held may be told too small, never too large
                self._held.add(max(0, late_ns - (now_waited_ns - before_ns)) // 1000)
                begin(now_waited_ns)

            def begin(before_ns: int) -> None:
                nonlocal timer
                timer = call_later(INTERVAL_S, partial(look, self._monotonic_ns() + _INTERVAL_NS, before_ns))

            begin(waited_ns())
            try:
                await asyncio.Event().wait()
            finally:
                if timer is not None:
                    timer.cancel()

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
