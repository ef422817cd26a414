"""How long each stage took in the last minutes: what the histograms since the start can no longer show."""

from array import array
from collections import deque
from typing import Any, Final

import numpy as np

PERIOD_S: Final = 5
PERIODS: Final = 60
"""Kept: five minutes."""
_LIVE_PERIODS: Final = 12
"""The percentiles are of the last minute."""
_MOST: Final = 4_000
"""Durations of one period and stage; beyond, each further one replaces one of them in turn."""


class RecentLatency:
    """Durations of one stage over the last minutes, in microseconds."""

    def __init__(self) -> None:
        self._number = -1
        self._durations = array("q")
        self._seen = 0
        self._full: deque[tuple[int, array[int]]] = deque(maxlen=_LIVE_PERIODS - 1)
        self._highest: deque[tuple[int, int]] = deque(maxlen=PERIODS - 1)

    def add(self, duration_us: int, now_ns: int) -> None:
        """Take in a duration; the time of the same clock in nanoseconds decides its period."""
        number = now_ns // (PERIOD_S * 1_000_000_000)
        if number != self._number:
            self._end_period(number)
        if self._seen < _MOST:
            self._durations.append(duration_us)
        else:
            self._durations[self._seen % _MOST] = duration_us
        self._seen += 1

    def _end_period(self, number: int) -> None:
        if self._seen:
            self._full.append((self._number, self._durations))
            self._highest.append((self._number, max(self._durations)))
        self._number, self._durations, self._seen = number, array("q"), 0

    def summary_ms(self, now_ns: int) -> dict[str, Any]:
        """Count and percentiles of the last minute, and ``trend``: the highest of each period, None where none was.

        Milliseconds; all None where there was nothing.
        """
        number = now_ns // (PERIOD_S * 1_000_000_000)
        parts = [
            durations for at, durations in (*self._full, (self._number, self._durations)) if at > number - _LIVE_PERIODS
        ]
        values = np.concatenate([np.frombuffer(part, np.int64) for part in parts if part] or [np.empty(0, np.int64)])
        figures: dict[str, Any] = {"count": len(values)}
        if len(values):
            p50, p95, p99 = np.percentile(values, (50, 95, 99)) / 1000
            figures |= {"p50": p50, "p95": p95, "p99": p99, "max": float(values.max()) / 1000}
        else:
            figures |= dict.fromkeys(("p50", "p95", "p99", "max"))
        highest = dict(self._highest)
        if self._seen:
            highest[self._number] = max(self._durations)
        periods = range(number - PERIODS + 1, number + 1)
        figures["trend"] = [highest[at] / 1000 if at in highest else None for at in periods]
        return figures
