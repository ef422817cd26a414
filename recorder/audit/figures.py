"""What the database says of one run, read at one moment: the figures that an audit sets against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from recorder.database import Session
from recorder.errors import UsageError

MARGIN: Final = timedelta(minutes=1)
"""Rows of a run are looked for this far before its start and after its end, as all readers of a run do."""
SLACK_S: Final = 10.0
"""A scan that was under way when a run began or ended may carry times so far outside of it."""
MOST_LISTED: Final = 200
"""Gaps, holes and orphans that a report lists; they are counted all the same."""
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The slots of one device and interval that the accounting of a process names.

    Attributes:
        is_numbered: false where a release before the audit counted, which kept no numbers; nothing below is known then.
        counted: slots as the outcomes sum up.
        first_slot: number of the first slot: its time divided by the interval.
        different: how many different numbers are counted.
        first_with_rows: the first slot that stored rows; None where none did.
    """

    device: str
    interval_ms: int
    is_numbered: bool
    counted: int
    first_slot: int | None
    last_slot: int | None
    different: int | None
    first_with_rows: int | None
    last_with_rows: int | None

    @property
    def key(self) -> tuple[str, int]:
        """Device and interval."""
        return self.device, self.interval_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """All that an audit looks at; rows of the statements of ``audit.sql`` by name."""

    head: Row
    outcomes: Sequence[Row]
    spans: Sequence[Span]
    before: Sequence[Span]
    after: Sequence[Span]
    holes: Sequence[Row]
    gaps: Sequence[Row]
    stored: Sequence[Row]
    duplicates: Sequence[Row]
    events: Sequence[Row]
    quarantine: Row
    orphan_points: Sequence[Row] = ()
    orphan_steps: Sequence[Row] = ()
    differences: Sequence[Row] = ()
    strays: Row = field(default_factory=lambda: {"points": 0})

    @property
    def until(self) -> datetime:
        """The end of the run, or now."""
        found: datetime = self.head["ended_at"] or self.head["now"]
        return found

    @property
    def rows_accounted(self) -> int:
        """Rows that the accounting says are stored."""
        return sum(row["rows"] for row in self.outcomes)

    @property
    def rows_stored(self) -> int:
        """Rows that are stored within the run and its margin."""
        return sum(row["points"] for row in self.stored)


async def read_figures(session: Session, run: int) -> Figures:
    """Read all figures of a run in one read-only transaction; no lock, bounded by the run's days.

    Raises:
        UsageError: there is no such run.
        DatabaseError: the database is away, or too slow for the session's statement time-out.
    """
    async with session.transaction():
        await session.execute("audit_snapshot")
        await session.execute("audit_memory")
        head = await session.fetch_one("audit_head", run)
        if head is None:
            raise UsageError(f"there is no run {run}; see ald-recorder runs list --all")
        started: datetime = head["started_at"]
        ended: datetime = head["ended_at"] or head["now"]
        window = (started - MARGIN, ended + MARGIN)
        slack = timedelta(seconds=SLACK_S)
        days = (_day(started), _day(ended) + timedelta(days=1))
        quarantine = await session.fetch_one("audit_quarantine", run)
        assert quarantine is not None
        figures: dict[str, Any] = {
            "head": head,
            "outcomes": await session.fetch("audit_outcomes", run),
            "spans": await _spans(session, run),
            "before": await _spans(session, head["before_id"]),
            "after": await _spans(session, head["after_id"]),
            "holes": await session.fetch("audit_holes", run, MOST_LISTED),
            "gaps": await session.fetch("audit_gaps", run, MOST_LISTED),
            "stored": await session.fetch("audit_rows", run, *window, started - slack, ended + slack),
            "duplicates": await session.fetch("audit_duplicates", run, *window),
            "events": await session.fetch("audit_events", run, *window),
            "quarantine": quarantine,
            "orphan_points": await session.fetch("audit_orphan_points", *days, MOST_LISTED),
            "orphan_steps": await session.fetch("audit_orphan_steps", *days, MOST_LISTED),
        }
        found = Figures(**figures)
        if found.rows_accounted == found.rows_stored:
            return found
        # where and why, which costs another pass over the rows
        return Figures(
            **figures,
            differences=await session.fetch("audit_differences", run, *window, MOST_LISTED),
            strays=await session.fetch_one("audit_strays", run, *window) or {"points": 0},
        )


async def _spans(session: Session, run: int | None) -> list[Span]:
    return [] if run is None else [Span(**row) for row in await session.fetch("audit_spans", run)]


def _day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
