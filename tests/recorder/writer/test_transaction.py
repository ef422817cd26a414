"""What one transaction carries is made of its entries alone, in the event loop or beside it."""

from datetime import date

import pytest

from recorder.errors import ContentRefusedError
from recorder.spool.batch import copy_payload
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.stored_entry import SpooledEntry
from recorder.writer.statements import accounting_of
from recorder.writer.transaction import Transaction, transaction_of
from tests.recorder.entries import NOON_US, event, points, run_started


def test_rows_are_joined_and_events_become_statements_in_their_order() -> None:
    """A run, its points and an event: one payload, two statements, one account."""
    entries = [run_started(), points(1), event(), points(2, rows=3)]
    made = Transaction.of(entries, recorder=7, now_us=NOON_US)
    assert made.days == {date(2023, 11, 15)}
    assert made.payload == copy_payload([entries[1].rows, entries[3].rows])
    assert [name for name, _ in made.events] == ["start_process_run", "insert_recorder_event"]
    assert made.accounting == accounting_of(entries)


def test_without_rows_there_is_no_payload() -> None:
    """An event alone."""
    made = Transaction.of([event()], recorder=7, now_us=NOON_US)
    assert made.payload is None
    assert not made.days
    assert made.accounting == "[]"


@pytest.mark.parametrize("number", [1, 500])
async def test_a_large_transaction_is_the_same_as_a_small_one(number: int) -> None:
    """It is only made elsewhere, and what is refused is refused there too."""
    entries = [points(slot) for slot in range(number)]
    spooled = [SpooledEntry(sequence=sequence, entry=entry) for sequence, entry in enumerate(entries, start=1)]
    made = await transaction_of(spooled, recorder=7, now_us=NOON_US)
    assert made == Transaction.of(entries, recorder=7, now_us=NOON_US)
    unknown = SpooledEntry(sequence=number + 1, entry=Entry(kind=EntryKind.UNKNOWN))
    with pytest.raises(ContentRefusedError):
        await transaction_of([*spooled, unknown], recorder=7, now_us=NOON_US)
