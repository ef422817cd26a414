"""How the slots of the run in force ended, by cause, since it began or since this daemon did."""

from collections.abc import Sequence
from typing import Any

from recorder.entry import Entry, Outcome


class RunTally:
    """Counts the accounting of one process; another process begins another count."""

    def __init__(self) -> None:
        self._process_id: int | None = None
        self._slots: dict[tuple[Outcome, str], int] = {}
        self._rows = 0

    def see(self, entries: Sequence[Entry]) -> None:
        """Take in what goes to the spool."""
        for entry in entries:
            for counted in entry.accounting:
                if self._process_id is None or counted.process_id > self._process_id:
                    self._process_id, self._slots, self._rows = counted.process_id, {}, 0
                if counted.process_id == self._process_id:
                    key = (counted.outcome, counted.cause)
                    self._slots[key] = self._slots.get(key, 0) + counted.slots
                    self._rows += counted.rows

    @property
    def picture(self) -> dict[str, Any]:
        """For the status: slots by outcome and cause, and rows made."""
        return {
            "process_id": self._process_id,
            "rows": self._rows,
            "slots": [[outcome, cause, slots] for (outcome, cause), slots in sorted(self._slots.items())],
        }
