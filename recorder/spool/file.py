"""The spool's SQLite file (WAL, synchronous=FULL): made, opened, and set aside where it is damaged.

A file that follows on a damaged one is another stream, but goes on with the numbers of the one before and keeps its
name: where the database stands in the old stream is then where the new one begins, and no entry is stored twice.
"""

import json
import os
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from recorder.errors import SpoolError
from recorder.spool.stored_entry import PAGE_BYTES, EncodedEntry, Standing

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
_CHECKED_BYTES: Final = 64 * 1024 * 1024
"""Check a file up to this size as it is opened; a larger one would delay the start by seconds, and every entry has a
checksum of its own."""
_UNKNOWN_NUMBERS: Final = 1_000_000
"""Numbers that are left out where a damaged file does not say which was its last."""
_MOST_PREDECESSORS: Final = 16
_DAMAGE_CODES: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

RawEntry = tuple[int, int, int, int, int, int, bytes, bytes]
"""A row of the table of entries."""


class DamagedError(Exception):
    """The file is SQLite's, but not a spool that can be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DamagedFile:
    """A file that was set aside, and how far its entries have been taken over.

    Attributes:
        file: its name, in the folder of the spool.
        stream_id: its stream; empty where it does not say.
        after: what it has up to this sequence is taken over or given up.
        to: the last sequence that is known of it.
        occurred_us: when the damage was found, UTC microseconds since 1970.
        recovered: entries that were taken over.
        lost: first and last sequence of each range that may be lost.
        absent: ranges of sequences that are not there; tombstones may still come that stand for them.
    """

    file: str
    stream_id: str
    reason: str
    occurred_us: int
    after: int
    to: int
    recovered: int = 0
    lost: Sequence[tuple[int, int]] = ()
    absent: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Heritage:
    """What a new file takes over at once from a damaged one.

    Attributes:
        predecessors: streams whose watermark says what of the old numbers the database has, the newest last.
        entries: those of the damaged file that are known without it.
    """

    predecessors: Sequence[uuid.UUID]
    acknowledged: int
    last_sequence: int
    state: str
    damaged: Sequence[DamagedFile]
    entries: Iterable[RawEntry] = ()


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file is damaged, rather than that the disk refuses."""
    return isinstance(error, DamagedError) or (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE_CODES


def connect(path: Path) -> sqlite3.Connection:
    """Open a connection that writes through to the disk."""
    connection = sqlite3.connect(path, check_same_thread=False, timeout=10)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # Debian's SQLite would overwrite each page of what was drained with zeros: as many bytes again, through the log
        connection.execute("PRAGMA secure_delete = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def open_file(path: Path) -> tuple[sqlite3.Connection, dict[str, str], Path | None]:
    """Open or make the file; one that is damaged is set aside beside it and followed by a new one.

    Returns:
        A connection, what the file keeps by key, and where a damaged file was put.

    Raises:
        SpoolError: the folder cannot be written, or the file is of a newer release.
    """
    aside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _finish_replacing(path)
        connection: sqlite3.Connection | None = None
        try:
            connection = connect(path)
            kept = _load(path, connection)
        except (DamagedError, sqlite3.DatabaseError) as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = aside_of(path)
            replace_file(path, aside, _heritage_of(path, aside, str(error)))
            connection = connect(path)
            kept = _load(path, connection)
    except (sqlite3.Error, DamagedError) as error:
        raise SpoolError(f"{path}: cannot be opened: {error}; check disk and rights") from error
    except OSError as error:
        raise SpoolError(f"{path.parent}: cannot be used: {error}; check [recorder] data_directory") from error
    return connection, kept, aside


def _load(path: Path, connection: sqlite3.Connection) -> dict[str, str]:
    if path.stat().st_size <= _CHECKED_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise DamagedError(verdict)
    file_format = connection.execute("PRAGMA user_version").fetchone()[0]
    if file_format > FILE_FORMAT:
        connection.close()
        raise SpoolError(
            f"{path}: made by a newer release (file format {file_format}, this one reads {FILE_FORMAT}); "
            "start that release, or move the file away"
        )
    connection.executescript(_SCHEMA)
    kept = dict(connection.execute("SELECT key, value FROM spool"))
    if not kept:
        kept = _new_keys()
        with connection:
            keep(connection, kept)
    try:
        uuid.UUID(kept["stream_id"])
        int(kept["acknowledged"])
        if not isinstance(json.loads(kept["state"]), dict):
            raise DamagedError("its state is none")
    except (ValueError, KeyError) as error:
        raise DamagedError(f"it does not say what it is: {error!r}") from error
    return kept


def _new_keys(heritage: Heritage | None = None) -> dict[str, str]:
    keys = {"stream_id": str(uuid.uuid4()), "acknowledged": "0", "state": "{}"}
    if heritage is not None:
        streams = [str(stream) for stream in heritage.predecessors]
        keys |= {
            "acknowledged": str(heritage.acknowledged),
            "state": heritage.state,
            "predecessors": json.dumps(streams[-_MOST_PREDECESSORS:]),
            "damaged": damaged_as_json(heritage.damaged),
        }
    return keys


def keep(connection: sqlite3.Connection, keys: Mapping[str, str]) -> None:
    """Write what the file keeps by key; the caller's transaction."""
    connection.executemany("INSERT OR REPLACE INTO spool (key, value) VALUES (?, ?)", keys.items())


def insert_raw(connection: sqlite3.Connection, entries: Iterable[RawEntry]) -> None:
    """Write entries under the numbers that they have; those that are there already stay as they are."""
    connection.executemany(
        "INSERT OR IGNORE INTO entries (sequence, row_count, is_idle, bytes, header_checksum, rows_checksum, header, "
        "rows) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        entries,
    )


def raw(sequence: int, entry: EncodedEntry) -> RawEntry:
    """An entry as a row of the table."""
    return (
        sequence,
        entry.row_count,
        entry.standing,
        entry.size_bytes,
        zlib.crc32(entry.header),
        zlib.crc32(entry.rows),
        entry.header,
        entry.rows,
    )


def name_run_events(connection: sqlite3.Connection) -> None:
    """Give the starts and ends of runs that an older release wrote the standing that they have now."""
    with connection:
        connection.execute(
            "UPDATE entries SET is_idle = ? WHERE is_idle = 0 AND row_count = 0 "
            'AND (instr(header, CAST(\'"event":"run_started"\' AS BLOB)) '
            'OR instr(header, CAST(\'"event":"run_ended"\' AS BLOB)))',
            (Standing.RUN_EVENT,),
        )


def damaged_as_json(damaged: Sequence[DamagedFile]) -> str:
    """What `damaged_of_json` reads."""
    return json.dumps([asdict(item) for item in damaged])


def damaged_of_json(text: str) -> list[DamagedFile]:
    """The files that are still to be taken over."""
    return [
        DamagedFile(**item | {key: [(first, last) for first, last in item[key]] for key in ("lost", "absent")})
        for item in json.loads(text)
    ]


def aside_of(path: Path) -> Path:
    """A name for a damaged file."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    return path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")


def _successor_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.new{path.suffix}")


def replace_file(path: Path, aside: Path, heritage: Heritage) -> None:
    """Put a damaged file aside and its successor in its place; a crash in between leaves both for the next start."""
    successor = _successor_of(path)
    _delete(successor)
    with closing(connect(successor)) as connection:
        connection.executescript(_SCHEMA)
        with connection:
            keep(connection, _new_keys(heritage))
            insert_raw(connection, heritage.entries)
            connection.execute("DELETE FROM sqlite_sequence WHERE name = 'entries'")
            connection.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', ?)", (heritage.last_sequence,)
            )
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            os.replace(part, f"{aside}{suffix}")  # noqa: PTH105  (three files, one name)
    _finish_replacing(path)


def _finish_replacing(path: Path) -> None:
    successor = _successor_of(path)
    if not successor.exists():
        return
    if path.exists():
        _delete(successor)
    else:
        successor.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _delete(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _heritage_of(path: Path, aside: Path, reason: str) -> Heritage:
    """What a damaged file still says of itself.

    Where it does not say which stream it is, nobody could tell which of its entries the database has: nothing of it is
    taken over but the state.
    """
    kept: dict[str, str] = {}
    sequences: list[int | None] = []
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        with suppress(sqlite3.Error):
            for key in ("stream_id", "acknowledged", "state", "predecessors", "damaged"):
                found = connection.execute("SELECT value FROM spool WHERE key = ?", (key,)).fetchone()
                kept |= {key: found[0]} if found else {}
        for statement in (
            "SELECT seq FROM sqlite_sequence WHERE name = 'entries'",
            "SELECT max(sequence) FROM entries",
            "SELECT min(sequence) FROM entries",
        ):
            value: int | None = None
            with suppress(sqlite3.Error):
                value = (connection.execute(statement).fetchone() or (None,))[0]
            sequences.append(value)
    try:
        stream_id = uuid.UUID(kept["stream_id"])
    except (KeyError, ValueError):
        damaged = DamagedFile(
            file=aside.name, stream_id="", reason=reason, occurred_us=time.time_ns() // 1000, after=0, to=0
        )
        return Heritage(
            predecessors=[], acknowledged=0, last_sequence=0, state=_state(kept.get("state")), damaged=[damaged]
        )
    counter, newest, oldest = sequences or (None, None, None)
    acknowledged = _number(kept.get("acknowledged"), (oldest or 1) - 1)
    last = max(counter or 0, newest or 0, acknowledged)
    damaged = DamagedFile(
        file=aside.name,
        stream_id=str(stream_id),
        reason=reason,
        occurred_us=time.time_ns() // 1000,
        after=acknowledged,
        to=last,
    )
    return Heritage(
        predecessors=[*predecessors_of(kept), stream_id],
        acknowledged=acknowledged,
        last_sequence=last if counter is not None else last + _UNKNOWN_NUMBERS,
        state=_state(kept.get("state")),
        damaged=[*_damaged(kept), damaged],
    )


def predecessors_of(kept: Mapping[str, str]) -> list[uuid.UUID]:
    """The streams before this one whose watermarks may still count."""
    try:
        return [uuid.UUID(stream) for stream in json.loads(kept.get("predecessors", "[]"))]
    except (ValueError, TypeError):
        return []


def _damaged(kept: Mapping[str, str]) -> list[DamagedFile]:
    try:
        return damaged_of_json(kept.get("damaged", "[]"))
    except (ValueError, TypeError, KeyError):
        return []


def _number(text: str | None, otherwise: int) -> int:
    try:
        return int(text or "")
    except ValueError:
        return otherwise


def _state(text: str | None) -> str:
    try:
        parsed: Any = json.loads(text or "")
    except ValueError:
        return "{}"
    return json.dumps(parsed) if isinstance(parsed, dict) else "{}"
