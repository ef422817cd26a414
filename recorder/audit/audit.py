"""Whether a run balances: slots due against slots accounted for, rows accounted for against rows stored.

A run balances where every slot from its first to its last, on each device and scan interval, ended in exactly one
outcome; where no slot is missing between it and the processes just before and after; where exactly the rows are
stored, once each, that those outcomes say; and where nothing of its days belongs to nobody. Slots without values do
not spoil the balance: they are its gaps, each with start, end and cause.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from recorder.audit.figures import EPOCH, SLACK_S, Figures, Span, read_figures
from recorder.audit.findings import Finding, many, orphan_findings, row_findings, times
from recorder.clock.clock import MAX_SLEW
from recorder.database import Session
from recorder.database.jsonb import to_json
from recorder.spool.entry import Outcome


class Verdict(StrEnum):
    """What an audit came to."""

    BALANCES = "balances"
    DOES_NOT_BALANCE = "does not balance"
    OPEN = "open"
    """The run still goes on, and balances so far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Consecutive slots without values.

    Attributes:
        started_at: when the first of them was due.
        ended_at: when the first slot after them was due.
    """

    device: str
    interval_ms: int
    outcome: str
    cause: str
    slots: int
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """An audited run.

    Attributes:
        scheduled: slots from the first to the last of the run; where it balances, the sum of the outcomes.
        gaps: the longest, in order of time; `gap_count` counts all.
    """

    figures: Figures
    scheduled: int
    outcomes: dict[str, int]
    gaps: Sequence[Gap]
    gap_count: int
    findings: Sequence[Finding]

    @property
    def verdict(self) -> Verdict:
        """What it came to."""
        if self.findings:
            return Verdict.DOES_NOT_BALANCE
        return Verdict.OPEN if self.figures.head["ended_at"] is None else Verdict.BALANCES

    @property
    def line(self) -> str:
        """The verdict and its first reason, as it is kept with the run."""
        if not self.findings:
            return self.verdict
        more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
        return f"{self.verdict}: {self.findings[0].text}{more}"

    @property
    def rows_expected(self) -> int:
        """Rows that the outcomes of all slots made."""
        quarantined: int = self.figures.quarantine["rows"]
        return self.figures.rows_accounted + quarantined

    def to_plain(self) -> dict[str, Any]:
        """All of it as plain data: the JSON of the command, and what is kept with the run."""
        figures = self.figures
        return {
            **{name: figures.head[name] for name in ("machine", "kind", "recipe", "status")},
            "run": figures.head["id"],
            "started_at": _text(figures.head["started_at"]),
            "ended_at": _text(figures.head["ended_at"]),
            "verdict": self.verdict,
            "line": self.line,
            "slots": {
                "scheduled": self.scheduled,
                **self.outcomes,
                "by_cause": [dict(row) for row in figures.outcomes],
            },
            "rows": {
                "expected": self.rows_expected,
                "stored": figures.rows_stored,
                "quarantined": figures.quarantine["rows"],
            },
            "gap_count": self.gap_count,
            "gaps": [
                {
                    **{name: getattr(gap, name) for name in ("device", "interval_ms", "outcome", "cause", "slots")},
                    "started_at": _text(gap.started_at),
                    "ended_at": _text(gap.ended_at),
                }
                for gap in self.gaps
            ],
            "orphans": {
                "points": {str(row["process_id"]): row["points"] for row in figures.orphan_points},
                "steps": {str(row["process_id"]): row["steps"] for row in figures.orphan_steps},
            },
            "events": [
                {name: row[name] for name in ("kind", "device", "events")} | {"first_at": _text(row["first_at"])}
                for row in figures.events
            ],
            "findings": [{"code": finding.code, "text": finding.text} for finding in self.findings],
        }


async def audit(session: Session, run: int) -> Audit:
    """Audit one run; changes nothing.

    Raises:
        UsageError: there is no such run.
        DatabaseError: the database is away or too slow.
    """
    return judge(await read_figures(session, run))


async def store(session: Session, audited: Audit) -> None:
    """Keep the verdict with the run; that of a run that still goes on is left open."""
    if audited.verdict is not Verdict.OPEN:
        run: int = audited.figures.head["id"]
        await session.execute("store_audit", run, audited.line, to_json(audited.to_plain()))


def judge(figures: Figures) -> Audit:
    """Set the figures against each other; pure."""
    outcomes = {outcome.value: 0 for outcome in Outcome}
    for row in figures.outcomes:
        outcomes[row["outcome"]] += row["slots"]
    edges = list(_edges(figures))
    scheduled = sum(
        span.counted if span.first_slot is None or span.last_slot is None else span.last_slot - span.first_slot + 1
        for span in figures.spans
    ) + sum(max(0, slots) for slots, _ in edges)
    gaps = [
        Gap(
            **{name: row[name] for name in ("device", "interval_ms", "outcome", "cause")},
            slots=row["last_slot"] - row["first_slot"] + 1,
            started_at=_due(figures, row["device"], row["interval_ms"], row["first_slot"]),
            ended_at=_due(figures, row["device"], row["interval_ms"], row["last_slot"] + 1),
        )
        for row in figures.gaps
    ]
    findings = [*_slot_findings(figures), *(finding for _, finding in edges), *row_findings(figures)]
    return Audit(
        figures=figures,
        scheduled=scheduled,
        outcomes=outcomes,
        gaps=sorted(gaps, key=lambda gap: (gap.started_at, gap.device, gap.interval_ms)),
        gap_count=figures.gaps[0]["gaps"] if figures.gaps else 0,
        findings=[*findings, *orphan_findings(figures)],
    )


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _due(figures: Figures, device: str, interval_ms: int, slot: int) -> datetime:
    """When a slot was due: its number times its interval, and as much as the clock was led meanwhile.

    A slot's number is right by the clock at the start of its process; the rows at both ends say what came since.
    """
    nominal = EPOCH + timedelta(milliseconds=slot * interval_ms)
    rows = next((row for row in figures.stored if row["device"] == device), None)
    with_rows = [span for span in figures.spans if span.device == device and span.first_with_rows is not None]
    if rows is None or not with_rows:
        return nominal
    first = min(_nominal(span.first_with_rows, span) for span in with_rows)
    last = max(_nominal(span.last_with_rows, span) for span in with_rows)
    if last <= first:
        return nominal
    led = (rows["last_at"] - last) - (rows["first_at"] - first)
    if abs(led) < timedelta(milliseconds=interval_ms):
        return nominal  # scans take one time more and one time less
    most = (last - first) * MAX_SLEW
    by_now: timedelta = max(-most, min(most, led)) * ((nominal - first) / (last - first))
    return nominal + by_now


def _nominal(slot: int | None, span: Span) -> datetime:
    assert slot is not None
    return EPOCH + timedelta(milliseconds=slot * span.interval_ms)


def _slot_findings(figures: Figures) -> Iterator[Finding]:
    head = figures.head
    if head["ended_at"] is None and head["after_id"] is not None:
        text = f"process {head['after_id']} of the same recorder began after it, and the run was never ended"
        yield Finding(code="never_ended", text=text)
    for row in figures.holes:
        slots = row["last_slot"] - row["first_slot"] + 1
        due = [
            _due(figures, row["device"], row["interval_ms"], slot) for slot in (row["first_slot"], row["last_slot"] + 1)
        ]
        yield Finding(
            code="slots_unaccounted",
            text=f"{row['device']}, every {row['interval_ms']} ms: {many(slots, 'slot')} from {times(*due)} "
            "ended in no outcome",
        )
    for span in figures.spans:
        if span.is_numbered and span.different is not None and span.counted != span.different:
            yield Finding(
                code="slots_miscounted",
                text=f"{span.device}, every {span.interval_ms} ms: {span.counted} slots are counted, "
                f"but {span.different} are named",
            )


def _edges(figures: Figures) -> Iterator[tuple[int, Finding]]:
    """Slots that are missing, or counted twice, at either end of the run: how many, and what is to be said of it."""
    head, ended = figures.head, figures.head["ended_at"]
    before = {span.key: span for span in figures.before if span.is_numbered}
    after = {span.key: span for span in figures.after if span.is_numbered}
    added, dropped = _changed_plans(figures)
    for span in figures.spans:
        if not span.is_numbered or span.first_slot is None or span.last_slot is None:
            continue
        name = f"{span.device}/{span.interval_ms}"
        neighbour = before.get(span.key)
        if neighbour is not None and neighbour.last_slot is not None and head["before_ended_at"] is not None:
            missing = span.first_slot - neighbour.last_slot - 1
            between = head["started_at"] - head["before_ended_at"]
            missing = _beyond_chance(figures, span, missing, between)
        else:
            late_s = (_nominal(span.first_slot, span) - head["started_at"]).total_seconds()
            missing = 0 if name in added else _whole_slots(figures, span, late_s)
        if missing:
            yield missing, _edge_finding(span, missing, "before its first one")
        if ended is None:
            continue
        neighbour = after.get(span.key)
        if neighbour is not None and neighbour.first_slot is not None:
            missing = neighbour.first_slot - span.last_slot - 1
            missing = _beyond_chance(figures, span, missing, head["after_started_at"] - ended)
        else:
            early_s = (ended - _nominal(span.last_slot + 1, span)).total_seconds()
            missing = 0 if name in dropped else _whole_slots(figures, span, early_s)
        if missing:
            yield missing, _edge_finding(span, missing, "after its last one")
    yield from _absent(figures, before, after)


def _edge_finding(span: Span, missing: int, where: str) -> Finding:
    what = "ended in no outcome" if missing > 0 else "counted to two processes"
    return Finding(
        code="slots_unaccounted" if missing > 0 else "slots_in_two_processes",
        text=f"{span.device}, every {span.interval_ms} ms: {many(abs(missing), 'slot')} {where} {what}",
    )


def _absent(figures: Figures, before: dict[Any, Span], after: dict[Any, Span]) -> Iterator[tuple[int, Finding]]:
    """Devices and intervals that both neighbours have and the run has not."""
    present = {span.key for span in figures.spans}
    for key in sorted((before.keys() & after.keys()) - present):
        first, last = before[key].last_slot, after[key].first_slot
        if first is None or last is None or figures.head["ended_at"] is None:
            continue
        missing = _beyond_chance(figures, before[key], last - first - 1, timedelta())
        if missing > 0:
            yield (
                missing,
                Finding(
                    code="slots_unaccounted",
                    text=f"{key[0]}, every {key[1]} ms: all {missing} slots of the run ended in no outcome",
                ),
            )


def _beyond_chance(figures: Figures, span: Span, missing: int, between: timedelta) -> int:
    """Slots between two processes that are too many (or, negative, too few) for what lies between them.

    Numbers go on without a hole, unless they are set right by the clock where a process begins: then by what the
    clock was led at most meanwhile, or was moved, which the times of the processes show.
    """
    if missing == 0:
        return 0
    interval_s = span.interval_ms / 1000
    led = 1 + _duration_s(figures) * MAX_SLEW / interval_s
    moved = between.total_seconds() / interval_s
    lowest, highest = math.floor(min(0.0, moved) - led), math.ceil(max(0.0, moved) + led)
    return 0 if lowest <= missing <= highest else missing


def _whole_slots(figures: Figures, span: Span, uncovered_s: float) -> int:
    """Slots that fit into time at an end of the run where no neighbour tells, and no scan can explain it."""
    slack_s = SLACK_S + _duration_s(figures) * MAX_SLEW + span.interval_ms / 1000
    return 0 if uncovered_s <= slack_s else math.floor(uncovered_s * 1000 / span.interval_ms)


def _duration_s(figures: Figures) -> float:
    started: datetime = figures.head["started_at"]
    return max(0.0, (figures.until - started).total_seconds())


def _changed_plans(figures: Figures) -> tuple[set[str], set[str]]:
    """Devices and intervals that came or went at a restart in mid-run, as ``device/interval``."""
    plans = [plan for row in figures.events for plan in json.loads(row["plans"])]
    return (
        {name for plan in plans for name in plan.get("added", ())},
        {name for plan in plans for name in plan.get("dropped", ())},
    )
