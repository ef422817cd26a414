"""An entry as the spool keeps it: encoded once, with its checksums and its place in the stream."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from recorder.spool.entry import Entry, EntryKind

_OVERHEAD_BYTES: Final = 64
"""What SQLite needs around an entry, roughly."""
PAGE_BYTES: Final = 4096
_MOST_LOCAL_BYTES: Final = PAGE_BYTES - 35
_LEAST_LOCAL_BYTES: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
"""A larger row keeps between these two in its page and the rest in overflow pages (SQLite file format, section 1.6)."""
_RUN_EVENTS: Final = frozenset({"run_started", "run_ended"})


class Standing(IntEnum):
    """When an entry is given up, and what it may be merged with; the file's column `is_idle`.

    An older release knows the first two, and looks for no others.
    """

    RUN = 0
    """Points of a run; of an older release events too."""
    IDLE = 1
    TOMBSTONE = 2
    """What is left of points that were shed; it may take in more."""
    FULL_TOMBSTONE = 3
    """A tombstone that has as many counts as one may have."""
    RUN_EVENT = 4
    """Start or end of a run: no count of a run may move past its end, where it is audited."""
    EVENT = 5
    """What may be given up when no points are left to be."""
    KEPT = 6
    """Steps, cycles and other counts: never given up, and passed over by what is merged."""


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
    standing: Standing

    @property
    def size_bytes(self) -> int:
        """What it holds, without what the file needs for its pages."""
        return len(self.header) + len(self.rows) + _OVERHEAD_BYTES

    @property
    def file_bytes(self) -> int:
        """What it takes of the file, near enough."""
        return file_bytes(self.size_bytes)

    @classmethod
    def of(cls, entry: Entry) -> Self:
        """Encode an entry."""
        return cls(
            header=entry.encode_header(), rows=entry.rows, row_count=entry.row_count, standing=standing_of(entry)
        )


def standing_of(entry: Entry) -> Standing:
    """Where an entry stands among those that may be given up."""
    match entry.kind:
        case EntryKind.POINTS:
            return Standing.IDLE if entry.is_idle else Standing.RUN
        case EntryKind.ACCOUNTING:
            return Standing.TOMBSTONE if "shed" in entry.header else Standing.KEPT
        case EntryKind.PROCESS:
            return Standing.RUN_EVENT if entry.header.get("event") in _RUN_EVENTS else Standing.KEPT
        case EntryKind.EVENT | EntryKind.UNKNOWN:
            return Standing.EVENT


def file_bytes(size_bytes: int) -> int:
    """What a row of so many bytes takes of the file."""
    if size_bytes <= _MOST_LOCAL_BYTES:
        return size_bytes
    usable = PAGE_BYTES - 4
    local = _LEAST_LOCAL_BYTES + (size_bytes - _LEAST_LOCAL_BYTES) % usable
    if local > _MOST_LOCAL_BYTES:
        local = _LEAST_LOCAL_BYTES
    return local + -(-(size_bytes - local) // usable) * PAGE_BYTES


def bytes_in_file(entries: Sequence[EncodedEntry]) -> int:
    """What entries will take of the file: their pages and what the tree above them and the index need."""
    return sum(entry.file_bytes + 64 for entry in entries) + 2 * PAGE_BYTES if entries else 0


def decoded(sequence: int, header: bytes, rows: bytes, *, row_count: int, header_checksum: int) -> Entry:
    """Decode an entry; a damaged one becomes the account of its own loss, one of another release stays as it is."""
    reason = "its header is damaged"
    if zlib.crc32(header) == header_checksum:
        try:
            return Entry.decode(header, rows)
        except (ValueError, KeyError, TypeError) as error:
            kept = {"reason": str(error), "spooled": header.hex()}
            return Entry(kind=EntryKind.UNKNOWN, header=kept, rows=rows, row_count=row_count)
    detail = {"sequence": sequence, "reason": reason, "rows": row_count}
    return Entry(kind=EntryKind.EVENT, header={"event": "entry_lost", "lost_rows": row_count, "detail": detail})
