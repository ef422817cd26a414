"""How long each stage takes: histograms from a microsecond to a quarter of an hour, three digits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hdrh.histogram import HdrHistogram

STAGES: Final = ("read", "spool", "commit", "sample_to_commit", "start_delay", "jitter")
"""read: first request to last answer; spool: batch to fsync; commit: fsync to commit in PostgreSQL;
sample_to_commit: middle of the read to commit; start_delay: due time of a slot to the start of its scan;
jitter: how far the time from the start of a scan to the start of the next is from the interval."""
_HIGHEST_US: Final = 900_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """When a spooled batch was sampled and made durable, monotonic nanoseconds."""

    sampled_ns: int
    spooled_ns: int


class LatencyRecorder:
    """A histogram a stage."""

    def __init__(self) -> None:
        self._histograms = {stage: HdrHistogram(1, _HIGHEST_US, 3) for stage in STAGES}

    def record(self, stage: str, duration_ns: int) -> None:
        """Add one duration to a stage of `STAGES`."""
        self._histograms[stage].record_value(min(max(1, duration_ns // 1000), _HIGHEST_US))

    def summary_ms(self) -> Mapping[str, Mapping[str, float]]:
        """Per stage: count, and p50, p95, p99, max in milliseconds."""
        return {
            stage: {
                "count": histogram.get_total_count(),
                "p50": histogram.get_value_at_percentile(50) / 1000,
                "p95": histogram.get_value_at_percentile(95) / 1000,
                "p99": histogram.get_value_at_percentile(99) / 1000,
                "max": histogram.get_max_value() / 1000 if histogram.get_total_count() else 0.0,
            }
            for stage, histogram in self._histograms.items()
        }
