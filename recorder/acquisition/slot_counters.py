"""How the slots of each device ended since the daemon began, whatever run they belonged to."""

from collections.abc import Sequence
from typing import Any, Final

from recorder.spool.entry import Entry, Outcome

MOST_COUNTS: Final = 100
"""Counts that are kept apart; beyond them a new cause is counted as ``other``, of its device and outcome."""
OTHER: Final = "other"


class SlotCounters:
    """Counts that only grow, as a collector of metrics wants them."""

    def __init__(self) -> None:
        self._slots: dict[tuple[str, Outcome, str], int] = {}

    def see(self, entries: Sequence[Entry]) -> None:
        """Take in what goes to the spool."""
        for entry in entries:
            for counted in entry.accounting:
                key = (counted.device, counted.outcome, counted.cause)
                if key not in self._slots and len(self._slots) >= MOST_COUNTS:
                    key = (counted.device, counted.outcome, OTHER)
                self._slots[key] = self._slots.get(key, 0) + counted.slots

    @property
    def picture(self) -> list[list[Any]]:
        """Device, outcome, cause and slots of each."""
        return [[*key, slots] for key, slots in sorted(self._slots.items())]
