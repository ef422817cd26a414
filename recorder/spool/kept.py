"""What is kept in memory while the disk refuses: events as they are, points only as the count of their loss."""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from recorder.spool.entry import Entry, EntryKind, SlotCount
from recorder.spool.room import dropped_events, summed
from recorder.spool.stored_entry import EncodedEntry

MOST_KEPT: Final = 10_000
"""Events and steps that are kept; beyond it the oldest go, and are counted."""
_ALWAYS_KEPT: Final = frozenset({"run_started", "run_ended"})
_MOST_COUNTS: Final = 1_000
"""Counts after which they are encoded once and for all: a disk may be full for days."""


class KeptEntries:
    """Bounded, and in order; used by one thread.

    Attributes:
        state: the state that explains these entries; None where none waits.
    """

    def __init__(self) -> None:
        self._events: deque[Entry] = deque()
        self._dropped = 0
        self._counts: dict[tuple[Any, ...], SlotCount] = {}
        self._lost_rows = 0
        self._full: list[EncodedEntry] = []
        self.state: str | None = None

    def __len__(self) -> int:
        return len(self._events) + bool(self._dropped) + bool(self._counts) + len(self._full)

    def add(self, entries: Iterable[Entry], state: str | None) -> None:
        """Keep what could not be written."""
        for entry in entries:
            if entry.kind is EntryKind.POINTS:
                self._count(entry.tombstone("spool_write"))
            elif entry.kind is EntryKind.ACCOUNTING:
                self._count(entry)
            else:
                self._events.append(entry)
        if state is not None:
            self.state = state
        self._bound()
        if len(self._counts) > _MOST_COUNTS:
            self._full.append(EncodedEntry.of(self._account()))
            self._counts.clear()
            self._lost_rows = 0

    def _count(self, tombstone: Entry) -> None:
        self._lost_rows += tombstone.header.get("lost_rows", 0)
        for count in tombstone.accounting:
            before = self._counts.get(count.key)
            self._counts[count.key] = count if before is None else summed((before, count))[0]

    def _bound(self) -> None:
        """Drop the oldest events and steps beyond the limit; runs are always kept."""
        excess = len(self._events) - MOST_KEPT
        if excess <= 0:
            return
        left: deque[Entry] = deque()
        for entry in self._events:
            if excess > 0 and entry.header.get("event") not in _ALWAYS_KEPT:
                excess -= 1
                self._dropped += dropped_events(entry)
            else:
                left.append(entry)
        self._events = left

    def _account(self) -> Entry:
        header = {"shed": "spool_write", "lost_rows": self._lost_rows}
        return Entry(kind=EntryKind.ACCOUNTING, header=header, accounting=tuple(self._counts.values()))

    def entries(self) -> list[EncodedEntry]:
        """What must be written before anything else."""
        found: list[EncodedEntry] = []
        if self._dropped:
            header = {"event": "events_dropped", "detail": {"events": self._dropped}}
            found.append(EncodedEntry.of(Entry(kind=EntryKind.EVENT, header=header)))
        found += [EncodedEntry.of(entry) for entry in self._events]
        found += self._full
        if self._counts:
            found.append(EncodedEntry.of(self._account()))
        return found

    def clear(self) -> None:
        """All of it is written."""
        self._events.clear()
        self._dropped = 0
        self._counts.clear()
        self._lost_rows = 0
        self._full.clear()
        self.state = None
