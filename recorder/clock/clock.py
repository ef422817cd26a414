"""UTC from the monotonic clock: anchored to the wall clock once, then led after it slowly, never thrown.

A wall clock that steps (an operator, a late NTP) would reorder samples; so drift is followed by at most 500 ppm, and a
step is reported and taken over only at the next process boundary.
"""

import ctypes
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, overload

import numpy as np
import numpy.typing as npt

MAX_SLEW: Final = 500e-6
"""Fraction by which UTC may run faster or slower than the monotonic clock: what NTP itself allows."""
STEP_US: Final = 500_000
"""An offset of the wall clock beyond this is a step, not drift."""
SLEW_NS: Final = 1_000_000_000
"""How long after each look at the wall clock UTC moves towards it: a later look cannot make it overshoot."""
_MAX_SLEW_PPM: Final = round(MAX_SLEW * 1_000_000)
_MOST_STRETCHES: Final = 64
"""Looks whose stretches are kept, for times that were taken before the last: a minute of them."""
_STA_UNSYNC: Final = 0x0040
_STA_NANO: Final = 0x2000
_TIME_ERROR: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockStep:
    """The wall clock was moved.

    Attributes:
        offset_us: wall clock minus recorder's UTC, microseconds.
        utc_us: recorder's UTC when it was noticed.
    """

    offset_us: int
    utc_us: int

    @property
    def wall_us(self) -> int:
        """What the wall clock showed when it was noticed."""
        return self.utc_us + self.offset_us


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    """UTC from one look at the wall clock to the next: for `SLEW_NS` a little faster or slower, then even."""

    from_ns: int
    utc_ns: int
    slew_ppm: int

    @overload
    def utc(self, monotonic_ns: int) -> int: ...
    @overload
    def utc(self, monotonic_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
    def utc(self, monotonic_ns: int | npt.NDArray[np.int64]) -> int | npt.NDArray[np.int64]:
        """UTC nanoseconds; before the stretch the time runs evenly."""
        passed_ns = monotonic_ns - self.from_ns
        utc_ns = passed_ns + self.utc_ns
        if self.slew_ppm == 0:
            return utc_ns
        if isinstance(passed_ns, int):
            return utc_ns + min(max(passed_ns, 0), SLEW_NS) * self.slew_ppm // 1_000_000
        # not np.clip, which takes 14 times as long for so few
        return utc_ns + np.minimum(np.maximum(passed_ns, 0), SLEW_NS) * self.slew_ppm // 1_000_000


class Clock:
    """Turns monotonic nanoseconds into UTC microseconds since 1970.

    Between two anchorings UTC is one continuous function of monotonic time, everywhere within 500 ppm of it, and what
    it says of a time in the past never changes: so two times that follow each other keep their order, whenever they
    are asked for.
    """

    def __init__(
        self, *, wall_ns: Callable[[], int] = time.time_ns, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._wall_ns = wall_ns
        self.monotonic_ns = monotonic_ns
        self.anchor()

    def anchor(self) -> None:
        """Take the wall clock as it is now."""
        self._begin(self.monotonic_ns(), self._wall_ns())

    def resume(self, *, monotonic_ns: int, utc_us: int) -> None:
        """Go on with the UTC of an earlier run of the recorder, rather than with the wall clock.

        Args:
            monotonic_ns: a monotonic time of this boot.
            utc_us: the recorder's UTC at that time.
        """
        self._begin(monotonic_ns, utc_us * 1000)

    def _begin(self, from_ns: int, utc_ns: int) -> None:
        self._stretch = _Stretch(from_ns=from_ns, utc_ns=utc_ns, slew_ppm=0)
        self._earlier: deque[_Stretch] = deque(maxlen=_MOST_STRETCHES)
        self._reported_us = 0

    @overload
    def utc_us(self, monotonic_ns: int) -> int: ...
    @overload
    def utc_us(self, monotonic_ns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]: ...
    def utc_us(self, monotonic_ns: int | npt.NDArray[np.int64]) -> int | npt.NDArray[np.int64]:
        """UTC microseconds since 1970 of a monotonic time (or of an array of them)."""
        if isinstance(monotonic_ns, int):
            return self._stretch_of(monotonic_ns).utc(monotonic_ns) // 1000
        if not self._earlier or not len(monotonic_ns):
            return self._stretch.utc(monotonic_ns) // 1000
        first = self._stretch_of(int(monotonic_ns.min()))
        if first is self._stretch_of(int(monotonic_ns.max())):
            return first.utc(monotonic_ns) // 1000
        return np.array([self._stretch_of(at).utc(at) // 1000 for at in monotonic_ns.tolist()], np.int64)

    def _stretch_of(self, monotonic_ns: int) -> _Stretch:
        stretch = self._stretch
        for earlier in reversed(self._earlier):
            if monotonic_ns >= stretch.from_ns:
                break
            stretch = earlier
        return stretch

    def now_us(self) -> int:
        """UTC microseconds since 1970, now."""
        return self.utc_us(self.monotonic_ns())

    @property
    def offset_us(self) -> int:
        """Wall clock minus this clock, microseconds."""
        return self._wall_ns() // 1000 - self.now_us()

    def follow(self) -> ClockStep | None:
        """Look at the wall clock and move a little towards it in the second that follows; call it once a second.

        Returns:
            A step of the wall clock that was not reported yet, else None.
        """
        now_ns = self.monotonic_ns()
        offset_us = self._wall_ns() // 1000 - self.utc_us(now_ns)
        is_step = abs(offset_us) > STEP_US
        slew_ppm = 0 if is_step else max(-_MAX_SLEW_PPM, min(_MAX_SLEW_PPM, offset_us))
        if slew_ppm or self._stretch.slew_ppm:
            self._earlier.append(self._stretch)
            self._stretch = _Stretch(from_ns=now_ns, utc_ns=self._stretch.utc(now_ns), slew_ppm=slew_ppm)
        if not is_step:
            self._reported_us = 0
            return None
        if abs(offset_us - self._reported_us) <= STEP_US:
            return None
        self._reported_us = offset_us
        return ClockStep(offset_us=offset_us, utc_us=self.utc_us(now_ns))


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
