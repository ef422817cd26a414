"""Whether the wall clock can be believed: waited for at a start, watched from then on, and told."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog

from recorder.acquisition.recording import Recording
from recorder.clock.clock import STEP_US, is_synchronised
from recorder.clock.kept import KeptClock, process_kind
from recorder.control import serve
from recorder.runs.run import ProcessKind
from recorder.spool.entry import Entry, EntryKind

LOOK_S: Final = 1.0
"""Between two looks at the wall clock."""
_ASK_S: Final = 0.2
"""Between two questions to the kernel while a start waits; it tells nobody when NTP has set the clock."""

log = structlog.get_logger()


class ClockWait:
    """The wait of a start for a clock that is kept by NTP.

    A run that goes on is not waited with: the tool does not wait either. Nor is waited again for a clock that never
    came: the kernel cannot tell a machine without NTP from one whose NTP has not answered yet, so a start that waited
    in vain says so to the next ones, until the clock is once seen synchronised.

    Args:
        wait_s: longest wait; 0 waits never.
        state: `Spool.state` as the last run of the recorder left it.
        ask: whether the clock is synchronised; True where that cannot be known.
    """

    def __init__(self, *, wait_s: float, state: Mapping[str, Any], ask: Callable[[], bool] = is_synchronised) -> None:
        kept = KeptClock.from_state(state)
        self.is_worth_waiting = kept is None or kept.is_worth_waiting
        goes_on = process_kind(state) not in {None, ProcessKind.IDLE}
        self._wait_s = wait_s if self.is_worth_waiting and not goes_on else 0.0
        self._ask = ask

    async def wait(self, stop: asyncio.Event, *, socket: Path, machine: str) -> None:
        """Return when the clock is synchronised, when the time is over, or when asked to stop.

        Args:
            stop: ends the wait.
            socket: control socket, on which `status` answers meanwhile.
            machine: its name, for `status`.
        """
        if self._ask():
            self.is_worth_waiting = True
            return
        if self._wait_s > 0:
            reason = f"the clock is not kept by NTP yet; recording starts without after {self._wait_s:g} s at most"
            log.info("waiting_for_synchronised_clock", longest_s=self._wait_s)

            async def status(_request: Mapping[str, Any]) -> dict[str, Any]:
                waiting = {"state": "waiting for a synchronised clock", "reason": reason, "process": None}
                return {**waiting, "pid": os.getpid(), "machine": machine}

            async with serve(socket, {"status": status}):
                self.is_worth_waiting = await self._becomes_synchronised(stop)
        if not stop.is_set() and not self._ask():
            log.warning("clock_not_synchronised", waited_s=self._wait_s, meaning="runs are marked unsynchronised")

    async def _becomes_synchronised(self, stop: asyncio.Event) -> bool:
        """Whether it is still worth waiting another time: False where the whole wait was in vain."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_s):
                while not self._ask():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_ASK_S):
                            await stop.wait()
                        return True
                return True
        return False


class ClockWatch:
    """Leads the recorder's UTC after the wall clock, and records what happens to that.

    Args:
        recording: its clock is led, its tracker learns the quality of the time.
        ask: whether the clock is synchronised; True where that cannot be known.
    """

    def __init__(self, recording: Recording, *, ask: Callable[[], bool] = is_synchronised) -> None:
        self._recording = recording
        self._ask = ask

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Look at the wall clock and at the kernel's opinion of it."""
        recording = self._recording
        step = recording.clock.follow()
        offset_us = recording.clock.offset_us
        if step is not None:
            self._tell("clock_step", offset_us=step.offset_us, recorder_us=step.utc_us, wall_us=step.wall_us)
            recording.clock_was_moved = True
        elif recording.clock_was_moved and abs(offset_us) <= STEP_US:
            self._tell("clock_step_taken_back", offset_us=offset_us)
            recording.clock_was_moved = False
        synchronised = self._ask()
        context = recording.tracker.context
        recording.tracker.context = replace(context, clock_synchronised=synchronised, clock_offset_us=offset_us)
        recording.is_clock_worth_waiting |= synchronised
        if synchronised != context.clock_synchronised:
            self._tell("clock_synchronised" if synchronised else "clock_unsynchronised", offset_us=offset_us)
        if step is not None:
            # an idle time has no time base worth keeping
            recording.tracker.end_idle()

    def _tell(self, kind: str, **detail: int) -> None:
        log.warning(kind, **detail)
        current = self._recording.tracker.current
        header = {
            "event": kind,
            "occurred_us": self._recording.clock.now_us(),
            "process_id": None if current is None else current.process_id,
            "detail": detail,
        }
        future = self._recording.spool.append([Entry(kind=EntryKind.EVENT, header=header)])
        # nobody waits for it: a spool that cannot be written says so itself, and keeps the event for the next append
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
