"""One measured figure: what, how much, which goal, and whether it was reached."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        row: name of the benchmark that measured it, as ``--only`` takes it.
        what: what was measured, with its unit.
        value: None where it could not be measured; `note` then says why.
        bound: whether `goal` is the highest or the lowest good value.
        goal: None where the figure is for information.
        note: what a reader needs in order to trust the figure.
        detail: further numbers, for ``--json``.
    """

    row: str
    what: str
    value: float | None
    digits: int = 2
    bound: Literal["at most", "at least"] = "at most"
    goal: float | None = None
    note: str = ""
    detail: dict[str, object] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None where there is no goal or no value."""
        if self.goal is None or self.value is None:
            return None
        return self.value <= self.goal if self.bound == "at most" else self.value >= self.goal

    @property
    def verdict(self) -> str:
        """One word for the table."""
        if self.value is None:
            return "skipped"
        return {True: "reached", False: "MISSED", None: ""}[self.is_reached]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """How long each benchmark goes on.

    Attributes:
        requests_s: seconds of scans, for each of the two ways to read.
        copy_rounds: rounds, each of both ways to copy.
        copy_batches: batches of 10,000 rows a round.
        commits: commits over a slow line, for each way and distance.
        complaint_rounds: rounds of each way to ask a database far away.
        readers_s: seconds of reading, for each number of readers.
        settle_s: seconds from the daemon's first commit to the start of the measurement.
        daemon_s: seconds over which the daemon is measured, at each number of parameters.
        fsync_s: seconds of fsync.
        jitter_s: seconds of slots, at each interval.
        scan_s: seconds of scans, for each way to read 1,000 parameters.
        rate_s: seconds of requests to the simulator, for each variant of it.
        spool_s: seconds of appends to the spool.
        drain_points: points of the backlog.
        far_s: seconds of recording, with the database far away and with none.
    """

    requests_s: float
    copy_rounds: int
    copy_batches: int
    commits: int
    complaint_rounds: int
    readers_s: float
    settle_s: float
    daemon_s: float
    fsync_s: float
    jitter_s: float
    scan_s: float
    rate_s: float
    spool_s: float
    drain_points: int
    far_s: float


FULL = Lengths(
    requests_s=3,
    copy_rounds=9,
    copy_batches=20,
    commits=50,
    complaint_rounds=10,
    readers_s=15,
    settle_s=5,
    daemon_s=40,
    fsync_s=1,
    jitter_s=60,
    scan_s=3,
    rate_s=3,
    spool_s=20,
    drain_points=10_000_000,
    far_s=30,
)
QUICK = Lengths(
    requests_s=0.5,
    copy_rounds=5,
    copy_batches=8,
    commits=5,
    complaint_rounds=2,
    readers_s=3,
    settle_s=1,
    daemon_s=8,
    fsync_s=0.3,
    jitter_s=5,
    scan_s=1,
    rate_s=1,
    spool_s=3,
    drain_points=1_000_000,
    far_s=5,
)
