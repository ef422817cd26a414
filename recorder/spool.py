"""The durable queue between acquisition and database, as the event loop sees it.

Appends are grouped: whatever waits when the disk is free goes into one fsynced transaction, in order. Writing and
reading have a thread each, so a large backlog being read never delays an append. The newest durable entries are kept in
memory too, so that a writer that keeps up never reads the file.
"""

import asyncio
import json
import sqlite3
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from recorder.entry import Entry, EntryKind
from recorder.errors import SpoolError
from recorder.spool_entry import EncodedEntry, SpoolDepth, SpooledEntry
from recorder.spool_file import DamagedError, DamagedFile, is_damage
from recorder.spool_handing import Handing
from recorder.spool_kept import KeptEntries
from recorder.spool_rate import SpoolRates
from recorder.spool_recent import RecentEntries
from recorder.spool_rescue import Rescue
from recorder.spool_store import SpoolStore, raw

_RETRY_S: Final = 1.0
"""Until a rescue that the disk refused is tried again."""
_REPLACE_S: Final = 10.0
"""A file is not set aside sooner than this after the one before: a disk that dies would fill up with them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pending:
    entries: Sequence[Entry]
    encoded: Sequence[EncodedEntry]
    size_bytes: int
    since_s: float
    state: str | None
    future: "asyncio.Future[int]"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """What one transaction came to."""

    batch: Sequence[_Pending]
    kept: int
    sequences: Sequence[int]
    sheds: int
    failure: SpoolError | None
    used_bytes: int


class Spool:
    """A durable bounded FIFO; an async context manager.

    Args:
        path: the file; its folder is made.
        max_bytes: largest size of the file with its log; beyond it entries are shed, idle and oldest first.
        group_ms: 0 makes each append durable as soon as the disk allows; otherwise appends wait this long for others,
            to be synced together, and their futures wait with them.
        on_failure: told in one line when appends begin to fail, or fail for another reason, and when a file is set
            aside; called in the event loop.
    """

    def __init__(
        self, path: Path, *, max_bytes: int, group_ms: int = 0, on_failure: Callable[[str], None] | None = None
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._group_s = group_ms / 1000
        self._on_failure = on_failure
        self._pending: deque[_Pending] = deque()
        self._pending_bytes = 0
        self._is_writing = False
        self._is_ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._acknowledged = 0
        self._kept = KeptEntries()
        self._reported: str | None = None
        self._arrived = asyncio.Event()
        self._whole = asyncio.Event()
        self._recent = RecentEntries()
        self._last_batch: list[tuple[int, EncodedEntry]] = []
        self._claimed_streams: set[uuid.UUID] = set()
        self._replaced_s: float | None = None
        self._used_bytes = 0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._write_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-append")
        self._read_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spool-peek")
        self._store = store = await self._loop.run_in_executor(
            self._write_thread, lambda: SpoolStore(self._path, max_bytes=self._max_bytes)
        )
        self._acknowledged = store.acknowledged
        self.last_sequence = store.last_sequence
        handed = store.last_sequence if store.unhanded is None else store.unhanded
        self._handing = Handing(handed, is_marked=store.unhanded is not None)
        self._rates = SpoolRates(time.monotonic())
        self._used_bytes = await self._loop.run_in_executor(self._write_thread, lambda: store.used_bytes)
        self._rescue()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        self._is_ending = True
        self._write_now()
        # a reading that nobody waits for any more may still be under way
        await self._loop.run_in_executor(self._read_thread, lambda: None)
        line = await self._loop.run_in_executor(self._write_thread, self._close)
        self._write_thread.shutdown(wait=False)
        self._read_thread.shutdown(wait=False)
        if line is not None:
            self._report(line)

    def _close(self) -> str | None:
        """Write what is still kept in memory and forget what is acknowledged; says what failed."""
        kept = self._kept
        try:
            self._store.append(kept.entries(), state=kept.state, acknowledge=self._acknowledged)
        except (sqlite3.Error, OSError) as error:
            # what is acknowledged is only forgotten later: the database knows the watermark
            return f"{self._path}: {error}; {len(kept)} entries that were kept in memory are lost"
        finally:
            self._store.close()
        return None

    @property
    def stream_id(self) -> uuid.UUID:
        """Identity of the stream of entries in this file; another one after the file was damaged and replaced."""
        return self._store.stream_id

    @property
    def lineage(self) -> tuple[uuid.UUID, tuple[uuid.UUID, ...]]:
        """The stream, and those that it follows on, the oldest first.

        Sequences go on from one to the next, so whatever any of them has in the database counts for this one.
        """
        store = self._store
        return store.stream_id, tuple(stream for stream in store.predecessors if stream not in self._claimed_streams)

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
        """Where the last damaged file was put since this spool was opened; None where all was well."""
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

    @property
    def used_bytes(self) -> int:
        """Of the file, as of the last append."""
        return self._used_bytes

    @property
    def time_to_full_s(self) -> float | None:
        """How long there is room for what comes, if the database takes nothing from now on; None where nothing comes."""
        return self._rates.time_to_full_s(self._store.limit_bytes - self._used_bytes, time.monotonic())

    @property
    def time_to_drain_s(self) -> float | None:
        """How long until the database has everything, as fast as in the last minute; None where it gains nothing."""
        return self._rates.time_to_drain_s(self.depth.entries, time.monotonic())

    @property
    def unspooled_bytes(self) -> int:
        """What was appended and is not durable yet."""
        return self._pending_bytes

    def append(self, entries: Sequence[Entry], *, state: dict[str, Any] | None = None) -> "asyncio.Future[int]":
        """Make entries durable, in the order of the calls.

        Args:
            entries: go into one transaction.
            state: kept together with them, replacing what was kept before.

        Returns:
            A future of the sequence of the last of these entries, done when they are on disk. It fails with
            `SpoolError` where the disk refused; points are then counted as shed for the cause ``spool_write``, and
            other entries are kept in memory and written with the next append.
        """
        # encoded here, so that what cannot be is the caller's error and not the append thread's
        encoded = [EncodedEntry.of(entry) for entry in entries]
        pending = _Pending(
            entries=entries,
            encoded=encoded,
            size_bytes=sum(entry.size_bytes for entry in encoded),
            since_s=time.monotonic(),
            state=None if state is None else json.dumps(state),
            future=self._loop.create_future(),
        )
        self._pending.append(pending)
        self._pending_bytes += pending.size_bytes
        if not self._is_writing:
            if not self._group_s or self._is_ending or self._pending_bytes > self._store.most_bytes:
                self._write_now()
            elif self._timer is None:
                self._timer = self._loop.call_later(self._group_s, self._write_now)
        return pending.future

    def _write_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending and not self._is_writing:
            self._is_writing = True
            self._write_thread.submit(self._drain)

    def _drain(self) -> None:
        """Write until nothing waits; runs in the append thread."""
        while batch := self._next_batch():
            kept, self._kept = self._kept, KeptEntries()
            states = [pending.state for pending in batch if pending.state is not None]
            state = states[-1] if states else kept.state
            failure: SpoolError | None = None
            sequences: list[int] = []
            before = kept.entries()
            try:
                encoded = [*before, *(entry for pending in batch for entry in pending.encoded)]
                sequences = self._append(encoded, state)
                self._last_batch = list(zip(sequences, encoded, strict=True))
                self._used_bytes = self._store.used_bytes
            except Exception as error:  # noqa: BLE001  (whatever it is, appending must go on, and be told)
                kept.add((entry for pending in batch for entry in pending.entries), state)
                self._kept = kept
                failure = SpoolError(
                    f"{self._path}: {error}; free space or check the disk, rows are being lost and counted"
                )
            written = _Written(
                batch=batch,
                kept=len(before),
                sequences=sequences,
                sheds=self._handing.sheds_begun,
                failure=failure,
                used_bytes=self._used_bytes,
            )
            self._loop.call_soon_threadsafe(self._complete, written)
            self._store.checkpoint_if_due()
        self._loop.call_soon_threadsafe(self._rest)

    def _next_batch(self) -> list[_Pending]:
        """What waits, but no more than one transaction should hold."""
        batch: list[_Pending] = []
        size = 0
        while self._pending and (not batch or size + self._pending[0].size_bytes <= self._store.most_bytes):
            batch.append(self._pending.popleft())
            size += batch[-1].size_bytes
        return batch

    def _rest(self) -> None:
        """The append thread found nothing more; what came since then is begun here."""
        self._is_writing = False
        if self._pending and (self._timer is None or self._is_ending):
            self._write_now()

    def _append(self, encoded: Sequence[EncodedEntry], state: str | None) -> list[int]:
        try:
            return self._append_to_file(encoded, state)
        except sqlite3.DatabaseError as error:
            if not is_damage(error) or not self._replace(self._store, str(error)):
                raise
        return self._append_to_file(encoded, state)

    def _append_to_file(self, encoded: Sequence[EncodedEntry], state: str | None) -> list[int]:
        store = self._store
        unhanded = self._handing.mark()
        if not store.is_short(encoded):
            sequences = store.append(encoded, state=state, acknowledge=self._acknowledged, unhanded=unhanded)
        else:
            with self._handing.shedding() as merge_above:
                if merge_above is not None and store.damaged:
                    # below this entries of a damaged file are still to come, and must not come twice
                    merge_above = max(merge_above, *(item.to for item in store.damaged))
                sequences = store.append(
                    encoded,
                    state=state,
                    acknowledge=self._acknowledged,
                    merge_above=merge_above,
                    unhanded=unhanded,
                )
        if self._claimed_streams & set(store.predecessors):
            store.forget_predecessors(self._claimed_streams)
        return sequences

    def _complete(self, written: _Written) -> None:
        if self._handing.saw(written.sheds):
            self._recent.clear()
        if written.sequences:
            encoded = [entry for pending in written.batch for entry in pending.encoded]
            if written.kept:
                # what was written before them without being here is known to the file alone
                self._recent.clear()
            self._recent.add(written.sequences[written.kept :], encoded)
            self._rates.came(len(written.sequences), sum(entry.file_bytes for entry in encoded), time.monotonic())
            self.last_sequence = written.sequences[-1]
            self._arrived.set()
        position = written.kept
        for pending in written.batch:
            position += len(pending.entries)
            self._pending_bytes -= pending.size_bytes
            if pending.future.cancelled():
                continue
            if written.failure is None:
                pending.future.set_result(written.sequences[position - 1] if position else self.last_sequence)
            else:
                pending.future.set_exception(written.failure)
        if written.failure is None:
            self._reported = None
        elif self._reported != str(written.failure):
            self._reported = str(written.failure)
            self._report(str(written.failure))

    def _report(self, line: str) -> None:
        if self._on_failure is not None:
            self._on_failure(line)

    async def wait_beyond(self, sequence: int) -> None:
        """Return as soon as an entry above this sequence is durable."""
        while self.last_sequence <= sequence:
            self._arrived.clear()
            await self._arrived.wait()
