"""How long something took, several times."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

_SECOND_MS: Final = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Median and 99th percentile by nearest rank, in milliseconds; of few samples the latter is the longest."""

    count: int
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, durations_ms: Sequence[float]) -> "Spread":
        """Of at least one duration."""
        ordered = sorted(durations_ms)
        return cls(
            count=len(ordered),
            p50_ms=ordered[ceil(0.50 * len(ordered)) - 1],
            p99_ms=ordered[ceil(0.99 * len(ordered)) - 1],
        )

    def __str__(self) -> str:
        return f"{milliseconds(self.p50_ms)} (p50), {milliseconds(self.p99_ms)} (p99)"

    def to_plain(self) -> dict[str, float]:
        """As data for JSON."""
        return {"count": self.count, "p50_ms": round(self.p50_ms, 4), "p99_ms": round(self.p99_ms, 4)}


def milliseconds(duration_ms: float) -> str:
    """For people: three digits, seconds where it is long."""
    return f"{duration_ms / _SECOND_MS:.3g} s" if duration_ms >= _SECOND_MS else f"{duration_ms:.3g} ms"
