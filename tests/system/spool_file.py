"""What is in a recorder's spool file, read from a copy so that the recorder's own is left as it is."""

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from recorder.spool.entry import Entry

_PG_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01, from which PostgreSQL counts, in microseconds since 1970."""


class PointKey(NamedTuple):
    """What may be stored once only."""

    parameter_id: int
    timestamp_us: int
    process_id: int


@dataclass(frozen=True, kw_only=True)
class SpoolContent:
    """A spool as it lies on disk.

    Attributes:
        entries: by sequence, acknowledged ones that were not forgotten yet among them.
    """

    stream_id: str
    acknowledged: int
    last_sequence: int
    entries: dict[int, Entry]

    @property
    def waiting(self) -> dict[int, Entry]:
        """What is not known to be in the database."""
        return {sequence: entry for sequence, entry in self.entries.items() if sequence > self.acknowledged}

    def points_after(self, sequence: int) -> set[PointKey]:
        """The points of the entries above a sequence."""
        return {key for number, entry in self.entries.items() if number > sequence for key in _points(entry)}


def read_spool(path: Path) -> SpoolContent:
    """Read a spool that no daemon holds, one that was killed with -9 included."""
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("", "-wal"):
            part = Path(f"{path}{suffix}")
            if part.exists():
                shutil.copy(part, Path(folder) / part.name)
        with closing(sqlite3.connect(Path(folder) / path.name)) as connection:
            kept = dict(connection.execute("SELECT key, value FROM spool"))
            rows = connection.execute("SELECT sequence, header, rows FROM entries ORDER BY sequence").fetchall()
            newest = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return SpoolContent(
        stream_id=kept["stream_id"],
        acknowledged=int(kept["acknowledged"]),
        last_sequence=newest[0] if newest else 0,
        entries={sequence: Entry.decode(header, body) for sequence, header, body in rows},
    )


def _points(entry: Entry) -> Iterator[PointKey]:
    """Take the rows of an entry apart: PostgreSQL's binary COPY format, six fields a row."""
    body, at = entry.rows, 0
    while at < len(body):
        (fields,) = struct.unpack_from(">h", body, at)
        at += 2
        found: list[bytes] = []
        for _ in range(fields):
            (length,) = struct.unpack_from(">i", body, at)
            at += 4
            found.append(body[at : at + max(0, length)])
            at += max(0, length)
        timestamp, process, _, _, parameter, _ = found
        yield PointKey(
            parameter_id=int.from_bytes(parameter, signed=True),
            timestamp_us=int.from_bytes(timestamp, signed=True) + _PG_EPOCH_US,
            process_id=int.from_bytes(process, signed=True),
        )
