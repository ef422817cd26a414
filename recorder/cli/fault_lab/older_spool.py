"""A spool file as release 0.1 kept it: the layout of that release, written down here so that it stays what it was."""

import json
import sqlite3
import zlib
from contextlib import closing
from pathlib import Path
from typing import Final

from recorder.cli.fault_lab.spool_file import KeptEntry, KeptSpool

_FILE_FORMAT: Final = 1
_OVERHEAD_BYTES: Final = 64
_SCHEMA: Final = f"""
CREATE TABLE spool (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    row_count INTEGER NOT NULL, is_idle INTEGER NOT NULL, bytes INTEGER NOT NULL,
    header_checksum INTEGER NOT NULL, rows_checksum INTEGER NOT NULL,
    header BLOB NOT NULL, rows BLOB NOT NULL
) STRICT;
CREATE INDEX entries_by_idle ON entries (is_idle, sequence, row_count, bytes);
PRAGMA user_version = {_FILE_FORMAT};
"""
_ADDED: Final = ("slots_at", "packed")
_KEPT: Final = ("stream_id", "acknowledged", "state")


def write_older_spool(path: Path, spool: KeptSpool) -> None:
    """Write entries to a fresh file of release 0.1, in place of the one that is there."""
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
        with connection:
            connection.executemany("INSERT INTO spool VALUES (?, ?)", [(key, spool.kept[key]) for key in _KEPT])
            connection.executemany(
                "INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        sequence,
                        *(entry.row_count, entry.is_idle, len(header) + len(entry.rows) + _OVERHEAD_BYTES),
                        *(zlib.crc32(header), zlib.crc32(entry.rows), header, entry.rows),
                    )
                    for sequence, entry in spool.entries.items()
                    for header in (_older_header(entry),)
                ],
            )


def _older_header(entry: KeptEntry) -> bytes:
    """The header without what later releases added."""
    content = {name: value for name, value in entry.content.items() if name not in _ADDED}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
