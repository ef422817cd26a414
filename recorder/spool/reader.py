"""Reading a spool file by a connection of its own, so that a large backlog being read never delays an append."""

import sqlite3
import zlib
from contextlib import closing
from typing import Final

from recorder.spool.stored_entry import SpooledEntry, decoded

_MOST_HEADER_BYTES: Final = 4 * 1024 * 1024
"""Headers that one reading brings, at most: tombstones have no rows, but many counts."""


class SpoolReader:
    """Reads entries in order; used by one thread at a time.

    Args:
        connection: of the file, and of nobody else; it is closed with the reader.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def peek(self, *, after: int, max_rows: int, max_entries: int) -> list[SpooledEntry]:
        """Read entries without removing them.

        Args:
            after: only sequences above this one.
            max_rows: stop before the rows of the entries pass this number, but return at least one entry.
            max_entries: return at most this many.
        """
        found: list[SpooledEntry] = []
        rows_found = headers_found = 0
        cursor = self._connection.execute(
            "SELECT sequence, row_count, header_checksum, rows_checksum, header, rows FROM entries "
            "WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (after, max_entries),
        )
        # an open cursor would hold on to the file as it was then
        with closing(cursor):
            for sequence, row_count, header_checksum, rows_checksum, header, rows in cursor:
                headers_found += len(header)
                if found and (rows_found + row_count > max_rows or headers_found > _MOST_HEADER_BYTES):
                    break
                rows_found += row_count
                entry = decoded(sequence, header, rows, row_count=row_count, header_checksum=header_checksum)
                if entry.rows and zlib.crc32(rows) != rows_checksum:
                    entry = entry.tombstone("damaged")
                found.append(SpooledEntry(sequence=sequence, entry=entry))
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
