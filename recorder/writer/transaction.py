"""What one transaction carries, made of the entries of the spool: pure, so that a large one is made in a thread.

Made in the event loop, a hundred thousand rows would keep it from the next scan for 15 ms and more.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final, Self

from recorder.spool.batch import copy_payload
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.stored_entry import SpooledEntry
from recorder.writer.statements import Statement, accounting_of, days_of, event_statement, unwritable

_MANY_ENTRIES: Final = 50
"""Beyond it the way into a thread and back, 0.1 ms, is worth it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transaction:
    """Statements and rows.

    Attributes:
        days: UTC days that the rows touch.
        accounting: the slot counts, as JSON.
        events: statements that record events, and the starts and ends of runs and steps.
        payload: of the COPY; None where there are no rows.
    """

    days: frozenset[date]
    accounting: str
    events: Sequence[Statement]
    payload: bytearray | None

    @classmethod
    def of(cls, entries: Sequence[Entry], *, recorder: int, now_us: int) -> Self:
        """Make it.

        Args:
            entries: in order.
            recorder: number of this recorder.
            now_us: when events happened that do not say so.

        Raises:
            ContentRefusedError: this release cannot write one of the entries.
        """
        if any(entry.kind is EntryKind.UNKNOWN for entry in entries):
            raise unwritable("an entry that this release cannot read")
        rows = [entry.rows for entry in entries if entry.rows]
        return cls(
            days=frozenset[date]().union(*map(days_of, entries)),
            accounting=accounting_of(entries),
            events=[
                event_statement(entry, recorder=recorder, now_us=now_us)
                for entry in entries
                if entry.kind in {EntryKind.PROCESS, EntryKind.EVENT}
            ],
            payload=copy_payload(rows) if rows else None,
        )


async def transaction_of(entries: Sequence[SpooledEntry], *, recorder: int, now_us: int) -> Transaction:
    """Make a transaction, where it is a large one without keeping the event loop from its work.

    Raises:
        ContentRefusedError: this release cannot write one of the entries.
    """
    make = partial(Transaction.of, [spooled.entry for spooled in entries], recorder=recorder, now_us=now_us)
    return await asyncio.to_thread(make) if len(entries) > _MANY_ENTRIES else make()


@dataclass(frozen=True, kw_only=True, slots=True)
class Ahead:
    """What was read of a backlog while the database was busy with what comes before.

    Attributes:
        after: the sequence that these entries follow.
        transaction: of all of them; None where they cannot be written as one.
    """

    after: int
    entries: Sequence[SpooledEntry]
    transaction: Transaction | None
