"""The newest durable entries in memory, so that a writer that keeps up never reads the file."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from recorder.spool.entry import Entry
from recorder.spool.stored_entry import EncodedEntry, SpooledEntry

MOST_RECENT_ROWS: Final = 20_000
"""Rows of the newest durable entries that stay in memory for the writer: about 1.5 MB."""
MOST_RECENT_ENTRIES: Final = 5_000


class RecentEntries:
    """Entries without a hole up to the newest; bounded by rows and by number."""

    def __init__(self) -> None:
        self._entries: deque[tuple[int, EncodedEntry]] = deque()
        self.rows = 0

    @property
    def sequences(self) -> list[int]:
        """What is here."""
        return [sequence for sequence, _ in self._entries]

    def clear(self) -> None:
        """Leave everything to the file."""
        self._entries.clear()
        self.rows = 0

    def add(self, sequences: Sequence[int], entries: Sequence[EncodedEntry]) -> None:
        """Take the newest entries; those before a hole are dropped."""
        if self._entries and sequences[:1] != [self._entries[-1][0] + 1]:
            self.clear()
        for sequence, entry in zip(sequences, entries, strict=True):
            self._entries.append((sequence, entry))
            self.rows += entry.row_count
        while self.rows > MOST_RECENT_ROWS or len(self._entries) > MOST_RECENT_ENTRIES:
            self.rows -= self._entries.popleft()[1].row_count

    def forget(self, sequence: int) -> None:
        """Drop entries up to this one."""
        while self._entries and self._entries[0][0] <= sequence:
            self.rows -= self._entries.popleft()[1].row_count

    def peek(self, *, after: int, max_rows: int) -> list[SpooledEntry]:
        """Read on, decoding the same bytes as the file holds; empty where the file must be read."""
        if not self._entries or self._entries[0][0] > after + 1:
            return []
        found: list[SpooledEntry] = []
        rows = 0
        for sequence, encoded in self._entries:
            if sequence <= after:
                continue
            rows += encoded.row_count
            if found and rows > max_rows:
                break
            found.append(SpooledEntry(sequence=sequence, entry=Entry.decode(encoded.header, encoded.rows)))
        return found

    def copy(self) -> list[tuple[int, EncodedEntry]]:
        """All of them; may be called from another thread."""
        return list(self._entries.copy())
