"""The durable queue between acquisition and database, as the event loop sees it.

Appends are grouped: whatever waits when the disk is free goes into one fsynced transaction, in order. Writing and
reading have a thread each, so a large backlog being read never delays an append. The newest durable entries are kept in
memory too, so that a writer that keeps up never reads the file.
"""

import asyncio
import json
import sqlite3
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from recorder.entry import Entry, EntryKind, SlotCount
from recorder.errors import SpoolError
from recorder.spool_store import EncodedEntry, SpoolDepth, SpooledEntry, SpoolStore

MOST_KEPT: Final = 10_000
"""Events and steps that are kept in memory while the disk refuses; beyond it the oldest go, and are counted."""

MOST_RECENT_ROWS: Final = 20_000
"""Rows of the newest durable entries that stay in memory for the writer: about 1.5 MB."""
_MOST_RECENT_ENTRIES: Final = 5_000

_ALWAYS_KEPT: Final = frozenset({"run_started", "run_ended"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    entries: Sequence[Entry]
    encoded: Sequence[EncodedEntry]
    state: str | None
    future: "asyncio.Future[int]"


class Spool:
    """A durable bounded FIFO; an async context manager.

    Args:
        path: the file; its folder is made.
        max_bytes: largest size of what waits; beyond it entries are shed, idle and oldest first.
        on_failure: told in one line when appends begin to fail, or fail for another reason; called in the event loop.
    """

    def __init__(self, path: Path, *, max_bytes: int, on_failure: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []
        self._is_writing = False
        self._acknowledged = 0
        self._unspooled: list[Entry] = []
        self._unspooled_state: str | None = None
        self._reported: str | None = None
        self._arrived = asyncio.Event()
        self._recent: deque[tuple[int, EncodedEntry]] = deque()
        self._recent_rows = 0
        self._shed_entries = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._write_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-append")
        self._read_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-peek")
        self._store = await self._loop.run_in_executor(
            self._write_thread, lambda: SpoolStore(self._path, max_bytes=self._max_bytes)
        )
        self._acknowledged = self._store.acknowledged
        self.last_sequence = self._store.last_sequence
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        # a reading that nobody waits for any more may still be under way
        await self._loop.run_in_executor(self._read_thread, self._store.close_reader)
        line = await self._loop.run_in_executor(self._write_thread, self._close)
        self._write_thread.shutdown(wait=False)
        self._read_thread.shutdown(wait=False)
        if line is not None:
            self._report(line)

    def _close(self) -> str | None:
        """Write what is still kept in memory and forget what is acknowledged; says what failed."""
        kept = self._unspooled
        try:
            encoded = [EncodedEntry.of(entry) for entry in kept]
            self._store.append(encoded, state=self._unspooled_state, acknowledge=self._acknowledged)
        except (sqlite3.Error, OSError) as error:
            # what is acknowledged is only forgotten later: the database knows the watermark
            return f"{self._path}: {error}; {len(kept)} entries that were kept in memory are lost"
        finally:
            self._store.close()
        return None

    @property
    def stream_id(self) -> uuid.UUID:
        """Identity of the stream of entries in this file."""
        return self._store.stream_id

    @property
    def acknowledged(self) -> int:
        """Every entry up to this sequence is in the database."""
        return self._acknowledged

    @property
    def state(self) -> dict[str, Any]:
        """What was kept with the last entries; survives a crash together with them."""
        return self._store.state

    @property
    def set_aside(self) -> Path | None:
        """Where a damaged file was put when this one was opened; None where all was well."""
        return self._store.set_aside

    @property
    def shed_entries(self) -> int:
        """Entries shed since the start because the spool was full."""
        return self._store.shed_entries

    @property
    def depth(self) -> SpoolDepth:
        """What waits on disk and is not acknowledged."""
        depth = self._store.depth
        return SpoolDepth(entries=max(0, self.last_sequence - self._acknowledged), bytes=depth.bytes)

    def append(self, entries: Sequence[Entry], *, state: dict[str, Any] | None = None) -> "asyncio.Future[int]":
        """Make entries durable, in the order of the calls.

        Args:
            entries: go into one transaction.
            state: kept together with them, replacing what was kept before.

        Returns:
            A future of the sequence of the last of these entries. It fails with `SpoolError` where the disk refused;
            points are then counted as shed for the cause ``spool_write``, and other entries are kept in memory and
            written with the next append.
        """
        # encoded here, so that what cannot be is the caller's error and not the append thread's
        pending = _Pending(
            entries=entries,
            encoded=[EncodedEntry.of(entry) for entry in entries],
            state=None if state is None else json.dumps(state),
            future=self._loop.create_future(),
        )
        with self._lock:
            self._pending.append(pending)
            start = not self._is_writing
            self._is_writing = True
        if start:
            self._write_thread.submit(self._drain)
        return pending.future

    def _drain(self) -> None:
        """Write until nothing waits; runs in the append thread."""
        while True:
            with self._lock:
                batch, self._pending = self._pending, []
                if not batch:
                    self._is_writing = False
                    return
            kept, self._unspooled = self._unspooled, []
            entries = [*kept, *(entry for pending in batch for entry in pending.entries)]
            states = [pending.state for pending in batch if pending.state is not None]
            state = states[-1] if states else self._unspooled_state
            failure: SpoolError | None = None
            sequences: list[int] = []
            try:
                encoded = [EncodedEntry.of(entry) for entry in kept]
                encoded += [entry for pending in batch for entry in pending.encoded]
                sequences = self._store.append(encoded, state=state, acknowledge=self._acknowledged)
                self._unspooled_state = None
            except Exception as error:  # noqa: BLE001  (whatever it is, appending must go on, and be told)
                self._unspooled = _without_rows(entries)
                self._unspooled_state = state
                failure = SpoolError(
                    f"{self._path}: {error}; free space or check the disk, rows are being lost and counted"
                )
            shed = self._store.shed_entries
            self._loop.call_soon_threadsafe(self._complete, batch, len(kept), sequences, shed, failure)

    def _complete(
        self, batch: list[_Pending], kept: int, sequences: list[int], shed: int, failure: SpoolError | None
    ) -> None:
        if sequences:
            self._remember(batch, sequences[kept:], shed)
            self.last_sequence = sequences[-1]
            self._arrived.set()
        position = kept
        for pending in batch:
            position += len(pending.entries)
            if pending.future.cancelled():
                continue
            if failure is None:
                pending.future.set_result(sequences[position - 1] if position else self.last_sequence)
            else:
                pending.future.set_exception(failure)
        if failure is None:
            self._reported = None
        elif self._reported != str(failure):
            self._reported = str(failure)
            self._report(str(failure))

    def _remember(self, batch: Sequence[_Pending], sequences: Sequence[int], shed: int) -> None:
        """Keep the newest durable entries, without a hole; `shed` is what `SpoolStore` had shed up to this append."""
        # what was written before them without being here, or was shed since, is known to the file alone
        follows = not self._recent or sequences[:1] == [self._recent[-1][0] + 1]
        if not follows or self._shed_entries != shed:
            self._recent.clear()
            self._recent_rows = 0
        self._shed_entries = shed
        encoded = (entry for pending in batch for entry in pending.encoded)
        for sequence, entry in zip(sequences, encoded, strict=True):
            self._recent.append((sequence, entry))
            self._recent_rows += entry.row_count
        while self._recent_rows > MOST_RECENT_ROWS or len(self._recent) > _MOST_RECENT_ENTRIES:
            self._recent_rows -= self._recent.popleft()[1].row_count

    def _report(self, line: str) -> None:
        if self._on_failure is not None:
            self._on_failure(line)

    async def wait_beyond(self, sequence: int) -> None:
        """Return as soon as an entry above this sequence is durable."""
        while self.last_sequence <= sequence:
            self._arrived.clear()
            await self._arrived.wait()

    async def peek(self, *, after: int, max_rows: int) -> list[SpooledEntry]:
        """Read entries in order without removing them; see `SpoolStore.peek`.

        Raises:
            SpoolError: the file could not be read.
        """
        if self._recent and self._recent[0][0] <= after + 1:
            return self._peek_recent(after, max_rows)
        try:
            return await self._loop.run_in_executor(
                self._read_thread, lambda: self._store.peek(after=after, max_rows=max_rows)
            )
        except sqlite3.Error as error:
            raise SpoolError(f"{self._path}: cannot be read: {error}") from error

    def _peek_recent(self, after: int, max_rows: int) -> list[SpooledEntry]:
        """Read from memory, decoding the same bytes as the file holds."""
        found: list[SpooledEntry] = []
        rows = 0
        for sequence, encoded in self._recent:
            if sequence <= after:
                continue
            rows += encoded.row_count
            if found and rows > max_rows:
                break
            found.append(SpooledEntry(sequence=sequence, entry=Entry.decode(encoded.header, encoded.rows)))
        return found

    def acknowledge(self, sequence: int) -> None:
        """Entries up to this sequence are in the database; they leave the file with the next append."""
        self._acknowledged = max(self._acknowledged, sequence)
        while self._recent and self._recent[0][0] <= sequence:
            self._recent_rows -= self._recent.popleft()[1].row_count


def _without_rows(entries: Iterable[Entry]) -> list[Entry]:
    """What must still be told of entries that could not be written: points only as one count of their loss."""
    kept: list[Entry] = []
    lost: dict[tuple[object, ...], SlotCount] = {}
    for entry in entries:
        if entry.kind not in {EntryKind.POINTS, EntryKind.ACCOUNTING}:
            kept.append(entry)
            continue
        tombstone = entry.tombstone("spool_write") if entry.kind is EntryKind.POINTS else entry
        for count in tombstone.accounting:
            before = lost.get(count.key)
            lost[count.key] = count if before is None else before.plus(count)
    kept = _bounded(kept)
    if lost:
        kept.append(Entry(kind=EntryKind.ACCOUNTING, header={"shed": "spool_write"}, accounting=tuple(lost.values())))
    return kept


def _bounded(kept: list[Entry]) -> list[Entry]:
    """Drop the oldest events and steps beyond the limit, and count them in one event; runs are always kept."""
    droppable = [entry for entry in kept if entry.header.get("event") not in _ALWAYS_KEPT]
    excess = len(droppable) - MOST_KEPT
    if excess <= 0:
        return kept
    dropped = {id(entry) for entry in droppable[: excess + 1]}
    count = sum(
        entry.header["detail"]["events"] if entry.header.get("event") == "events_dropped" else 1
        for entry in droppable[: excess + 1]
    )
    account = Entry(kind=EntryKind.EVENT, header={"event": "events_dropped", "detail": {"events": count}})
    return [account, *(entry for entry in kept if id(entry) not in dropped)]
