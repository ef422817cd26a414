"""How long each named statement takes: a histogram a statement, cheap enough for every one of them.

Fixed bounds, as Prometheus wants them, and not those of `recorder.status.latency`: there is a histogram for each of
some hundred names, and a bisection of 18 bounds takes 0.3 microseconds.
"""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any, Final

from recorder.database.query_rate import QueryRate

BOUNDS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0),
)
"""Upper ends of the buckets, in seconds; what is longer is counted above the last."""
MOST_NAMES: Final = 500
"""Names that are kept apart; the statements of ``sql/queries`` are fewer."""
OTHERS: Final = "others"


class BoundedHistogram:
    """Counts durations in buckets with the given upper ends.

    Attributes:
        counts: of each bucket alone, the last one of what is above all bounds.
        sum_s: of all durations.
    """

    __slots__ = ("bounds_s", "counts", "sum_s")

    def __init__(self, bounds_s: tuple[float, ...] = BOUNDS_S) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sum_s += seconds


class StatementTimes:
    """The durations of statements by name; of a name more than `MOST_NAMES` among ``others``.

    Attributes:
        rate: how many ran within the last minute.
    """

    def __init__(self) -> None:
        self._histograms: dict[str, BoundedHistogram] = {}
        self.rate = QueryRate()

    def add(self, name: str, seconds: float) -> None:
        """Count one run of a statement, done or failed."""
        self.rate.add(name)
        histogram = self._histograms.get(name)
        if histogram is None:
            if len(self._histograms) >= MOST_NAMES:
                name = OTHERS
            histogram = self._histograms.setdefault(name, BoundedHistogram())
        histogram.add(seconds)

    def picture(self) -> Mapping[str, Mapping[str, Any]]:
        """Counts of each bucket and the sum of seconds, by name, as plain data."""
        return {
            name: {"counts": list(histogram.counts), "sum_s": histogram.sum_s}
            for name, histogram in self._histograms.items()
        }
