"""An audit as a page for people: what a customer can sign."""

from collections.abc import Iterator
from datetime import datetime
from textwrap import wrap
from typing import Final

from recorder.audit.audit import Audit, Verdict
from recorder.audit.figures import Row
from recorder.audit.findings import many

MOST_GAPS: Final = 12
"""Gaps on the page, the longest of them; the JSON has more."""
_LABEL: Final = 12
_WIDTH: Final = 80


def audit_page(audited: Audit) -> str:
    """The whole page, at most 80 columns wide where names allow it; the last line is the verdict."""
    return "\n".join([*_head(audited), "", *_slots(audited), *_rows(audited), *_gaps(audited), *_end(audited)])


def _head(audited: Audit) -> Iterator[str]:
    head = audited.figures.head
    yield f"Audit of run {head['id']}"
    yield _line("what", f"{head['recipe'] or head['kind']} on {head['machine']}, {head['status'].replace('_', ' ')}")
    ended = "still running" if head["ended_at"] is None else _moment(head["ended_at"])
    yield _line("from, to", f"{_moment(head['started_at'])}   {ended}   {head['started_at'].astimezone():UTC%z}")
    yield _line("audited", f"{_moment(head['now'])}")
    labels = [f"{name} {head[name]}" for name in ("operator", "lot") if head[name]]
    if labels:
        yield _line("by", ", ".join(labels))


def _slots(audited: Audit) -> Iterator[str]:
    accounted = sum(audited.outcomes.values())
    yield _figure("slots", "scheduled", audited.scheduled)
    for outcome, slots in audited.outcomes.items():
        yield _figure("", outcome, slots)
        causes: dict[str, int] = {}
        for row in audited.figures.outcomes:
            if row["outcome"] == outcome and row["cause"]:
                causes[row["cause"]] = causes.get(row["cause"], 0) + row["slots"]
        for cause, count in sorted(causes.items()):
            yield _figure("", f"  {cause.replace('_', ' ')}", count)
    yield _figure("", "not accounted for", audited.scheduled - accounted)


def _rows(audited: Audit) -> Iterator[str]:
    figures = audited.figures
    yield _figure("rows", "expected", audited.rows_expected)
    yield _figure("", "stored", figures.rows_stored)
    yield _figure("", "in quarantine", figures.quarantine["rows"])
    yield _figure("", "stored twice", sum(row["excess"] for row in figures.duplicates))
    yield _figure("orphans", "points of no run", sum(row["points"] for row in figures.orphan_points))
    yield _figure("", "steps of no run", sum(row["steps"] for row in figures.orphan_steps))


def _gaps(audited: Audit) -> Iterator[str]:
    yield _figure("gaps", "without values", audited.gap_count)
    if not audited.gaps:
        return
    longest = sorted(audited.gaps, key=lambda gap: gap.started_at - gap.ended_at)[:MOST_GAPS]
    yield ""
    is_many_days = audited.figures.head["started_at"].astimezone().date() != audited.figures.until.astimezone().date()
    width = 23 if is_many_days else 12
    yield f"  {'start':{width}}  {'end':{width}}  {'slots':>8}  device, cause"
    for gap in sorted(longest, key=lambda gap: gap.started_at):
        cause = f"{gap.outcome}: {gap.cause.replace('_', ' ')}" if gap.cause else gap.outcome
        start, end = (_moment(moment)[-width:] for moment in (gap.started_at, gap.ended_at))
        yield f"  {start}  {end}  {gap.slots:>8}  {gap.device} every {gap.interval_ms} ms, {cause}"
    if audited.gap_count > len(longest):
        yield f"  and {audited.gap_count - len(longest)} shorter ones"


def _end(audited: Audit) -> Iterator[str]:
    figures = audited.figures
    yield ""
    if figures.events:
        first, *others = wrap(", ".join(_event(row) for row in figures.events), _WIDTH - _LABEL - 2)
        yield _line("events", first)
        yield from (_line("", line) for line in others)
    if any(not span.is_numbered for span in figures.spans):
        yield _line("note", "recorded by a release that did not number its slots; counts alone")
    if figures.quarantine["uncounted_entries"]:
        count = figures.quarantine["uncounted_entries"]
        yield _line("note", f"{count} entries in quarantine, whose slots are not counted")
    for finding in audited.findings:
        first, *others = wrap(finding.text, _WIDTH - _LABEL - 2)
        yield _line("fault", first)
        yield from (_line("", line) for line in others)
    if figures.events or audited.findings:
        yield ""
    yield _verdict(audited)


def _verdict(audited: Audit) -> str:
    accounted, stored = sum(audited.outcomes.values()), audited.figures.rows_stored
    match audited.verdict:
        case Verdict.BALANCES:
            return f"balances: {accounted} slots and {stored} rows, each accounted for once"
        case Verdict.OPEN:
            return f"still running, open: {accounted} slots and {stored} rows so far, each accounted for once"
        case _:
            return f"DOES NOT BALANCE: {many(len(audited.findings), 'fault')}, named above"


def _moment(moment: datetime) -> str:
    return moment.astimezone().isoformat(sep=" ", timespec="milliseconds")[:23]


def _line(label: str, text: str) -> str:
    return f"  {label:{_LABEL}}{text}"


def _figure(label: str, what: str, number: int) -> str:
    return f"  {label:{_LABEL}}{what:26}{number:>14}"


def _event(row: Row) -> str:
    device = f" ({row['device']})" if row["device"] else ""
    return f"{row['events']} {row['kind'].replace('_', ' ')}{device}"
