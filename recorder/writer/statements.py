"""What entries become in PostgreSQL, beside their rows: named statements with their arguments, and the accounting."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from recorder.database.jsonb import to_json
from recorder.errors import ContentRefusedError
from recorder.spool.batch import POSTGRES_EPOCH_US, split_rows
from recorder.spool.entry import Entry, Outcome, SlotCount

Statement = tuple[str, Sequence[object]]
"""Name and arguments of a statement of ``sql/queries``."""

PREPARED: Final = (
    *("look_at_recorder", "end_stale_sessions", "claim_recorder", "claim_stream", "ensure_day_partition"),
    *("set_values_of_machine", "set_values_by_id"),
    *("get_process_run", "page_of_runs"),
)
"""What writer, set-values and readers of runs ask again and again, prepared as each connection of the pool opens; the
statements of a commit go together with its rows."""

_MOST_DAYS: Final = 2
"""Days that an entry's first and last time may lie apart before its rows are asked one by one."""
_DAY_US: Final = 86_400_000_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_RUN_KEYS: Final = (
    *("process_id", "machine", "kind", "recipe", "operator", "lot", "substrate", "note", "run_counter", "started_us"),
    *("definitions_version", "time_scale", "clock_synchronised", "clock_offset_us"),
)
_CHANGE_KEYS: Final = (
    *("occurred_us", "parameter_id", "process_id", "old_value", "new_value", "changed_by", "source", "reason"),
    *("read_back", "outcome"),
)
_TABLED_EVENTS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "run_started": ("start_process_run", _RUN_KEYS),
    "run_ended": ("end_process_run", ("process_id", "status", "ended_us", "clock_offset_us")),
    "step_started": ("start_process_step", ("process_id", "kind", "started_us", "number")),
    "step_ended": ("end_process_step", ("process_id", "kind", "started_us", "ended_us")),
    "set_value_changed": ("record_set_value_change", _CHANGE_KEYS),
}


def event_statement(entry: Entry, *, recorder: int, now_us: int) -> Statement:
    """The statement that records an event, or the start or end of a run or step.

    An event that does not say when it happened did so at `now_us`.

    Raises:
        ContentRefusedError: the event lacks something that this release needs.
    """
    try:
        header = {"clock_offset_us": None, **entry.header}  # which older releases did not spool
        event = header["event"]
        if event in _TABLED_EVENTS:
            name, keys = _TABLED_EVENTS[event]
            return name, [header[key] for key in keys]
        return "insert_recorder_event", (
            recorder,
            header.get("occurred_us") or now_us,
            event,
            header.get("process_id"),
            header.get("device", ""),
            to_json(header.get("detail", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise unwritable(f"an event that this release cannot write: {error!r}") from error


def unwritable(said: str) -> ContentRefusedError:
    """Something that PostgreSQL need not even be asked about."""
    return ContentRefusedError(said)


def accounting_of(entries: Iterable[Entry]) -> str:
    """Sum the slot counts of entries as JSON, so that a backlog costs one row a minute and not one a slot."""
    totals: dict[tuple[int, str, int, int, Outcome, str], SlotCount] = {}
    for entry in entries:
        for count in entry.accounting:
            before = totals.get(count.key)
            totals[count.key] = count if before is None else before.plus(count)
    return to_json(
        [
            slot_key(total)
            | {
                "slots": total.slots,
                "rows": total.rows,
                # PostgreSQL's int8multirange; null where one of the entries does not say
                "slots_at": "{" + ",".join(f"[{first},{end})" for first, end in total.slots_at) + "}"
                if total.slots_at
                else None,
            }
            for total in totals.values()
        ]
    )


def slot_key(count: SlotCount) -> dict[str, Any]:
    """The key of a count in ``acquisition_minutes``."""
    return {
        "process_id": count.process_id,
        "device": count.device,
        "interval_ms": count.interval_ms,
        "minute": count.minute,
        "outcome": count.outcome,
        "cause": count.cause,
    }


def days_of(entry: Entry) -> set[date]:
    """UTC days that the rows of an entry touch; a time that no date can hold has none."""
    if not entry.rows:
        return set()
    first_us, last_us = entry.first_us, entry.last_us
    if isinstance(first_us, int) and isinstance(last_us, int) and 0 <= last_us - first_us < _MOST_DAYS * _DAY_US:
        # by numbers: of a backlog this is asked for each entry
        days = [_day(number) for number in range(first_us // _DAY_US, last_us // _DAY_US + 1)]
        if None not in days:
            return {day for day in days if day is not None}
    return days_of_rows(entry.rows)


@lru_cache(maxsize=64)
def _day(number: int) -> date | None:
    """The day so many days after 1970 began; None where no calendar holds it."""
    try:
        return date.fromordinal(_EPOCH_DAY + number)
    except (ValueError, OverflowError):
        return None


def days_of_rows(rows: bytes) -> set[date]:
    """UTC days of rows, by the rows themselves; those of the rows before the first that is none."""
    days: set[date] = set()
    try:
        for row in split_rows(rows):
            found = moment(row.timestamp_us + POSTGRES_EPOCH_US)
            if found is not None:
                days.add(found.date())
    except ValueError:
        pass
    return days


def moment(timestamp_us: object) -> datetime | None:
    """UTC microseconds since 1970 as a time; None where they are none or no calendar holds them."""
    if not isinstance(timestamp_us, int):
        return None
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_us)
    except OverflowError:
        return None
