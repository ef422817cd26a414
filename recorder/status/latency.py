"""How long each stage takes: histograms from a microsecond to a quarter of an hour, three digits.

Our own few lines rather than HdrHistogram's in Python: that takes 41 ms for the percentiles of one status, in which no
scan can begin, and 3 microseconds for each duration; this takes 0.06 ms and 1.3 microseconds. The buckets are alike.
"""

import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recorder.status.recent_latency import RecentLatency

STAGES: Final = ("read", "decode", "spool", "commit", "sample_to_commit", "start_delay", "jitter")
"""read: first request to last answer; decode: words to values, part of read; spool: batch to fsync;
commit: fsync to commit in PostgreSQL;
sample_to_commit: middle of the read to commit; start_delay: due time of a slot to the start of its scan;
jitter: how far the time from the start of a scan to the start of the next is from the interval."""
BOUNDS_US: Final = (
    *(100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000),
    *(1_000_000, 2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000, 300_000_000, 900_000_000),
)
"""Bounds of the coarse histogram that goes to Prometheus."""
_HIGHEST_US: Final = 900_000_000
_PERCENTILES: Final = (50, 95, 99)
_DIGITS_BITS: Final = 10
"""Each power of two is cut into 1,024 buckets: a figure is right to 0.1 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """When a spooled batch was sampled and made durable, monotonic nanoseconds."""

    sampled_ns: int
    spooled_ns: int


class Histogram:
    """Counts of whole microseconds, in buckets that widen with the value.

    Attributes:
        count: values so far.
        highest_us: the largest of them.
        sum_us: of all of them.
    """

    def __init__(self) -> None:
        self._counts = array("q", bytes(8 * (_bucket(_HIGHEST_US) + 1)))
        self.count = 0
        self.highest_us = 0
        self.sum_us = 0

    def add(self, value_us: int) -> None:
        """Count one value; below 0 counts as 0, above a quarter of an hour as that."""
        if not 0 <= value_us <= _HIGHEST_US:
            value_us = min(max(0, value_us), _HIGHEST_US)
        self._counts[_bucket(value_us)] += 1
        self.count += 1
        self.sum_us += value_us
        if value_us > self.highest_us:  # noqa: PLR1730  (a call of max takes as long as all the rest)
            self.highest_us = value_us

    def percentiles_us(self, percents: tuple[float, ...]) -> list[int]:
        """The least value such that at least so many percent of all are not above it; 0 where there are none."""
        if not self.count:
            return [0] * len(percents)
        sums = np.frombuffer(self._counts, np.int64).cumsum()
        ranks = [max(1.0, np.ceil(percent / 100 * self.count)) for percent in percents]
        return [min(self.highest_us, _highest_of(int(bucket))) for bucket in np.searchsorted(sums, ranks)]

    def counts_up_to(self, bounds_us: Sequence[int]) -> list[int]:
        """How many values are not above each bound, which is right to 0.1 % of the bound."""
        sums = np.frombuffer(self._counts, np.int64).cumsum()
        return [int(sums[_bucket(min(bound, _HIGHEST_US))]) for bound in bounds_us]


def _bucket(value_us: int) -> int:
    shift = max(0, value_us.bit_length() - _DIGITS_BITS - 1)
    return (shift << _DIGITS_BITS) + (value_us >> shift)


def _highest_of(bucket: int) -> int:
    """The largest value that the bucket counts."""
    shift = max(0, (bucket >> _DIGITS_BITS) - 1)
    return ((bucket - (shift << _DIGITS_BITS) + 1) << shift) - 1


class LatencyRecorder:
    """A histogram a stage."""

    def __init__(self) -> None:
        self._histograms = {stage: Histogram() for stage in STAGES}
        self._recent = {stage: RecentLatency() for stage in STAGES}

    def record(self, stage: str, duration_ns: int) -> None:
        """Add one duration to a stage of `STAGES`."""
        self._histograms[stage].add(duration_ns // 1000)
        self._recent[stage].add(max(0, duration_ns) // 1000, time.monotonic_ns())

    def summary_ms(self) -> Mapping[str, Mapping[str, float]]:
        """Per stage: count, and p50, p95, p99, max in milliseconds."""
        return {stage: summary_ms(histogram) for stage, histogram in self._histograms.items()}

    def coarse(self) -> Mapping[str, Mapping[str, Any]]:
        """Per stage: how many are not above each of `BOUNDS_US`, how many there are and their sum in seconds."""
        return {
            stage: {
                "counts_up_to": histogram.counts_up_to(BOUNDS_US),
                "count": histogram.count,
                "sum_s": histogram.sum_us / 1e6,
            }
            for stage, histogram in self._histograms.items()
        }

    def recent_ms(self) -> Mapping[str, Mapping[str, Any]]:
        """Per stage the same of the last minute, and the highest of each 5 s of the last five."""
        now_ns = time.monotonic_ns()
        return {stage: recent.summary_ms(now_ns) for stage, recent in self._recent.items()}


def summary_ms(histogram: Histogram) -> Mapping[str, float]:
    """Count, and p50, p95, p99, max in milliseconds."""
    figures = zip(_PERCENTILES, histogram.percentiles_us(_PERCENTILES), strict=True)
    return {
        "count": histogram.count,
        **{f"p{percent}": value_us / 1000 for percent, value_us in figures},
        "max": histogram.highest_us / 1000,
    }
