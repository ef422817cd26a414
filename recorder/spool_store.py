"""The spool's file: a durable, bounded FIFO in SQLite (WAL, synchronous=FULL). Synchronous; `recorder.spool` drives it.

Sequences have no holes: what is shed leaves its tombstone in place.
"""

import json
import os
import sqlite3
import uuid
import zlib
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

from recorder.entry import Entry, EntryKind
from recorder.errors import SpoolError

FILE_FORMAT: Final = 1
"""Kept as SQLite's user_version, so that an older release does not take a newer file for a damaged one."""
_SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS spool (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
-- the large columns come last: SQLite would read through them to reach a column behind them
CREATE TABLE IF NOT EXISTS entries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    row_count INTEGER NOT NULL, is_idle INTEGER NOT NULL, bytes INTEGER NOT NULL,
    header_checksum INTEGER NOT NULL, rows_checksum INTEGER NOT NULL,
    header BLOB NOT NULL, rows BLOB NOT NULL
) STRICT;
-- sizes and the order of shedding, without reading entries
CREATE INDEX IF NOT EXISTS entries_by_idle ON entries (is_idle, sequence, row_count, bytes);
PRAGMA user_version = {FILE_FORMAT};
"""
_OVERHEAD_BYTES: Final = 64
"""What SQLite needs around an entry, roughly."""
_CHECKED_BYTES: Final = 64 * 1024 * 1024
"""Check a file up to this size as it is opened; a larger one would delay the start by seconds, and every entry has a
checksum of its own."""
_SHED_SHARE: Final = 0.05
"""Shed this share of the limit at once, so that a full spool does not shed at every append."""


class _DamagedError(Exception):
    """The file is SQLite's, but not a spool that can be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SpooledEntry:
    """An entry with its place in the stream."""

    sequence: int
    entry: Entry


