"""How the slots of the run in force ended, by cause, since it began or since this daemon did."""

from collections.abc import Sequence
from typing import Any

from recorder.spool.entry import Entry, Outcome


class RunTally:
    """Counts the accounting of one process; another process begins another count."""

    def __init__(self) -> None:
        self._process_id: int | None = None
        self._slots: dict[tuple[Outcome, str], int] = {}
        self._rows = 0
        self._devices: dict[str, dict[Outcome, int]] = {}

    def see(self, entries: Sequence[Entry]) -> None:
        """Take in what goes to the spool."""
        for entry in entries:
            for counted in entry.accounting:
                if self._process_id is None or counted.process_id > self._process_id:
                    self._process_id, self._slots, self._rows, self._devices = counted.process_id, {}, 0, {}
                if counted.process_id == self._process_id:
                    key = (counted.outcome, counted.cause)
                    self._slots[key] = self._slots.get(key, 0) + counted.slots
                    self._rows += counted.rows
                    of_device = self._devices.setdefault(counted.device, {})
                    of_device[counted.outcome] = of_device.get(counted.outcome, 0) + counted.slots

    @property
    def picture(self) -> dict[str, Any]:
        """For the status: slots by outcome and cause, rows made, and of each device slots kept and all."""
        kept = (Outcome.COMPLETED, Outcome.LATE)
        return {
            "process_id": self._process_id,
            "rows": self._rows,
            "slots": [[outcome, cause, slots] for (outcome, cause), slots in sorted(self._slots.items())],
            "devices": {
                device: [sum(slots.get(outcome, 0) for outcome in kept), sum(slots.values())]
                for device, slots in self._devices.items()
            },
        }
