"""From the spool into PostgreSQL: watermark, COPY and accounting in one transaction, then acknowledge.

No timer: the writer takes whatever waits as soon as it is free, so a single scan is committed within milliseconds and
a backlog goes in large COPYs. After any doubt it claims the stream again and goes on from the watermark that it finds.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import structlog

from recorder.batch import copy_payload
from recorder.clock import Clock
from recorder.database import Database, Session
from recorder.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.errors import DatabaseError, RecorderClaimedError, SpoolError, StreamFencedError, StreamOutOfStepError
from recorder.jsonb import to_json
from recorder.latency import LatencyRecorder, Mark
from recorder.spool import Spool
from recorder.spool_store import SpooledEntry

PREPARED: Final = ("claim_recorder", "claim_stream", "ensure_day_partition")
"""Statements that go to the database by themselves, prepared as each connection opens; those of a commit go together
with its rows."""
FIRST_BACKOFF_S: Final = 0.1

log = structlog.get_logger()


class WriterState(StrEnum):
    """Where the writer stands."""

    CONNECTING = "connecting"
    WRITING = "writing"
    AWAY = "away"
    """The database is not there or refuses; the spool holds everything."""
    FENCED = "fenced"
    """Another process of this recorder writes; this one only spools."""


@dataclass(kw_only=True, slots=True)
class WriterTotals:
    """What was committed since the daemon began."""

    transactions: int = 0
    entries: int = 0
    rows: int = 0
    lost_rows: int = 0
    """Rows of entries that were shed or damaged before they could be written."""


class Writer:
    """Owns the way from spool to database; run it as one task.

    Args:
        recorder: recorder number.
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
        recorder: int,
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
        self._recorder = recorder
        self._machine = machine
        self._clock = clock
        self._latency = latency
        self._marks = marks
        self._max_rows = max_rows
        self._backoff_max_s = backoff_max_s
        self._sleep = sleep
        self._days: set[date] = set()
        self._epoch = 0
        self._position = spool.acknowledged
        self._drained = asyncio.Event()
        self.state = WriterState.CONNECTING
        self.last_error: str | None = None
        self._told: str | None = None
        self._is_connection_told = False
        self.totals = WriterTotals()

    @property
    def epoch(self) -> int:
        """Epoch that this writer last claimed; 0 before the first claim."""
        return self._epoch

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
                self._failed(WriterState.FENCED, error)
                return
            except (DatabaseError, SpoolError) as error:
                self._failed(WriterState.AWAY, error)
            if self.totals.transactions > committed:
                backoff_s = FIRST_BACKOFF_S
            await self._sleep(backoff_s)
            backoff_s = min(backoff_s * 2, self._backoff_max_s)

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
            log.warning("database_away" if state is WriterState.AWAY else "writer_fenced", error=str(error))
        self.state = state
        self.last_error = str(error)

    async def claim(self, session: Session) -> None:
        """Take the next epoch and find out where the database stands.

        Raises:
            DatabaseError: the recorder number or the stream is somebody else's, or the database is away.
        """
        host = socket.gethostname()
        claim = await session.fetch_one("claim_recorder", self._recorder, self._machine, host)
        assert claim is not None
        if not claim["is_claimed"]:
            raise RecorderClaimedError(
                f"recorder number {self._recorder} belongs to machine {claim['holder_machine']!r} "
                f"on host {claim['holder_host']}; give this one another [recorder] number; spooling goes on"
            )
        async with session.transaction():
            row = await session.fetch_one("claim_stream", self._spool.stream_id, self._recorder)
            assert row is not None
            self._epoch = row["epoch"]
            watermark: int = row["last_sequence"]
            if watermark < self._spool.acknowledged:
                await self._record_restore(session, watermark)
                watermark = self._spool.acknowledged
        if watermark > self._spool.last_sequence:
            raise StreamOutOfStepError(
                f"the database has entries up to {watermark} of spool {self._spool.stream_id}, the file only up to "
                f"{self._spool.last_sequence}: it was put back from an older copy; move it away and start again"
            )
        self._committed_to(watermark)
        self._days.clear()
        if not self._is_connection_told:
            self._is_connection_told = True
            log.info("database_connected", epoch=self._epoch, watermark=watermark, waiting=self._spool.depth.entries)
        self.state = WriterState.WRITING
        self.last_error = None

    async def _record_restore(self, session: Session, watermark: int) -> None:
        """The database is older than what it once confirmed: say which entries it no longer has."""
        detail = {
            "stream_id": str(self._spool.stream_id),
            "lost_after_sequence": watermark,
            "lost_to_sequence": self._spool.acknowledged,
        }
        log.error("database_restored", **detail)
        await session.execute("rebase_stream", self._spool.stream_id, self._epoch, self._spool.acknowledged)
        await session.execute(
            "insert_recorder_event",
            self._recorder,
            self._clock.now_us(),
            "database_restored",
            None,
            "",
            to_json(detail),
        )

    async def _write_next(self, session: Session) -> None:
        await self._spool.wait_beyond(self._position)
        entries = await self._spool.peek(after=self._position, max_rows=self._max_rows)
        if not entries:
            raise SpoolError(f"spool entries after {self._position} cannot be found")
        await self.commit(session, entries)

    async def commit(self, session: Session, entries: Sequence[SpooledEntry]) -> None:
        """Write the next entries of the claimed stream in one transaction, then acknowledge them.

        Raises:
            DatabaseError: not written, or after a lost reply nobody knows until the next claim.
        """
        await self._ensure_days(session, entries)
        rows = [spooled.entry.rows for spooled in entries if spooled.entry.rows]
        last = entries[-1].sequence
        watermark = (self._spool.stream_id, self._epoch, self._position, last, to_json(_accounting(entries)))
        events = (s.entry for s in entries if s.entry.kind in {EntryKind.PROCESS, EntryKind.EVENT})
        statements = [("advance_stream", watermark), *map(self._event_statement, events)]
        await session.commit(statements, copy_payload(rows) if rows else None)
        self._count(entries)
        self._committed_to(last)
        self._told = None

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

    def _count(self, entries: Sequence[SpooledEntry]) -> None:
        self.totals.transactions += 1
        self.totals.entries += len(entries)
        self.totals.lost_rows += sum(spooled.entry.header.get("lost_rows", 0) for spooled in entries)
        self.totals.rows += sum(spooled.entry.row_count for spooled in entries)

    async def _ensure_days(self, session: Session, entries: Sequence[SpooledEntry]) -> None:
        """Make the partitions of the days that these rows touch, outside of the transaction that fills them."""
        needed: set[date] = set()
        for spooled in entries:
            if spooled.entry.rows:
                day, last = _day(spooled.entry.first_us), _day(spooled.entry.last_us)
                while day <= last:
                    needed.add(day)
                    day += timedelta(days=1)
        for day in sorted(needed - self._days):
            await session.execute("ensure_day_partition", day)
            self._days.add(day)

    def _event_statement(self, entry: Entry) -> tuple[str, Sequence[object]]:
        """The name and the arguments of the statement that records an event."""
        header = {"clock_offset_us": None, **entry.header}  # which older releases did not spool
        match header["event"]:
            case "run_started":
                name = "start_process_run"
                keys = ["process_id", "machine", "kind", "recipe", "operator", "lot", "substrate", "note"]
                keys += ["run_counter", "started_us", "definitions_version", "time_scale", "clock_synchronised"]
                keys += ["clock_offset_us"]
            case "run_ended":
                name, keys = "end_process_run", ["process_id", "status", "ended_us", "clock_offset_us"]
            case "step_started":
                name, keys = "start_process_step", ["process_id", "kind", "started_us", "number"]
            case "step_ended":
                name, keys = "end_process_step", ["process_id", "kind", "started_us", "ended_us"]
            case kind:
                return "insert_recorder_event", (
                    self._recorder,
                    header.get("occurred_us") or self._clock.now_us(),
                    kind,
                    header.get("process_id"),
                    header.get("device", ""),
                    to_json(header.get("detail", {})),
                )
        return name, [header[key] for key in keys]


def _day(timestamp_us: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_us)).date()


def _accounting(entries: Sequence[SpooledEntry]) -> list[Mapping[str, Any]]:
    """Sum the slot counts of entries, so that a backlog costs one row a minute and not one a slot."""
    totals: dict[tuple[int, str, int, int, Outcome, str], SlotCount] = {}
    for spooled in entries:
        for count in spooled.entry.accounting:
            before = totals.get(count.key)
            totals[count.key] = count if before is None else before.plus(count)
    return [
        {
            "process_id": total.process_id,
            "device": total.device,
            "interval_ms": total.interval_ms,
            "minute": total.minute,
            "outcome": total.outcome,
            "cause": total.cause,
            "slots": total.slots,
            "rows": total.rows,
            # PostgreSQL's int8multirange; null where one of the entries does not say
            "slots_at": "{" + ",".join(f"[{first},{end})" for first, end in total.slots_at) + "}"
            if total.slots_at
            else None,
        }
        for total in totals.values()
    ]
