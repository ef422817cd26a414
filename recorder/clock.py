"""UTC from the monotonic clock: anchored to the wall clock once, then led after it slowly, never thrown.

A wall clock that steps (an operator, a late NTP) would reorder samples; so drift is followed by at most 500 ppm, and a
step is reported and taken over only at the next process boundary.
"""

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
import numpy.typing as npt

MAX_SLEW: Final = 500e-6
"""Fraction by which UTC may run faster or slower than the monotonic clock: what NTP itself allows."""
STEP_US: Final = 500_000
"""An offset of the wall clock beyond this is a step, not drift."""
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000
_TIME_ERROR: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockStep:
    """The wall clock was moved.

    Attributes:
        offset_us: wall clock minus recorder's UTC, microseconds.
    """

    offset_us: int


class Clock:
    """Turns monotonic nanoseconds into UTC microseconds since 1970."""

    def __init__(
        self, *, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self.monotonic_ns = monotonic_ns
        self.anchor()

    def anchor(self) -> None:
        """Take the wall clock as it is now."""
        self._anchor_ns = self.monotonic_ns()
        self._anchor_us = self._wall_ns() // 1000
        self._followed_ns = self._anchor_ns
        self._reported_us = 0

    @overload
    def utc_us(self, monotonic_ns: int) -> int: ...
    @overload
    def utc_us(self, monotonic_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
    def utc_us(self, monotonic_ns: int | npt.NDArray[np.int64]) -> int | npt.NDArray[np.int64]:
        """UTC microseconds since 1970 of a monotonic time (or of an array of them)."""
        return self._anchor_us + (monotonic_ns - self._anchor_ns) // 1000

    def now_us(self) -> int:
        """UTC microseconds since 1970, now."""
        return self.utc_us(self.monotonic_ns())

    @property
    def offset_us(self) -> int:
        """Wall clock minus this clock, microseconds."""
        return self._wall_ns() // 1000 - self.now_us()

    def follow(self) -> ClockStep | None:
        """Move a little towards the wall clock; call it about once a second.

        Returns:
            A step of the wall clock that was not reported yet, else None.
        """
        now_ns = self.monotonic_ns()
        offset_us = self.offset_us
        if abs(offset_us) > STEP_US:
            self._followed_ns = now_ns
            if abs(offset_us - self._reported_us) <= STEP_US:
                return None
            self._reported_us = offset_us
            return ClockStep(offset_us=offset_us)
        limit_us = int((now_ns - self._followed_ns) / 1000 * MAX_SLEW)
        self._anchor_us += max(-limit_us, min(limit_us, offset_us))
        self._followed_ns = now_ns
        self._reported_us = 0
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class KernelClock:
    """What the kernel says of its own clock.

    Attributes:
        offset_us: what NTP has still to correct.
        estimated_error_us: how wrong NTP thinks that it is.
        largest_error_us: how wrong it can be; it grows while no server answers.
    """

    is_synchronised: bool
    offset_us: int
    estimated_error_us: int
    largest_error_us: int


def read_kernel_clock() -> KernelClock | None:
    """Ask the kernel; None where it cannot be asked."""
    if not sys.platform.startswith("linux"):
        return None
    buffer = ctypes.create_string_buffer(256)  # struct timex; modes 0 reads only
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state < 0:
        return None
    # struct timex: int modes, then (aligned) long offset, freq, maxerror, esterror, int status
    word = ctypes.sizeof(ctypes.c_long)
    offset, _, largest, estimated = (ctypes.c_long.from_buffer(buffer, word * at).value for at in (1, 2, 3, 4))
    status = ctypes.c_int.from_buffer(buffer, word * 5).value
    return KernelClock(
        is_synchronised=state != _TIME_ERROR and not status & _STA_UNSYNC,
        offset_us=offset // 1000 if status & _STA_NANO else offset,
        estimated_error_us=estimated,
        largest_error_us=largest,
    )


def is_synchronised() -> bool:
    """Whether the kernel says that its clock is kept by NTP; True where it cannot be asked."""
    clock = read_kernel_clock()
    return clock is None or clock.is_synchronised
