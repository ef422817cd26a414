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
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from recorder.errors import SpoolError
from recorder.spool.appender import Appender, Written
from recorder.spool.claims import Claims
from recorder.spool.entry import Entry
from recorder.spool.file import is_damage
from recorder.spool.rate import SpoolRates
from recorder.spool.recent import RecentEntries
from recorder.spool.store import SpoolStore
from recorder.spool.stored_entry import EncodedEntry, SpoolDepth, SpooledEntry
from recorder.spool.thread import SpoolThread
from recorder.spool.waiting import Pending, WaitingAppends

_RETRY_S: Final = 1.0
"""Until a rescue that the disk refused is tried again."""


class Spool:
    """A durable bounded FIFO; an async context manager.

    Args:
        path: the file; its folder is made.
        max_bytes: largest size of the file with its log; beyond it entries are shed, idle and oldest first.
        keep_bytes: what is kept of the entries that the database has, as long as there is room, so that they can be
            sent again to one that was put back to an older backup.
        group_ms: 0 makes each append durable as soon as the disk allows; otherwise appends wait this long for others,
            to be synced together, and their futures wait with them.
        on_failure: told in one line when appends begin to fail, or fail for another reason, when the disk is full and
            when a damaged file is set aside; called in the event loop.

    Attributes:
        claims: what the claim of the stream by a database says of it, once the spool is open.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        keep_bytes: int = 0,
        group_ms: int = 0,
        on_failure: Callable[[str], None] | None = None,
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep_bytes = keep_bytes
        self._group_s = group_ms / 1000
        self._on_failure = on_failure
        self._waiting = WaitingAppends()
        self._is_writing = False
        self._is_ending = False
        self._timer: asyncio.TimerHandle | None = None
        self._acknowledged = 0
        self._reported: str | None = None
        self._arrived = asyncio.Event()
        self._whole = asyncio.Event()
        self._recent = RecentEntries()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._write_thread = SpoolThread("spool-append")
        self._read_thread = SpoolThread("spool-peek")
        self._appender = await self._loop.run_in_executor(self._write_thread, self._open)
        self._acknowledged = self._store.acknowledged
        self.last_sequence = self._store.last_sequence
        self.claims = Claims(self._appender, self._write_thread)
        self._rates = SpoolRates(time.monotonic())
        self._go_on_rescuing()
        return self

    def _open(self) -> Appender:
        return Appender(
            self._path,
            max_bytes=self._max_bytes,
            keep_bytes=self._keep_bytes,
            recent=self._recent,
            tell=lambda line: self._loop.call_soon_threadsafe(self._report, line),
            replaced=lambda: self._loop.call_soon_threadsafe(self._go_on_rescuing),
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        self._is_ending = True
        while self._is_writing or self._waiting:
            self._write_now()
            await self._loop.run_in_executor(self._write_thread, lambda: None)
        # a reading that nobody waits for any more may still be under way
        await self._loop.run_in_executor(self._read_thread, lambda: None)
        line = await self._loop.run_in_executor(self._write_thread, self._appender.close)
        self._write_thread.shutdown(wait=False)
        self._read_thread.shutdown(wait=False)
        if line is not None:
            self._report(line)

    @property
    def _store(self) -> SpoolStore:
        return self._appender.store

    @property
    def stream_id(self) -> uuid.UUID:
        """Identity of the stream of entries in this file; another one after the file was damaged and replaced."""
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
        """What is in use of the file, as of the last append."""
        return self._appender.used_bytes

    @property
    def time_to_full_s(self) -> float | None:
        """How long there is room for what comes, if nothing leaves from now on; None where nothing comes."""
        store = self._store
        return self._rates.time_to_full_s(store.limit_bytes - self.used_bytes + store.kept_bytes, time.monotonic())

    @property
    def time_to_drain_s(self) -> float | None:
        """How long until the database has everything, as fast as in the last minute; None where it gains nothing."""
        return self._rates.time_to_drain_s(self.depth.entries, time.monotonic())

    @property
    def unspooled_bytes(self) -> int:
        """What was appended and is not durable yet."""
        return self._waiting.unspooled_bytes

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
        pending = Pending(
            entries=entries,
            encoded=encoded,
            size_bytes=sum(entry.size_bytes for entry in encoded),
            state=None if state is None else json.dumps(state),
            future=self._loop.create_future(),
        )
        self._waiting.add(pending)
        if not self._is_writing:
            if not self._group_s or self._waiting.unspooled_bytes > self._store.most_bytes:
                self._write_now()
            elif self._timer is None:
                self._timer = self._loop.call_later(self._group_s, self._write_now)
        return pending.future

    def _write_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and not self._is_writing:
            self._is_writing = True
            self._write_thread.do(self._drain)

    def _drain(self) -> None:
        """Write until nothing waits; runs in the append thread."""
        batch = self._waiting.take(self._store.most_bytes)
        while batch:
            written = self._appender.write(batch)
            batch = [] if self._group_s else self._waiting.take(self._store.most_bytes)
            self._loop.call_soon_threadsafe(self._complete, written, not batch)
            if batch:
                self._appender.settle()

    def _rest(self) -> None:
        """The append thread found nothing more; what came since then is begun here."""
        self._is_writing = False
        if not self._waiting or self._is_ending:
            return
        if not self._group_s or self._waiting.unspooled_bytes > self._store.most_bytes:
            self._write_now()
        else:
            self._timer = self._loop.call_later(self._group_s, self._write_now)

    def _settle(self, written: Written, is_last: bool) -> None:
        """What follows a transaction and need not be waited for."""
        file_bytes = sum(entry.file_bytes for pending in written.batch for entry in pending.encoded)
        self._rates.came(len(written.sequences), file_bytes, time.monotonic())
        if is_last and not self._is_ending:
            self._write_thread.do(self._appender.settle)

    def _remember(self, written: Written) -> None:
        """Keep the newest entries for the writer, as far as memory is what is in the file."""
        has_shed = self._appender.handing.saw(written.sheds)
        if has_shed or written.kept:
            # what was shed, or written before them without being here, is known to the file alone
            self._recent.clear()
        if written.sequences and not has_shed:
            encoded = [entry for pending in written.batch for entry in pending.encoded]
            self._recent.add(written.sequences[written.kept :], encoded)

    def _complete(self, written: Written, is_last: bool) -> None:
        """Tell who waits for these entries; `is_last` where the append thread found no more to write."""
        self._remember(written)
        if written.sequences:
            self.last_sequence = written.sequences[-1]
        position = written.kept
        for pending in written.batch:
            position += len(pending.entries)
            self._waiting.ended(pending)
            if pending.future.cancelled():
                continue
            if written.failure is None:
                pending.future.set_result(written.sequences[position - 1] if position else self.last_sequence)
            else:
                pending.future.set_exception(written.failure)
        if written.sequences:
            # behind the futures: the writer would go before whoever waits for the disk
            self._arrived.set()
        if written.failure is None:
            self._reported = None
        elif self._reported != str(written.failure):
            self._reported = str(written.failure)
            self._report(str(written.failure))
        if is_last:
            self._rest()
        self._loop.call_soon(self._settle, written, is_last)

    def _report(self, line: str) -> None:
        if self._on_failure is not None:
            self._on_failure(line)

    def _go_on_rescuing(self) -> None:
        if self._store.damaged and not self._is_ending:
            self._write_thread.do(self._rescue)

    def _rescue(self) -> None:
        """Take over a part of a damaged file, then let appends go first; runs in the append thread."""
        if self._is_ending or not self._store.damaged:
            return
        try:
            written = self._appender.rescue()
        except (sqlite3.Error, OSError, SpoolError):
            # the disk refuses: appends tell of it
            self._loop.call_soon_threadsafe(self._loop.call_later, _RETRY_S, self._go_on_rescuing)
            return
        if written is not None:
            self._loop.call_soon_threadsafe(self._complete, written, False)
        if self._store.damaged:
            self._loop.call_soon_threadsafe(self._go_on_rescuing)
        else:
            self._loop.call_soon_threadsafe(self._whole.set)

    async def wait_beyond(self, sequence: int) -> None:
        """Return as soon as an entry above this sequence is durable."""
        while self.last_sequence <= sequence:
            self._arrived.clear()
            await self._arrived.wait()

    async def peek(self, *, after: int, max_rows: int) -> list[SpooledEntry]:
        """Read entries in order without removing them; see `SpoolStore.peek`.

        Where a damaged file is being recovered this waits until it is, since what it still has comes first.

        Raises:
            SpoolError: the file could not be read.
        """
        while True:
            store = self._store
            newest = self.last_sequence
            try:
                found = await self._peek(store, after, max_rows)
                if found is None:
                    continue
                if found or max(after, self._acknowledged) >= newest:
                    return found
                reason = f"entries after {after} are missing"
            except sqlite3.Error as error:
                reason = str(error)
                if not is_damage(error):
                    raise SpoolError(f"{self._path}: cannot be read: {error}") from error
            if not await self._loop.run_in_executor(self._write_thread, self._appender.replace, store, reason):
                raise SpoolError(f"{self._path}: cannot be read: {reason}; a new file was damaged too, check the disk")

    async def _peek(self, store: SpoolStore, after: int, max_rows: int) -> list[SpooledEntry] | None:
        """Read on; None where something else has to be done first, and was."""
        handing = self._appender.handing
        while store.damaged:
            self._whole.clear()
            await self._whole.wait()
        if handing.is_marked:
            await self._loop.run_in_executor(self._write_thread, self._appender.hand_out)
        with handing.handing(wait=False) as may:
            if may and handing.is_memory_true and not handing.is_marked:
                found = self._recent.peek(after=after, max_rows=max_rows)
                if found:
                    handing.hand(found[-1].sequence)
                    return found

        def read() -> list[SpooledEntry] | None:
            with handing.handing(wait=True):
                if handing.is_marked or store.damaged or store is not self._store:
                    return None
                found = store.peek(after=after, max_rows=max_rows)
                if found:
                    handing.hand(found[-1].sequence)
                return found

        return await self._loop.run_in_executor(self._read_thread, read)

    def acknowledge(self, sequence: int) -> None:
        """Entries up to this sequence are in the database; with the next append they leave the file, or are kept."""
        if sequence > self._acknowledged:
            self._rates.left(sequence - self._acknowledged, time.monotonic())
        self._acknowledged = self._appender.acknowledged = max(self._acknowledged, sequence)
        self._recent.forget(sequence)

    async def take_back(self, sequence: int) -> int:
        """Keep what comes after `sequence` although it was acknowledged: the database has it no longer.

        Returns:
            The sequence after which the file still has everything; up to it entries are gone.
        """
        self._acknowledged = self._appender.acknowledged = min(self._acknowledged, sequence)
        # behind an append that is under way, which may yet forget what was acknowledged before
        gone = await self._loop.run_in_executor(self._write_thread, lambda: self._store.take_back(sequence))
        self._acknowledged = self._appender.acknowledged = max(self._acknowledged, gone)
        return self._acknowledged
