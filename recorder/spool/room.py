"""Room in a full spool: which entries are given up, and the tombstones that count them.

Idle points go first and the oldest first, then those of runs, then events of devices and clocks; starts and ends of
runs, steps and cycles never. Each tombstone takes in those before it, up to the end of a run, so that an outage of days
leaves a few of them. Only what was never handed to the database is merged: of the rest nobody knows how much it has.
"""

import sqlite3
import zlib
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Final

from recorder.spool.entry import Entry, EntryKind, SlotCount
from recorder.spool.slot_packing import joined
from recorder.spool.stored_entry import EncodedEntry, Standing, decoded, file_bytes

MOST_COUNTS: Final = 2_000
"""Counts of one tombstone, more than a day of one device at one interval; then another is begun."""
_SHED_SHARE: Final = 0.05
_MOST_SHED_BYTES: Final = 4 * 1024 * 1024
_MOST_SHED: Final = 500
"""Shed this share of the limit at once, so that a full spool does not shed at every append; but no more bytes and
entries, unless it must, since the next append waits for it."""
_MOST_PASSES: Final = 8
_POINTS: Final = (
    "SELECT sequence, bytes, row_count, header_checksum, header FROM entries "
    "WHERE is_idle = ? AND row_count > 0 ORDER BY sequence"
)
_ABOVE: Final = (
    "SELECT sequence, bytes, row_count, header_checksum, header FROM entries "
    "WHERE is_idle = ? AND sequence > ? ORDER BY sequence"
)
_MOST_TOMBSTONES: Final = 2_000
"""Tombstones that one pass takes in; there are more only where they could not be merged for long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shed:
    """What was given up: entries, and bytes that they held."""

    entries: int = 0
    bytes: int = 0

    def plus(self, other: "Shed") -> "Shed":
        """The sum."""
        return Shed(entries=self.entries + other.entries, bytes=self.bytes + other.bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    sequence: int
    size_bytes: int
    entry: Entry


class Room:
    """Keeps the pages in use below a limit; all of it within the caller's transaction.

    Args:
        limit_bytes: of the file, without its log.
        used_bytes: what is in use now, within the transaction.

    Attributes:
        limit_bytes: may be changed at any time.
    """

    def __init__(self, writer: sqlite3.Connection, *, limit_bytes: int, used_bytes: Callable[[], int]) -> None:
        self._writer = writer
        self.limit_bytes = limit_bytes
        self._used_bytes = used_bytes

    def is_short(self, needed_bytes: int) -> bool:
        """Whether so much more does not fit."""
        return self._used_bytes() + needed_bytes > self.limit_bytes

    def make(self, needed_bytes: int, merge_above: int | None) -> Shed:
        """Give up entries until so much more fits, or nothing is left to be given up.

        Args:
            needed_bytes: of the file.
            merge_above: sequence above which nothing was handed to the database; None where that is not known.
        """
        total = Shed()
        for _ in range(_MOST_PASSES):
            excess = self._used_bytes() + needed_bytes - self.limit_bytes
            if excess <= 0:
                break
            goal = excess + min(_MOST_SHED_BYTES, round(self.limit_bytes * _SHED_SHARE))
            shed = self._give_up_points(excess, goal, merge_above)
            if not shed.entries:
                shed = self._give_up_events(goal, merge_above)
            if not shed.entries:
                break
            total = total.plus(shed)
        return total

    def _give_up_points(self, least_bytes: int, goal_bytes: int, merge_above: int | None) -> Shed:
        alone: list[tuple[_Found, EncodedEntry]] = []
        merged: list[_Found] = []
        freed = entries = 0
        with closing(self._points()) as candidates:
            for found in candidates:
                if freed >= goal_bytes or (freed >= least_bytes and entries >= _MOST_SHED):
                    break
                tombstone = _tombstone(found)
                if merge_above is not None and found.sequence > merge_above and tombstone.kind is EntryKind.ACCOUNTING:
                    merged.append(replace(found, entry=tombstone))
                else:
                    encoded = EncodedEntry.of(tombstone)
                    if encoded.size_bytes >= found.size_bytes:
                        continue
                    alone.append((found, encoded))
                freed += file_bytes(found.size_bytes)
                entries += 1
        changed = sum(self._write(found.sequence, encoded, found.size_bytes) for found, encoded in alone)
        if merged and merge_above is not None:
            changed += self._merge(merged, merge_above)
        return Shed(entries=entries, bytes=changed)

    def _points(self) -> Generator[_Found, None, None]:
        """Entries with rows, in the order in which they are given up."""
        for standing in (Standing.IDLE, Standing.RUN):
            yield from self._entries(_POINTS, (standing,))

    def _entries(self, statement: str, arguments: tuple[int, ...]) -> Generator[_Found, None, None]:
        cursor = self._writer.execute(statement, arguments)
        with closing(cursor):
            for sequence, size, row_count, header_checksum, header in cursor:
                entry = decoded(sequence, header, b"", row_count=row_count, header_checksum=header_checksum)
                yield _Found(sequence=sequence, size_bytes=size, entry=entry)

    def _merge(self, victims: Sequence[_Found], merge_above: int) -> int:
        """Put tombstones together with those that are there, between the starts and ends of runs; the bytes freed."""
        borders = self._writer.execute(
            "SELECT sequence FROM entries WHERE is_idle = ? AND sequence > ? ORDER BY sequence",
            (Standing.RUN_EVENT, merge_above),
        ).fetchall()
        ends = [sequence for (sequence,) in borders]
        there = self._entries(_ABOVE, (Standing.TOMBSTONE, merge_above))
        groups: dict[int, list[_Found]] = {}
        touched = {bisect_left(ends, found.sequence) for found in victims}
        with closing(there) as tombstones:
            for _, found in zip(range(_MOST_TOMBSTONES), tombstones, strict=False):
                group = bisect_left(ends, found.sequence)
                if group in touched and found.entry.kind is EntryKind.ACCOUNTING:
                    groups.setdefault(group, []).append(found)
        before = {group: len(found) for group, found in groups.items()}
        for found in victims:
            groups.setdefault(bisect_left(ends, found.sequence), []).append(found)
        return sum(self._merge_group(members, before.get(group, 0)) for group, members in groups.items())

    def _merge_group(self, members: Sequence[_Found], old: int) -> int:
        together = _merged(members)
        if old and len(together.accounting) > MOST_COUNTS:
            self._writer.executemany(
                "UPDATE entries SET is_idle = ? WHERE sequence = ?",
                [(Standing.FULL_TOMBSTONE, found.sequence) for found in members[:old]],
            )
            members = members[old:]
            together = _merged(members)
        last = max(members, key=lambda found: found.sequence)
        others = [(found.sequence,) for found in members if found is not last]
        self._writer.executemany("DELETE FROM entries WHERE sequence = ?", others)
        freed = sum(found.size_bytes for found in members if found is not last)
        return freed + self._write(last.sequence, EncodedEntry.of(together), last.size_bytes)

    def _give_up_events(self, goal_bytes: int, merge_above: int | None) -> Shed:
        """Put the oldest events of devices and clocks into one that counts them."""
        if merge_above is None:
            return Shed()
        chosen: list[_Found] = []
        freed = 0
        with closing(self._entries(_ABOVE, (Standing.EVENT, merge_above))) as events:
            for found in events:
                if freed >= goal_bytes:
                    break
                chosen.append(found)
                freed += found.size_bytes
        if len(chosen) < 2:  # noqa: PLR2004  (one event alone becomes no smaller)
            return Shed()
        dropped = sum(dropped_events(found.entry) for found in chosen)
        last = chosen[-1]
        self._writer.executemany("DELETE FROM entries WHERE sequence = ?", [(found.sequence,) for found in chosen[:-1]])
        freed = sum(found.size_bytes for found in chosen[:-1])
        detail = {"events": dropped, "from_sequence": chosen[0].sequence, "to_sequence": last.sequence}
        account = Entry(
            kind=EntryKind.EVENT,
            header={
                "event": "events_dropped",
                "occurred_us": last.entry.header.get("occurred_us"),
                "lost_rows": sum(found.entry.header.get("lost_rows", 0) for found in chosen),
                "detail": detail,
            },
        )
        freed += self._write(last.sequence, EncodedEntry.of(account), last.size_bytes)
        return Shed(entries=len(chosen), bytes=max(0, freed))

    def _write(self, sequence: int, entry: EncodedEntry, size_before: int) -> int:
        """Put an entry without rows in the place of another; the bytes that this frees."""
        self._writer.execute(
            "UPDATE entries SET row_count = 0, is_idle = ?, bytes = ?, header_checksum = ?, rows_checksum = 0, "
            "header = ?, rows = x'' WHERE sequence = ?",
            (entry.standing, entry.size_bytes, zlib.crc32(entry.header), entry.header, sequence),
        )
        return size_before - entry.size_bytes


def _tombstone(found: _Found) -> Entry:
    """What is left of an entry with rows; of one that cannot be read that it is lost."""
    entry = found.entry
    if entry.kind is EntryKind.POINTS:
        return entry.tombstone("spool_full")
    if entry.kind is EntryKind.EVENT:
        return entry
    detail = {"sequence": found.sequence, "reason": entry.header.get("reason", ""), "rows": entry.row_count}
    return Entry(kind=EntryKind.EVENT, header={"event": "entry_lost", "lost_rows": entry.row_count, "detail": detail})


def dropped_events(entry: Entry) -> int:
    """How many events an entry stands for."""
    is_account = entry.header.get("event") == "events_dropped"
    return int(entry.header["detail"]["events"]) if is_account else 1


def summed(counts: Iterable[SlotCount]) -> tuple[SlotCount, ...]:
    """One count a key, whatever the order in which they come."""
    found: dict[tuple[Any, ...], list[SlotCount]] = {}
    for count in counts:
        found.setdefault(count.key, []).append(count)
    return tuple(_sum(same) for same in found.values())


def _sum(same: Sequence[SlotCount]) -> SlotCount:
    if len(same) == 1:
        return same[0]
    is_known = all(count.slots_at for count in same)
    return replace(
        same[0],
        slots=sum(count.slots for count in same),
        rows=sum(count.rows for count in same),
        slots_at=tuple(joined(slots for count in same for slots in count.slots_at)) if is_known else (),
    )


def _merged(members: Sequence[_Found]) -> Entry:
    """One tombstone for all; it says which sequences it covers, and how many entries."""
    headers = [found.entry.header for found in members]
    parts = [header.get("merged", {}) for header in headers]
    first = min(part.get("from_sequence", found.sequence) for part, found in zip(parts, members, strict=True))
    return Entry(
        kind=EntryKind.ACCOUNTING,
        header={
            "shed": "spool_full",
            "lost_rows": sum(header.get("lost_rows", 0) for header in headers),
            "merged": {
                "from_sequence": first,
                "to_sequence": max(found.sequence for found in members),
                "entries": sum(part.get("entries", 1) for part in parts),
            },
        },
        accounting=summed(count for found in members for count in found.entry.accounting),
    )
