"""How much load, and when: clients that come and go, searches at a fixed rate, streams throughout; pure."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """One course of load.

    Attributes:
        stages: clients at the end of a stage, and its seconds; their number moves evenly, and begins with 0.
        streams: open from before the first stage to after the last.
        searches_a_minute: of all clients together, at their times, however long the answers take.
        pause_s: between an answer to a client and its next question, at the mean.
        runs: of the history that is searched.
        quiet_s: seconds without load, before it: the slots missed then are what those under load are set against.
        p95_goal_ms: highest good 95th percentile.
    """

    stages: tuple[tuple[int, float], ...]
    streams: int
    searches_a_minute: float
    pause_s: float
    runs: int
    quiet_s: float
    p95_goal_ms: float = 500.0

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(seconds for _, seconds in self.stages)

    @property
    def most_clients(self) -> int:
        """Clients at the highest."""
        return max(clients for clients, _ in self.stages)

    def span_s(self, number: int) -> tuple[float, float]:
        """When a client, numbered from 0, comes and goes: the number of clients is above `number` in between."""
        begins_s = ends_s = at_s = 0.0
        before, has_begun = 0, False
        for clients, seconds in self.stages:
            if (before <= number) != (clients <= number):
                crossing_s = at_s + seconds * (number + 0.5 - before) / (clients - before)
                if not has_begun:
                    begins_s, has_begun = crossing_s, True
                ends_s = crossing_s
            before, at_s = clients, at_s + seconds
        return begins_s, at_s if before > number else ends_s


FULL: Final = Shape(
    stages=((100, 120), (100, 300), (200, 120), (200, 300), (0, 120)),
    streams=1_000,
    searches_a_minute=500,
    pause_s=2.0,
    runs=10_000,
    quiet_s=60,
)
SHORT: Final = Shape(
    stages=((20, 2.5), (20, 6.25), (40, 2.5), (40, 6.25), (0, 2.5)),
    streams=100,
    searches_a_minute=500,
    pause_s=2.0,
    runs=2_000,
    quiet_s=4,
)
