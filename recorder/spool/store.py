"""The spool's file as a durable, bounded FIFO. Synchronous; `recorder.spool.spool` drives it.

Sequences have no holes but those that a tombstone covers: what is shed leaves its tombstone, and neighbours are merged.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from recorder.spool.file import (
    FILE_FORMAT,
    DamagedFile,
    Heritage,
    RawEntry,
    aside_of,
    connect,
    damaged_as_json,
    damaged_of_json,
    insert_raw,
    keep,
    name_run_events,
    open_file,
    predecessors_of,
    raw,
    replace_file,
)
from recorder.spool.log import WriteAheadLog
from recorder.spool.reader import SpoolReader
from recorder.spool.room import Room, Shed
from recorder.spool.stored_entry import PAGE_BYTES, EncodedEntry, SpoolDepth, SpooledEntry, bytes_in_file
from recorder.spool.tail import FORGOTTEN, Tail

__all__ = ["FILE_FORMAT", "EncodedEntry", "SpoolDepth", "SpoolStore", "SpooledEntry"]

_FAR_BYTES: Final = 4 * 1024 * 1024
"""With so much room left nothing has to be shed, and the pages in use need not be asked for, which takes 0.05 ms."""
_UNCLAIMED: Final = "unclaimed_from"


class SpoolStore:
    """One spool file, opened by one process.

    Attributes:
        stream_id: identity of this file's stream of entries.
        predecessors: streams before it whose watermarks may say what of its entries the database has.
        acknowledged: every entry up to this sequence is in the database.
        last_sequence: the newest entry.
        shed_entries: entries shed since the file was opened.
        set_aside: where a damaged file was put when this one was opened; None where all was well.
        damaged: files that were set aside and are still to be taken over, the oldest first.
        unclaimed_from: the last sequence as the file was opened, by the first process that has opened it since the
            stream was claimed; nothing above it can be in the database. None once the claim of this process is kept.
        unhanded: sequence above which nothing was ever handed to the database, as the last start of this file left it;
            None where it did not say.
    """

    def __init__(self, path: Path, *, max_bytes: int, keep_bytes: int = 0) -> None:
        """Open or make the file; one that is damaged is set aside beside it and a new one begun.

        Args:
            path: of the file.
            max_bytes: of the file with its log.
            keep_bytes: what of the acknowledged entries is kept, as long as there is room; at most a quarter of it all.

        Raises:
            SpoolError: the folder cannot be written.
        """
        self.path = path
        self.max_bytes = max_bytes
        self.shed_entries = 0
        self._log = WriteAheadLog(max_bytes)
        self._most_used_bytes = max(0, max_bytes - self._log.max_bytes)
        self._keep_bytes = min(keep_bytes, self._most_used_bytes // 4)
        self._writer, kept, self.set_aside = open_file(path)
        try:
            self._reader = SpoolReader(connect(path))
            self._begin(kept)
        except BaseException:
            self._writer.close()
            raise

    def _begin(self, kept: dict[str, str]) -> None:
        self.stream_id = uuid.UUID(kept["stream_id"])
        self.acknowledged = int(kept["acknowledged"])
        self.predecessors: Sequence[uuid.UUID] = predecessors_of(kept)
        self.damaged: list[DamagedFile] = damaged_of_json(kept.get("damaged", "[]"))
        self._state = kept["state"]
        self._log.bound(self._writer)
        newest, entries, size = self._writer.execute(
            "SELECT max(sequence), count(*), coalesce(sum(bytes), 0) FROM entries"
        ).fetchone()
        self.last_sequence: int = max(newest or 0, self._sequence_before(), self.acknowledged)
        self._tail = Tail.of(
            self._writer, forgotten=int(kept.get(FORGOTTEN, self.acknowledged)), acknowledged=self.acknowledged
        )
        if self._keep_bytes:
            with self._writer:
                self._tail.say(self._writer)
        self._entries: int = entries - self._tail.entries
        self._bytes: int = size - self._tail.bytes
        unhanded, marked_at = json.loads(kept.get("unhanded", "[null, null]"))
        # an older release that wrote since has handed out what it liked
        self.unhanded: int | None = unhanded if marked_at == self.last_sequence else None
        self.unclaimed_from: int | None = self._unclaimed_from(kept)
        name_run_events(self._writer)
        self._known_bytes = self.used_bytes
        self._room = Room(self._writer, limit_bytes=self._most_used_bytes, used_bytes=lambda: self.used_bytes)

    def _unclaimed_from(self, kept: dict[str, str]) -> int:
        since, marked_at = json.loads(kept.get(_UNCLAIMED, "[null, null]"))
        if since is not None and marked_at == self.last_sequence and since >= self.acknowledged:
            return int(since)
        # claimed by the one before, or an older release was here since, which claims without a word in the file
        with suppress(sqlite3.OperationalError), self._writer:  # a full disk: then the next append keeps it
            keep(self._writer, {_UNCLAIMED: json.dumps([self.last_sequence, self.last_sequence])})
        return self.last_sequence

    def _sequence_before(self) -> int:
        row = self._writer.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        return int(row[0]) if row else 0

    @property
    def state(self) -> dict[str, Any]:
        """What the recorder asked to keep with its last entries."""
        state: dict[str, Any] = json.loads(self._state)
        return state

    @property
    def depth(self) -> SpoolDepth:
        """What waits: rows of the file, and what they hold."""
        return SpoolDepth(entries=self._entries, bytes=self._bytes)

    @property
    def kept_bytes(self) -> int:
        """What is kept of what the database has; it goes where there is need of room."""
        return self._tail.bytes

    @property
    def used_bytes(self) -> int:
        """Pages in use, within the present transaction where there is one; call it where `append` runs."""
        [pages] = self._writer.execute("PRAGMA page_count").fetchone()
        [free] = self._writer.execute("PRAGMA freelist_count").fetchone()
        used = int(pages - free) * PAGE_BYTES
        if not self._writer.in_transaction:
            self._known_bytes = used
        return used

    def _is_far_from_full(self, needed_bytes: int) -> bool:
        """Whether there is room for so much more, by what was last known, and has come since."""
        return self._known_bytes + needed_bytes + _FAR_BYTES < self.limit_bytes

    @property
    def limit_bytes(self) -> int:
        """What may be in use, the log left out; less than the configured size while the disk has no more room."""
        return self._room.limit_bytes

    def stay_within(self, more_bytes: int) -> None:
        """The disk is full: the file makes do with the pages that it has, and so much more.

        Call it where `append` runs. What is in the log alone is brought into the file, as far as there is room, so that
        the log can be written over.
        """
        [pages] = self._writer.execute("PRAGMA page_count").fetchone()
        self._room.limit_bytes = min(self._most_used_bytes, pages * PAGE_BYTES + more_bytes)
        self._log.stay_within(more_bytes)
        self.bring_in_log()

    def may_grow(self) -> None:
        """The disk has room again."""
        self._room.limit_bytes = self._most_used_bytes
        self._log.may_grow()

    @property
    def most_bytes(self) -> int:
        """What one transaction should hold at most, so that the log keeps its share."""
        return self._log.most_bytes

    def is_short(self, entries: Sequence[EncodedEntry]) -> bool:
        """Whether something must be shed for these."""
        needed_bytes = bytes_in_file(entries)
        return not self._is_far_from_full(needed_bytes) and self._room.is_short(needed_bytes)

    def append(
        self,
        entries: Sequence[EncodedEntry],
        *,
        state: str | None,
        acknowledge: int,
        merge_above: int | None = None,
        unhanded: int | None = None,
    ) -> list[int]:
        """Make entries durable in one transaction, and forget what is acknowledged in the same one.

        Args:
            entries: in order.
            state: JSON that replaces the kept state, together with the entries or not at all.
            acknowledge: forget entries up to this sequence.
            merge_above: tombstones are merged above it, where nothing was handed to the database; None: not known.
            unhanded: the same, to be kept for the next start; the caller takes it back with `hand_out` before it reads
                on.

        Returns:
            Their sequences.

        Raises:
            sqlite3.Error: nothing was changed.
        """
        needed_bytes = bytes_in_file(entries)
        may_be_short = bool(entries) and not self._is_far_from_full(needed_bytes)
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            tail, removed_entries, removed_bytes = self._acknowledge(acknowledge)
            if may_be_short and tail.entries and self._room.is_short(needed_bytes):
                tail = tail.none(self._writer, max(acknowledge, self.acknowledged))
                tail.say(self._writer)
            shed = self._room.make(needed_bytes, merge_above) if may_be_short else Shed()
            sequences = [self._insert(entry) for entry in entries]
            if may_be_short:
                # a batch that is larger than the limit, or takes more pages than was thought
                shed = shed.plus(self._room.make(0, merge_above))
            self._keep(state, unhanded, sequences[-1] if sequences else self.last_sequence)
            if shed.entries:
                [rows] = self._writer.execute("SELECT count(*) FROM entries").fetchone()
                rows -= tail.entries
            else:
                rows = self._entries + len(entries) - removed_entries
        self._tail, self._entries = tail, rows
        added = sum(entry.size_bytes for entry in entries)
        self._bytes += added - removed_bytes - shed.bytes
        self.shed_entries += shed.entries
        self.acknowledged = max(self.acknowledged, acknowledge)
        self._known_bytes += needed_bytes
        self._log.wrote(added)
        if state is not None:
            self._state = state
        if sequences:
            self.last_sequence = sequences[-1]
        return sequences

    def _keep(self, state: str | None, unhanded: int | None, last_sequence: int) -> None:
        if state is not None:
            self._writer.execute("UPDATE spool SET value = ? WHERE key = 'state'", (state,))
        if unhanded is not None:
            keep(self._writer, {"unhanded": json.dumps([unhanded, last_sequence])})
        if self.unclaimed_from is not None:
            keep(self._writer, {_UNCLAIMED: json.dumps([self.unclaimed_from, last_sequence])})

    def _insert(self, entry: EncodedEntry) -> int:
        cursor = self._writer.execute(
            "INSERT INTO entries (row_count, is_idle, bytes, header_checksum, rows_checksum, header, rows) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            raw(0, entry)[1:],
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _acknowledge(self, sequence: int) -> tuple[Tail, int, int]:
        if sequence <= self.acknowledged:
            return self._tail, 0, 0
        return self._tail.after(
            self._writer, before=self.acknowledged, acknowledged=sequence, most_bytes=self._keep_bytes
        )

    def take_back(self, sequence: int) -> int:
        """Let everything above this sequence wait again, as far as the file still has it; call it where `append` runs.

        Returns:
            The sequence above which it has everything.
        """
        sequence = max(sequence, self._tail.forgotten)
        if sequence < self.acknowledged:
            with self._writer:
                self._writer.execute("UPDATE spool SET value = ? WHERE key = 'acknowledged'", (str(sequence),))
            before = self._tail
            self.acknowledged = sequence
            self._tail = Tail.of(self._writer, forgotten=before.forgotten, acknowledged=sequence)
            self._entries += before.entries - self._tail.entries
            self._bytes += before.bytes - self._tail.bytes
        return self.acknowledged

    def hand_out(self) -> None:
        """From now on anything may be handed to the database; durable when this returns."""
        with self._writer:
            self._writer.execute("DELETE FROM spool WHERE key = 'unhanded'")
        self.unhanded = None

    def keep_claim(self) -> None:
        """What comes from now on may be in the database under its number; durable when this returns."""
        with self._writer:
            self._writer.execute("DELETE FROM spool WHERE key = ?", (_UNCLAIMED,))
        self.unclaimed_from = None

    def follow(self, stream_id: uuid.UUID) -> None:
        """Go on as another stream, of which the database knows where it begins; durable when this returns."""
        with self._writer:
            keep(self._writer, {"stream_id": str(stream_id), "predecessors": "[]"})
        self.stream_id, self.predecessors = stream_id, []

    def forget_predecessors(self, streams: Iterable[uuid.UUID]) -> None:
        """The watermark of this stream counts from now on, and those of these streams no more."""
        gone = set(streams)
        left = [stream for stream in self.predecessors if stream not in gone]
        with self._writer:
            keep(self._writer, {"predecessors": json.dumps([str(stream) for stream in left])})
        self.predecessors = left

    def take_over(self, entries: Sequence[RawEntry], progress: Sequence[DamagedFile]) -> None:
        """Write entries of a damaged file under their old numbers, and how far that has come, in one transaction."""
        wanted = [entry for entry in entries if entry[0] > self.acknowledged]
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            needed_bytes = sum(entry[3] for entry in wanted)
            tail = self._tail
            if tail.entries and self._room.is_short(needed_bytes):
                tail = tail.none(self._writer, self.acknowledged)
                tail.say(self._writer)
            shed = self._room.make(needed_bytes, None)
            insert_raw(self._writer, wanted)
            shed = shed.plus(self._room.make(0, None))
            keep(self._writer, {"damaged": damaged_as_json(progress)})
        self.shed_entries += shed.entries
        self._known_bytes = self.used_bytes
        entries_now, bytes_now = self._writer.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM entries"
        ).fetchone()
        self._tail, self._entries, self._bytes = tail, entries_now - tail.entries, bytes_now - tail.bytes
        self.damaged = list(progress)

    def has(self, sequence: int) -> bool:
        """Whether the file has an entry of this number; call it where `append` runs."""
        found = self._writer.execute("SELECT 1 FROM entries WHERE sequence = ?", (sequence,)).fetchone()
        return found is not None

    def checkpoint_if_due(self) -> None:
        """Bring the log into the file when it has grown, where no append waits for it; what fails is tried again."""
        self._log.bring_in_if_due(self._writer)

    def bring_in_log(self) -> None:
        """Bring the log into the file, as far as the disk and who reads allow."""
        self._log.bring_in(self._writer)

    def peek(self, *, after: int, max_rows: int, max_entries: int = 5000) -> list[SpooledEntry]:
        """Read entries in order, see `SpoolReader.peek`; may run in another thread than `append`."""
        return self._reader.peek(after=after, max_rows=max_rows, max_entries=max_entries)

    def begin_anew(self, reason: str, *, acknowledged: int, known: Sequence[RawEntry]) -> "SpoolStore":
        """Close this file, which is damaged, put it aside and follow on with a new one under its name.

        Args:
            reason: what SQLite said.
            acknowledged: as the recorder knows it now.
            known: entries that are in memory, so that they are not lost whatever the file has become.
        """
        self.close()
        aside = aside_of(self.path)
        acknowledged = max(self.acknowledged, acknowledged)
        damaged = DamagedFile(
            file=aside.name,
            stream_id=str(self.stream_id),
            reason=reason,
            occurred_us=time.time_ns() // 1000,
            after=acknowledged,
            to=self.last_sequence,
        )
        heritage = Heritage(
            predecessors=[*self.predecessors, self.stream_id],
            acknowledged=acknowledged,
            last_sequence=self.last_sequence,
            state=self._state,
            damaged=[*(replace(item, after=max(item.after, acknowledged)) for item in self.damaged), damaged],
            entries=[entry for entry in known if entry[0] > acknowledged],
        )
        replace_file(self.path, aside, heritage)
        store = SpoolStore(self.path, max_bytes=self.max_bytes, keep_bytes=self._keep_bytes)
        store.shed_entries = self.shed_entries
        store.set_aside = aside
        if self.unclaimed_from is not None:
            store.unclaimed_from = self.unclaimed_from  # kept with the next append
        return store

    def close(self) -> None:
        """Close the file; entries stay."""
        self._reader.close()
        self._writer.close()
