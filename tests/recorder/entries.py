"""Entries for the tests of spool and writer, with what does not matter filled in."""

import numpy as np

from recorder.spool.batch import RowEncoder
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount

NOON_US = 1_700_049_600_000_000
"""2023-11-15 12:00 UTC."""
PROCESS = 123_456_789_012


def count(number: int, *, rows: int = 2, process_id: int = PROCESS, outcome: Outcome = Outcome.COMPLETED) -> SlotCount:
    """What one slot of 100 ms came to."""
    return SlotCount(
        process_id=process_id,
        device="plc",
        interval_ms=100,
        minute=(NOON_US + number * 100_000) // 60_000_000 * 60,
        outcome=outcome,
        slots=1,
        rows=rows,
        slots_at=((number, number + 1),),
    )


def points(
    number: int = 0, *, rows: int = 2, process_id: int = PROCESS, is_idle: bool = False, start_us: int = NOON_US
) -> Entry:
    """The entry of slot `number`: `rows` good values, the slot's number the value of each."""
    timestamp_us = start_us + number * 100_000
    timestamps_us = timestamp_us + np.arange(rows, dtype=np.int64)
    encoder = RowEncoder(np.arange(1, rows + 1, dtype=np.int32))
    return Entry(
        kind=EntryKind.POINTS,
        header={
            "process_id": process_id,
            "device": "plc",
            "interval_ms": 100,
            "first_slot": number,
            "last_slot": number,
        },
        rows=encoder.encode(
            process_id=process_id,
            timestamps_us=timestamps_us,
            values=np.full(rows, float(number)),
            set_values=np.full(rows, np.nan),
            quality=np.full(rows, 192, np.int16),
        ),
        row_count=rows,
        accounting=(count(number, rows=rows, process_id=process_id),),
        first_us=timestamp_us,
        last_us=timestamp_us + rows - 1,
        is_idle=is_idle,
    )


def event(name: str = "device_lost", **detail: object) -> Entry:
    """An entry that has no rows."""
    return Entry(
        kind=EntryKind.EVENT, header={"event": name, "occurred_us": NOON_US, "device": "plc", "detail": detail}
    )


def run_started(process_id: int = PROCESS, *, started_us: int = NOON_US, **fields: object) -> Entry:
    """The start of a run."""
    header = {
        "event": "run_started",
        "process_id": process_id,
        "kind": "recipe",
        "recipe": "Al2O3",
        "run_counter": 7,
        "started_us": started_us,
        "operator": "",
        "lot": "",
        "substrate": "",
        "note": "",
        "machine": "tool",
        "definitions_version": "abc",
        "time_scale": 1.0,
        "clock_synchronised": True,
    }
    return Entry(kind=EntryKind.PROCESS, header=header | fields)
