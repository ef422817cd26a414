"""What can still be read of a damaged spool file, entry by entry, each held to its checksums."""

import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from recorder.spool.entry import Entry, EntryKind
from recorder.spool.file import DamagedFile, RawEntry
from recorder.spool.stored_entry import EncodedEntry, Standing

_STEP_S: Final = 0.03
_STEP_BYTES: Final = 2 * 1024 * 1024
"""What is read between two appends, at most."""
_MOST_RANGES: Final = 100
"""Ranges of sequences that are told apart; of more the nearest become one."""


class Rescue:
    """Reads one damaged file, a part at a time; a context manager.

    Args:
        folder: where it was set aside.
        damaged: how far an earlier attempt came.
        is_known: whether an entry is in the new file already.
    """

    def __init__(self, folder: Path, damaged: DamagedFile, is_known: Callable[[int], bool]) -> None:
        self._damaged = damaged
        self._is_known = is_known
        self._connection: sqlite3.Connection | None = None
        path = folder / damaged.file
        # a file that somebody moved away would be made anew, and empty
        if path.exists():
            with suppress(sqlite3.Error):
                self._connection = sqlite3.connect(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is not None:
            self._connection.close()

    def step(self) -> tuple[list[RawEntry], DamagedFile]:
        """Read the next entries.

        Returns:
            Those that are whole, and how far it has come; it has come to its end where `after` has reached `to`.
        """
        damaged = self._damaged
        found: list[RawEntry] = []
        lost, absent = list(damaged.lost), list(damaged.absent)
        size = 0
        sequence = damaged.after
        end_s = time.monotonic() + _STEP_S
        while sequence < damaged.to and size < _STEP_BYTES and time.monotonic() < end_s:
            sequence += 1
            try:
                read = self._read(sequence)
            except (sqlite3.Error, ValueError, TypeError, KeyError):
                if not self._is_known(sequence):
                    lost.append((sequence, sequence))
                continue
            if read is None:
                if not self._is_known(sequence):
                    absent.append((sequence, sequence))
                continue
            row, covered = read
            found.append(row)
            size += row[3]
            # one that is there already stands for itself alone, and this tombstone is not taken
            if covered is not None and not self._is_known(sequence):
                absent = list(_without(absent, covered))
        if sequence >= damaged.to:
            lost, absent = [*lost, *absent], []
        return found, replace(
            damaged,
            after=sequence,
            recovered=damaged.recovered + len(found),
            lost=_joined(lost),
            absent=_joined(absent),
        )

    def _read(self, sequence: int) -> tuple[RawEntry, tuple[int, int] | None] | None:
        """An entry, and the sequences for which it stands; None where there is none of this number.

        Raises:
            sqlite3.Error, ValueError, TypeError, KeyError: it is damaged.
        """
        if self._connection is None:
            raise ValueError("the file is gone")
        row = self._connection.execute(
            "SELECT header_checksum, rows_checksum, header, rows, row_count, bytes FROM entries WHERE sequence = ?",
            (sequence,),
        ).fetchone()
        if row is None:
            return None
        header_checksum, rows_checksum, header, rows, row_count, size_bytes = row
        if zlib.crc32(header) != header_checksum:
            raise ValueError("its header is damaged")
        try:
            entry = Entry.decode(header, rows)
        except (ValueError, TypeError, KeyError):
            # of a newer release, which may read it yet
            kept = (sequence, int(row_count), Standing.KEPT, int(size_bytes), header_checksum, int(rows_checksum))
            return (*kept, header, rows), None
        encoded = EncodedEntry.of(entry)
        # damaged rows stay beside their checksum: whoever reads them makes them a tombstone, and counts
        raw = (
            *(sequence, entry.row_count, encoded.standing, encoded.size_bytes, header_checksum, int(rows_checksum)),
            *(header, rows),
        )
        return raw, _covered(sequence, entry)


def _covered(sequence: int, entry: Entry) -> tuple[int, int] | None:
    if entry.kind is EntryKind.ACCOUNTING and "merged" in entry.header:
        return int(entry.header["merged"]["from_sequence"]), sequence
    if entry.header.get("event") == "events_dropped" and "from_sequence" in entry.header["detail"]:
        return int(entry.header["detail"]["from_sequence"]), sequence
    return None


def _without(ranges: Iterable[tuple[int, int]], covered: tuple[int, int]) -> Iterable[tuple[int, int]]:
    for first, last in ranges:
        if first < covered[0]:
            yield first, min(last, covered[0] - 1)
        if last > covered[1]:
            yield max(first, covered[1] + 1), last


def _joined(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours as one range; where there are too many, the nearest too."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and found[-1][1] + 1 >= first:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    while len(found) > _MOST_RANGES:
        gaps = [later[0] - earlier[1] for earlier, later in pairwise(found)]
        at = gaps.index(min(gaps))
        found[at : at + 2] = [(found[at][0], found[at + 1][1])]
    return found
