"""What an audit finds wrong, in words: rows and orphans here, slots in `recorder.audit.audit`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from recorder.audit.figures import SLACK_S, Figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One reason why a run does not balance, in words for people and a code for programs."""

    code: str
    text: str


def many(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def times(started: datetime, ended: datetime) -> str:
    """From when to when, in the time zone of whoever reads it."""

    def clock(moment: datetime) -> str:
        return moment.astimezone().isoformat(sep=" ", timespec="milliseconds")

    return f"{clock(started)} to {clock(ended)}"


def row_findings(figures: Figures) -> Iterator[Finding]:
    """What is wrong with the rows that are stored for a run."""
    missing = figures.rows_accounted - figures.rows_stored
    if missing:
        found = f"{many(abs(missing), 'row')} {'missing' if missing > 0 else 'too many'}"
        places = [row for row in figures.differences if (row["expected"] > row["stored"]) == (missing > 0)]
        if places:
            place = places[0]
            found += (
                f", most of them of {place['device'] or 'no device'} "
                if len(places) > 1
                else (f" of {place['device'] or 'no device'} ")
            )
            found += f"from {times(place['first_minute'], place['last_minute'] + timedelta(minutes=1))}"
        yield Finding(code="rows_missing" if missing > 0 else "rows_too_many", text=found)
    if figures.strays["points"]:
        yield Finding(
            code="rows_far_outside",
            text=f"{many(figures.strays['points'], 'row')} outside of the run, from "
            f"{times(figures.strays['first_at'], figures.strays['last_at'])}",
        )
    outside = sum(row["outside"] for row in figures.stored)
    if outside:
        yield Finding(
            code="rows_outside",
            text=f"{many(outside, 'row')} more than {SLACK_S:g} s before the run's start or after its end",
        )
    twice = sum(row["excess"] for row in figures.duplicates)
    if twice:
        first: datetime = figures.duplicates[0]["first_at"]
        yield Finding(code="rows_twice", text=f"{many(twice, 'row')} stored twice, the first at {first.astimezone()}")
    foreign = [row for row in figures.stored if not row["is_of_machine"]]
    if foreign:
        numbers = ", ".join(str(number) for row in foreign for number in row["parameters"])
        yield Finding(
            code="rows_of_no_parameter",
            text=f"{many(sum(row['points'] for row in foreign), 'row')} of no parameter of the machine: {numbers}",
        )


def orphan_findings(figures: Figures) -> Iterator[Finding]:
    """What of the run's days belongs to nobody."""
    for what, rows in (("point", figures.orphan_points), ("step", figures.orphan_steps)):
        for row in rows:
            yield Finding(
                code=f"orphan_{what}s",
                text=f"{many(row[f'{what}s'], what)} of these days of process {row['process_id']}, which is no run",
            )
