"""The write-ahead log of a spool file: its share of the limit, and when it is brought into the file."""

import sqlite3
from contextlib import closing, suppress
from typing import Final

from recorder.spool.stored_entry import PAGE_BYTES

_SHARE: Final = 8
"""It may take this part of the limit; it is counted as part of the file."""
_LEAST_BYTES: Final = 512 * 1024
"""A transaction that sheds writes some eighty pages, and the index of the log takes eight."""
_MOST_BYTES: Final = 16 * 1024 * 1024
_FRAME_BYTES: Final = 5 * (PAGE_BYTES + 24)
"""What a transaction adds to the log beside its entries, about."""


class WriteAheadLog:
    """Keeps the log small; used by the thread that appends.

    Args:
        max_bytes: of the file with its log.

    Attributes:
        max_bytes: what the log may take of it.
    """

    def __init__(self, max_bytes: int) -> None:
        self._due_bytes = 0
        self.max_bytes = min(max(max_bytes // _SHARE, _LEAST_BYTES), _MOST_BYTES)
        self._unchecked_bytes = 0
        self.may_grow()

    @property
    def most_bytes(self) -> int:
        """What one transaction should hold at most, so that the log keeps its share."""
        return self.max_bytes // 8

    def bound(self, connection: sqlite3.Connection) -> None:
        """Let SQLite hold to it too, where nobody brings it in between two appends."""
        connection.execute(f"PRAGMA journal_size_limit = {self.max_bytes}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {self.max_bytes // PAGE_BYTES // 8}")

    def stay_within(self, more_bytes: int) -> None:
        """The disk has room for so much more only."""
        self._due_bytes = min(self._due_bytes, more_bytes // 2)

    def may_grow(self) -> None:
        """The disk has room."""
        self._due_bytes = self.max_bytes // 16

    def wrote(self, entry_bytes: int) -> None:
        """A transaction is behind it."""
        self._unchecked_bytes += entry_bytes + _FRAME_BYTES

    def bring_in_if_due(self, connection: sqlite3.Connection) -> None:
        """Bring it into the file when it has grown; what fails is tried again."""
        if self._unchecked_bytes >= self._due_bytes:
            self.bring_in(connection)

    def bring_in(self, connection: sqlite3.Connection) -> None:
        """Bring it into the file, as far as the disk and who reads allow."""
        self._unchecked_bytes = 0
        with suppress(sqlite3.Error), closing(connection.execute("PRAGMA wal_checkpoint(PASSIVE)")) as cursor:
            cursor.fetchall()
