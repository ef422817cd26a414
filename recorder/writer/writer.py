"""From the spool into PostgreSQL: watermark, COPY and accounting in one transaction, then acknowledge.

No timer: the writer takes whatever waits as soon as it is free, so a single scan is committed within milliseconds and
a backlog goes in large COPYs. After any doubt it claims the stream again and goes on from the watermark that it finds.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import structlog

from recorder.clock.clock import Clock
from recorder.database import Database, Session
from recorder.errors import (
    ContentRefusedError,
    DatabaseError,
    SpoolError,
    StreamChangedError,
    StreamFencedError,
    StreamOutOfStepError,
)
from recorder.spool.entry import EntryKind
from recorder.spool.spool import Spool
from recorder.spool.store import SpooledEntry
from recorder.status.latency import LatencyRecorder, Mark
from recorder.writer.claim import Claimant
from recorder.writer.doubt import Doubt
from recorder.writer.holder import Holder
from recorder.writer.quarantine import Refused, described, is_to_halve, keep, store_singly, whole
from recorder.writer.statements import accounting_of, days_of_rows
from recorder.writer.totals import WriterTotals
from recorder.writer.transaction import Ahead, Transaction, transaction_of

if TYPE_CHECKING:
    from uuid import UUID

FIRST_BACKOFF_S: Final = 0.1

log = structlog.get_logger()


class WriterState(StrEnum):
    """Where the writer stands."""

    CONNECTING = "connecting"
    WRITING = "writing"
    AWAY = "away"
    """The database is not there or refuses; the spool holds everything."""
    UNREADABLE = "unreadable"
    """The spool cannot be read; what is in it waits."""
    FENCED = "fenced"
    """Another process of this recorder writes; this one only spools."""


_FAILURES: Final = {
    WriterState.AWAY: "database_away",
    WriterState.UNREADABLE: "spool_unreadable",
    WriterState.FENCED: "writer_fenced",
}
"""What the log calls each."""


class Writer:
    """Owns the way from spool to database; run it as one task.

    Args:
        holder: this process, as the holder of its recorder number.
        machine: name of the machine, for the claim of the number.
        max_rows: rows of one transaction, at most.
        marks: when each entry was sampled and spooled, taken out as it is committed.
        sleep: waits a number of seconds between attempts.
    """

    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        holder: Holder,
        machine: str,
        clock: Clock,
        latency: LatencyRecorder,
        marks: dict[int, Mark],
        max_rows: int = 100_000,
        backoff_max_s: float = 2.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._spool = spool
        self._recorder = holder.recorder
        self._claimant = Claimant(holder, machine)
        self._doubt = Doubt(recorder=holder.recorder, spool=spool, claimant=self._claimant, clock=clock)
        self._clock = clock
        self._latency = latency
        self._marks = marks
        self._max_rows = max_rows
        self._backoff_max_s = backoff_max_s
        self._sleep = sleep
        self._days: set[date] = set()
        self._stream_id = spool.stream_id
        self._position = spool.acknowledged
        self._ahead: Ahead | None = None
        self._drained = asyncio.Event()
        self.state = WriterState.CONNECTING
        self.last_error: str | None = None
        self._told: str | None = None
        self._refusal_told: str | None = None
        self._is_connection_told = False
        self.totals = WriterTotals()

    @property
    def epoch(self) -> int:
        """Epoch that this writer last claimed; 0 before the first claim."""
        return self._claimant.epoch

    async def run(self) -> None:
        """Write until cancelled; a database that is away is waited for. Returns only when fenced off."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            committed = self.totals.transactions
            try:
                await self._database.ensure_open()
                async with self._database.session() as session:
                    await self.claim(session)
                    while True:
                        await self._write_next(session)
            except StreamFencedError as error:
                # who was fenced off never claims again, or two would fence each other for ever
                self._failed(WriterState.FENCED, await self._naming_holder(error))
                return
            except StreamChangedError as error:
                log.warning("spool_replaced", reason=str(error))
                continue
            except DatabaseError as error:
                self._failed(WriterState.AWAY, error)
            except SpoolError as error:
                self._failed(WriterState.UNREADABLE, error)
            if self.totals.transactions > committed:
                backoff_s = FIRST_BACKOFF_S
            await self._sleep(backoff_s)
            backoff_s = min(backoff_s * 2, self._backoff_max_s)

    async def _naming_holder(self, error: StreamFencedError) -> StreamFencedError:
        """Say who fenced this process off, where the error does not and the database still answers."""
        if "is held by" in str(error):
            return error
        with suppress(DatabaseError):
            async with self._database.session() as session:
                return StreamFencedError(f"{error}; it is held by {await self._claimant.holder_now(session)}")
        return error

    async def drained(self) -> None:
        """Return when everything that is spooled now is committed."""
        goal = self._spool.last_sequence
        while self._position < goal:
            self._drained.clear()
            await self._drained.wait()

    def _failed(self, state: WriterState, error: Exception) -> None:
        # once until something is committed: a refusal that lasts would fill the log at each attempt
        if self._told != str(error):
            self._told = str(error)
            self._is_connection_told = False
            log.warning(_FAILURES[state], error=str(error))
        self.state = state
        self.last_error = str(error)

    async def claim(self, session: Session) -> None:
        """Take the next epoch and find out where the database stands.

        Raises:
            DatabaseError: the recorder number or the stream is somebody else's, or the database is away.
        """
        await self._claimant.prepare(session)
        self._stream_id, predecessors = self._spool.claims.lineage
        stream_id = self._stream_id
        successor: UUID | None = None
        async with session.transaction():
            before = [(await self._claimant.take(session, stream)).watermark for stream in predecessors]
            claim = await self._claimant.take(session, stream_id)
            watermark = max(claim.watermark, *before, 0)
            since = self._spool.claims.since
            if since is not None and watermark > since:
                successor = await self._doubt.spool_put_back(session, stream_id, database_to=watermark, file_to=since)
            elif watermark > claim.watermark:
                # numbers go on from a damaged spool to its successor, and what the database has of them it keeps
                await session.execute("rebase_stream", stream_id, claim.epoch, watermark)
            if watermark < self._spool.acknowledged:
                watermark = await self._doubt.database_restored(session, stream_id, claim, watermark)
        if successor is not None:
            await self._spool.claims.follow(successor)
            raise StreamChangedError(
                f"the database has entries up to {watermark} of spool {stream_id}, the file had them up to "
                f"{since}: it was put back from an older copy, and goes on as stream {successor}"
            )
        if watermark > self._spool.last_sequence:
            raise StreamOutOfStepError(
                f"the database has entries up to {watermark} of spool {stream_id}, the file only up to "
                f"{self._spool.last_sequence}: it was put back from an older copy; move it away and start again"
            )
        await self._spool.claims.keep()
        self._claimant.taken(claim)
        self._spool.claims.taken(watermark, predecessors)
        self._ahead = None
        self._position = min(self._position, watermark)
        self._committed_to(watermark)
        self._days.clear()
        if not self._is_connection_told:
            self._is_connection_told = True
            log.info("database_connected", epoch=self.epoch, watermark=watermark, waiting=self._spool.depth.entries)
        self.state = WriterState.WRITING
        self.last_error = None

    async def _write_next(self, session: Session) -> None:
        await self._spool.wait_beyond(self._position)
        ahead, self._ahead = self._ahead, None
        if ahead is None or ahead.after != self._position:
            entries: Sequence[SpooledEntry] = await self._spool.peek(after=self._position, max_rows=self._max_rows)
            ahead = Ahead(after=self._position, entries=entries, transaction=None)
        if not ahead.entries:
            raise SpoolError(f"spool entries after {self._position} cannot be found")
        if self._spool.stream_id != self._stream_id:
            raise StreamChangedError(f"the spool goes on as stream {self._spool.stream_id}, after {self._stream_id}")
        if self._is_backlog(ahead.entries):
            await self._commit_and_read_on(session, ahead)
        else:
            await self.commit(session, ahead.entries, ahead.transaction)

    def _is_backlog(self, entries: Sequence[SpooledEntry]) -> bool:
        """Whether as much again waits behind a transaction that is large already."""
        rows = sum(spooled.entry.row_count for spooled in entries)
        return 2 * rows > self._max_rows and self._spool.last_sequence - entries[-1].sequence >= len(entries)

    async def _commit_and_read_on(self, session: Session, ahead: Ahead) -> None:
        """Make the next transaction of a backlog while the database is busy with this one."""
        reading = asyncio.create_task(self._read_on(ahead.entries[-1].sequence), name="read ahead")
        try:
            await self.commit(session, ahead.entries, ahead.transaction)
        except BaseException:
            reading.cancel()
            # whatever it says, the next claim reads again
            await asyncio.gather(reading, return_exceptions=True)
            raise
        self._ahead = await reading

    async def _read_on(self, after: int) -> Ahead:
        entries = await self._spool.peek(after=after, max_rows=self._max_rows)
        transaction = None
        with suppress(ContentRefusedError):  # met again at their commit
            transaction = await self._transaction_of(entries)
        return Ahead(after=after, entries=entries, transaction=transaction)

    async def _transaction_of(self, entries: Sequence[SpooledEntry]) -> Transaction:
        return await transaction_of(entries, recorder=self._recorder, now_us=self._clock.now_us())

    async def commit(
        self, session: Session, entries: Sequence[SpooledEntry], transaction: Transaction | None = None
    ) -> None:
        """Write the next entries of the claimed stream in one transaction, then acknowledge them.

        Where PostgreSQL refuses something for its content it takes several transactions, in order, and what is
        refused goes into quarantine.

        Args:
            session: of the claim.
            entries: in order.
            transaction: made of them, where it is made already.

        Raises:
            DatabaseError: not written, or after a lost reply nobody knows until the next claim.
        """
        try:
            await self._commit_whole(session, entries, transaction or await self._transaction_of(entries))
        except ContentRefusedError:
            # a day whose partition was dropped meanwhile is refused too
            self._days.clear()
            if is_to_halve(entries):
                middle = len(entries) // 2
                for half in (entries[:middle], entries[middle:]):
                    await self.commit(session, half)
            else:
                await self._commit_singly(session, entries)

    async def _commit_whole(self, session: Session, entries: Sequence[SpooledEntry], transaction: Transaction) -> None:
        await self._ensure_days(session, transaction.days)
        advance = "advance_stream", self._advance(entries, transaction.accounting)
        await session.commit([advance, *transaction.events], transaction.payload)
        self._count(entries, [])

    async def _commit_singly(self, session: Session, entries: Sequence[SpooledEntry]) -> None:
        """Write entries of which something is refused; that goes into quarantine, in the same transaction."""
        points = (spooled.entry.rows for spooled in entries if spooled.entry.kind is EntryKind.POINTS)
        for day in sorted(set[date]().union(*map(days_of_rows, points))):
            with suppress(ContentRefusedError):  # then its rows are refused, and say why
                await self._ensure_days(session, {day})
        try:
            async with session.transaction():
                await session.execute("check_constraints_now")
                stored, refused = await store_singly(
                    session, entries, recorder=self._recorder, now_us=self._clock.now_us()
                )
                await session.execute("advance_stream", *self._advance(entries, accounting_of(stored)))
                await keep(session, self._stream_id, refused)
        except ContentRefusedError as again:
            if len(entries) > 1:
                for spooled in entries:
                    await self._commit_singly(session, [spooled])
                return
            # neither its accounting nor anything else of it can be trusted: it is kept as it is
            refused = [whole(entries[0], again, is_counted=False)]
            async with session.transaction():
                await session.execute("advance_stream", *self._advance(entries, accounting_of([])))
                await keep(session, self._stream_id, refused)
        self._count(entries, refused)

    def _advance(self, entries: Sequence[SpooledEntry], accounting: str) -> Sequence[object]:
        """Arguments of the statement that every transaction begins or ends with."""
        last = entries[-1].sequence
        return self._stream_id, self.epoch, self._position, last, accounting

    def _committed_to(self, sequence: int) -> None:
        now_ns = self._clock.monotonic_ns()
        for committed in range(self._position + 1, sequence + 1):
            mark = self._marks.pop(committed, None)
            if mark is not None:
                self._latency.record("commit", now_ns - mark.spooled_ns)
                self._latency.record("sample_to_commit", now_ns - mark.sampled_ns)
        self._position = max(self._position, sequence)
        self._spool.acknowledge(self._position)
        self._drained.set()

    def _count(self, entries: Sequence[SpooledEntry], refused: Sequence[Refused]) -> None:
        self.totals.count(entries, refused)
        self._committed_to(entries[-1].sequence)
        self._told = None
        if refused and refused[0].error != self._refusal_told:
            # once for each reason: one that lasts would fill the log
            self._refusal_told = refused[0].error
            log.error("quarantined", **described(refused))

    async def _ensure_days(self, session: Session, needed: AbstractSet[date]) -> None:
        """Make the partitions of days that rows touch, outside of the transaction that fills them."""
        for day in sorted(needed - self._days):
            await session.execute("ensure_day_partition", day)
            self._days.add(day)