@dataclass(frozen=True, kw_only=True, slots=True)
class SpoolDepth:
    """What waits in the spool."""

    entries: int
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedEntry:
    """An entry as the file keeps it."""

    header: bytes
    rows: bytes
    row_count: int
    is_idle: bool

    @property
    def size_bytes(self) -> int:
        """What it takes of the limit."""
        return len(self.header) + len(self.rows) + _OVERHEAD_BYTES

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Encode an entry."""
        return cls(header=entry.encode_header(), rows=entry.rows, row_count=entry.row_count, is_idle=entry.is_idle)


class SpoolStore:
    """One spool file, opened by one process.

    Attributes:
        stream_id: identity of this file's stream of entries.
        acknowledged: every entry up to this sequence is in the database.
        last_sequence: the newest entry.
        shed_entries: entries shed since the file was opened.
    """

    def __init__(self, path: Path, *, max_bytes: int) -> None:
        """Open or make the file; one that is damaged is set aside beside it and a new one begun.

        Raises:
            SpoolError: the folder cannot be written.
        """
        self.path = path
        self.max_bytes = max_bytes
        self.set_aside: Path | None = None
        self.shed_entries = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._open()
            except (_DamagedError, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self.set_aside = self._put_aside()
                self._open()
        except (sqlite3.Error, _DamagedError) as error:
            raise SpoolError(f"{path}: cannot be opened: {error}; check disk and rights") from error
        except OSError as error:
            raise SpoolError(f"{path.parent}: cannot be used: {error}; check [recorder] data_directory") from error

    def _open(self) -> None:
        self._writer = self._connect()
        try:
            self._load()
            self._reader = self._connect()
        except BaseException:
            self._writer.close()
            raise

    def _load(self) -> None:
        if self.path.stat().st_size <= _CHECKED_BYTES:
            verdict = self._writer.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise _DamagedError(verdict)
        file_format = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if file_format > FILE_FORMAT:
            raise SpoolError(
                f"{self.path}: made by a newer release (file format {file_format}, this one reads {FILE_FORMAT}); "
                "start that release, or move the file away"
            )
        try:
            self._writer.executescript(_SCHEMA)
            kept = dict(self._writer.execute("SELECT key, value FROM spool"))
            if not kept:
                kept = {"stream_id": str(uuid.uuid4()), "acknowledged": "0", "state": "{}"}
                with self._writer:
                    self._writer.executemany("INSERT INTO spool (key, value) VALUES (?, ?)", kept.items())
            self.stream_id = uuid.UUID(kept["stream_id"])
            self.acknowledged = int(kept["acknowledged"])
            self._state = kept["state"]
            if not isinstance(self.state, dict):
                raise _DamagedError("its state is none")
        except (ValueError, KeyError) as error:
            raise _DamagedError(f"it does not say what it is: {error!r}") from error
        newest, entries, size = self._writer.execute(
            "SELECT max(sequence), count(*), coalesce(sum(bytes), 0) FROM entries"
        ).fetchone()
        self.last_sequence: int = max(newest or 0, self._sequence_before(), self.acknowledged)
        self._entries: int = entries
        self._bytes: int = size

    def _sequence_before(self) -> int:
        row = self._writer.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        return int(row[0]) if row else 0

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, check_same_thread=False, timeout=10)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _put_aside(self) -> Path:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        target = self.path.with_name(f"{self.path.stem}.damaged-{stamp}{self.path.suffix}")
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self.path}{suffix}")
            if part.exists():
                os.replace(part, f"{target}{suffix}")  # noqa: PTH105  (three files, one name)
        return target

    @property
    def state(self) -> dict[str, Any]:
        """What the recorder asked to keep with its last entries."""
        state: dict[str, Any] = json.loads(self._state)
        return state

    @property
    def depth(self) -> SpoolDepth:
        """What waits."""
        return SpoolDepth(entries=self._entries, bytes=self._bytes)

    def append(self, entries: Sequence[EncodedEntry], *, state: str | None, acknowledge: int) -> list[int]:
        """Make entries durable in one transaction, and forget what is acknowledged in the same one.

        Args:
            entries: in order.
            state: JSON that replaces the kept state, together with the entries or not at all.
            acknowledge: forget entries up to this sequence.

        Returns:
            Their sequences.

        Raises:
            sqlite3.Error: nothing was changed.
        """
        added = sum(entry.size_bytes for entry in entries)
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            removed_entries, removed_bytes = self._forget(acknowledge)
            shed_entries, shed_bytes = self._shed(self._bytes - removed_bytes + added - self.max_bytes)
            sequences = [self._insert(entry) for entry in entries]
            if state is not None:
                self._writer.execute("UPDATE spool SET value = ? WHERE key = 'state'", (state,))
        self._entries += len(entries) - removed_entries
        self._bytes += added - removed_bytes - shed_bytes
        self.shed_entries += shed_entries
        self.acknowledged = max(self.acknowledged, acknowledge)
        if state is not None:
            self._state = state
        if sequences:
            self.last_sequence = sequences[-1]
        return sequences

    def _insert(self, entry: EncodedEntry) -> int:
        cursor = self._writer.execute(
            "INSERT INTO entries (row_count, is_idle, bytes, header_checksum, rows_checksum, header, rows) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                entry.row_count,
                entry.is_idle,
                entry.size_bytes,
                zlib.crc32(entry.header),
                zlib.crc32(entry.rows),
                entry.header,
                entry.rows,
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _forget(self, sequence: int) -> tuple[int, int]:
        if sequence <= self.acknowledged:
            return 0, 0
        entries, size = self._writer.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM entries NOT INDEXED WHERE sequence <= ?", (sequence,)
        ).fetchone()
        self._writer.execute("DELETE FROM entries WHERE sequence <= ?", (sequence,))
        self._writer.execute("UPDATE spool SET value = ? WHERE key = 'acknowledged'", (str(sequence),))
        return entries, size

    def _shed(self, excess_bytes: int) -> tuple[int, int]:
        """Turn entries into tombstones, idle ones first and the oldest first, until enough is free.

        Returns:
            How many, and the bytes that this frees.
        """
        if excess_bytes <= 0:
            return 0, 0
        goal = excess_bytes + round(self.max_bytes * _SHED_SHARE)
        freed = 0
        victims = []
        with closing(self._sheddable()) as candidates:
            for spooled, size in candidates:
                if freed >= goal:
                    break
                is_lost = spooled.entry.kind is EntryKind.EVENT
                tombstone = EncodedEntry.of(spooled.entry if is_lost else spooled.entry.tombstone("spool_full"))
                if tombstone.size_bytes < size:
                    victims.append((spooled.sequence, tombstone))
                    freed += size - tombstone.size_bytes
        for sequence, tombstone in victims:
            self._writer.execute(
                "UPDATE entries SET row_count = 0, bytes = ?, header_checksum = ?, rows_checksum = 0, header = ?, "
                "rows = x'' WHERE sequence = ?",
                (tombstone.size_bytes, zlib.crc32(tombstone.header), tombstone.header, sequence),
            )
        return len(victims), freed

    def _sheddable(self) -> Generator[tuple[SpooledEntry, int], None, None]:
        """Entries with rows and their sizes, in the order in which they are given up."""
        for is_idle in (1, 0):
            cursor = self._writer.execute(
                "SELECT sequence, bytes, row_count, header_checksum, header FROM entries "
                "WHERE is_idle = ? AND row_count > 0 ORDER BY sequence",
                (is_idle,),
            )
            with closing(cursor):
                for sequence, size, row_count, header_checksum, header in cursor:
                    entry = _decoded(sequence, header, b"", row_count=row_count, header_checksum=header_checksum)
                    yield SpooledEntry(sequence=sequence, entry=entry), size

    def peek(self, *, after: int, max_rows: int, max_entries: int = 5000) -> list[SpooledEntry]:
        """Read entries in order without removing them; may run in another thread than `append`.

        Args:
            after: only sequences above this one.
            max_rows: stop before the rows of the entries pass this number, but return at least one entry.
            max_entries: return at most this many.
        """
        found: list[SpooledEntry] = []
        rows_found = 0
        cursor = self._reader.execute(
            "SELECT sequence, row_count, header_checksum, rows_checksum, header, rows FROM entries "
            "WHERE sequence > ? ORDER BY sequence LIMIT ?",
            (after, max_entries),
        )
        # an open cursor would hold on to the file as it was then
        with closing(cursor):
            for sequence, row_count, header_checksum, rows_checksum, header, rows in cursor:
                if found and rows_found + row_count > max_rows:
                    break
                rows_found += row_count
                entry = _decoded(sequence, header, rows, row_count=row_count, header_checksum=header_checksum)
                if entry.rows and zlib.crc32(rows) != rows_checksum:
                    entry = entry.tombstone("damaged")
                found.append(SpooledEntry(sequence=sequence, entry=entry))
        return found

    def close_reader(self) -> None:
        """End `peek`; call it where `peek` runs."""
        self._reader.close()

    def close(self) -> None:
        """Close the file; entries stay."""
        self._reader.close()
        self._writer.close()


def _decoded(sequence: int, header: bytes, rows: bytes, *, row_count: int, header_checksum: int) -> Entry:
    """Decode an entry; one that cannot be understood becomes the account of its own loss."""
    reason = "its header is damaged"
    if zlib.crc32(header) == header_checksum:
        try:
            return Entry.decode(header, rows)
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error)
    detail = {"sequence": sequence, "reason": reason, "rows": row_count}
    return Entry(kind=EntryKind.EVENT, header={"event": "entry_lost", "lost_rows": row_count, "detail": detail})
