"""What the writer has committed since the daemon began."""

from collections.abc import Sequence
from dataclasses import dataclass

from recorder.spool.entry import Outcome
from recorder.spool.store import SpooledEntry
from recorder.writer.quarantine import Refused


@dataclass(kw_only=True, slots=True)
class WriterTotals:
    """What was committed since the daemon began."""

    transactions: int = 0
    entries: int = 0
    rows: int = 0
    lost_rows: int = 0
    """Rows of entries that were shed or damaged before they could be written."""
    shed_slots: int = 0
    """Slots whose rows were shed, as told by what was committed."""
    quarantined_rows: int = 0
    """Rows that PostgreSQL refused for their content."""
    quarantined_entries: int = 0
    """Events, and whole entries, of the same fate."""

    def count(self, entries: Sequence[SpooledEntry], refused: Sequence[Refused]) -> None:
        """Take in one transaction and what of it PostgreSQL refused."""
        refused_rows = sum(one.row_count for one in refused)
        self.transactions += 1
        self.entries += len(entries)
        self.lost_rows += sum(spooled.entry.header.get("lost_rows", 0) for spooled in entries)
        self.shed_slots += sum(
            count.slots for spooled in entries for count in spooled.entry.accounting if count.outcome is Outcome.SHED
        )
        self.rows += sum(spooled.entry.row_count for spooled in entries) - refused_rows
        self.quarantined_rows += refused_rows
        self.quarantined_entries += sum(one.kind != "row" for one in refused)
