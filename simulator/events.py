"""The ring buffer of events in the PLC: what happened between two scans is read from there, not sampled."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

ENTRIES: Final = 32


class EventId(IntEnum):
    """Ids of events, stable as an SVID; those of the valves have the valve's number added (1 to 6)."""

    RUN_STARTED = 1
    """Value: the run counter."""
    RUN_COMPLETED = 2
    """Value: the run counter."""
    RUN_ABORTED = 3
    """Value: why, `simulator.run.AbortCause`."""
    STEP_BEGAN = 4
    """Value: the step's number."""
    CYCLE_BEGAN = 5
    """Value: the cycle's number."""
    VALVE_OPENED = 10
    """11 to 16. Value: 0."""
    VALVE_CLOSED = 20
    """21 to 26. Value: the pulse's width in microseconds; exact to 16.7 s, as far as float32 counts."""
    PEAK_LATCHED = 30
    """31 to 36. Value: the pulse's peak in Torr."""
    INTERLOCK_TRIPPED = 40
    """Value: the interlock word."""
    INTERLOCK_CLEARED = 41
    """Value: the interlock word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One entry.

    Attributes:
        sequence: counts from 1 since the PLC started; 0 marks an entry that was never written.
        at_us: simulated time since the PLC started.
        event_id: an `EventId`, the valve's number added where it is of one.
        value: what the id says.
    """

    sequence: int
    at_us: int
    event_id: int
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class EventRing:
    """The newest `ENTRIES` events, oldest first; the ring's place of one is its sequence modulo `ENTRIES`."""

    head: int = 0
    entries: tuple[Event, ...] = ()

    def with_events(self, happened: Sequence[tuple[int, int, float]]) -> "EventRing":
        """Add events, given as ``(at_us, event_id, value)``; they are put in order of time."""
        if not happened:
            return self
        new = tuple(
            Event(sequence=self.head + place, at_us=at_us, event_id=event_id, value=value)
            for place, (at_us, event_id, value) in enumerate(sorted(happened, key=lambda each: each[0]), start=1)
        )
        return EventRing(head=self.head + len(new), entries=(*self.entries, *new)[-ENTRIES:])
