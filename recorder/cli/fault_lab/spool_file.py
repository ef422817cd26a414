"""A spool as it lies on disk, read beside the recorder's own reader: SQLite and JSON, as the format is documented."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptEntry:
    """One entry: its header as JSON bytes, its rows as COPY bytes."""

    header: bytes
    rows: bytes
    row_count: int
    is_idle: bool

    @property
    def content(self) -> Mapping[str, Any]:
        """The header."""
        found: Mapping[str, Any] = json.loads(self.header)
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptSpool:
    """A spool whose recorder is stopped.

    Attributes:
        kept: what stands beside the entries: stream, acknowledged sequence, state.
        entries: by sequence.
    """

    kept: Mapping[str, str]
    entries: Mapping[int, KeptEntry]

    @property
    def waiting(self) -> Mapping[int, KeptEntry]:
        """What is not known to be in the database."""
        acknowledged = int(self.kept["acknowledged"])
        return {sequence: entry for sequence, entry in self.entries.items() if sequence > acknowledged}


def read_spool(path: Path) -> KeptSpool:
    """Read the spool of a recorder that was stopped in order, so that all of it is in the one file."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        kept = dict(connection.execute("SELECT key, value FROM spool"))
        rows = connection.execute("SELECT sequence, header, rows, row_count, is_idle FROM entries").fetchall()
    return KeptSpool(
        kept=kept,
        entries={
            sequence: KeptEntry(header=header, rows=body, row_count=row_count, is_idle=bool(is_idle))
            for sequence, header, body, row_count, is_idle in rows
        },
    )
