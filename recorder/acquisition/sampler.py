"""From a slot to durable rows: scan, decide the process, encode, spool. Nothing here waits for the database."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from hal.device import Device
from hal.plan import ReadPlan
from hal.scan import Scan
from recorder.acquisition.device_watch import DeviceWatch
from recorder.acquisition.grid import Grid, Slot
from recorder.acquisition.recording import LatestScan, Recording, RoleRows
from recorder.errors import SpoolError
from recorder.runs.run import Process, ProcessKind
from recorder.spool.batch import RowEncoder
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.status.latency import Mark

MOST_UNSPOOLED_S: Final = 10.0
"""How long the disk may stand still before the next scan waits for it too; SD cards do so for seconds."""
MOST_UNSPOOLED_BYTES: Final = 64 * 1024 * 1024
"""What all samplers together may have in memory before their next scans wait for the disk."""
_MOST_MARKS: Final = 100_000
"""Batches whose latency is followed at once; a longer backlog is drained without."""
_MINUTE_US: Final = 60_000_000
_DAY_US: Final = 86_400_000_000


class Sampler:
    """Scans one plan of one device, slot after slot.

    Args:
        interval_ms: the plan's scan interval.
        grid: made by default for the interval, after the last slot that the spool remembers.
        watch: says whether the device is alive; one for all samplers of the device.
    """

    def __init__(
        self,
        *,
        device: Device,
        plan: ReadPlan,
        interval_ms: int,
        recording: Recording,
        grid: Grid | None = None,
        watch: DeviceWatch | None = None,
    ) -> None:
        self._device = device
        self._watch = watch
        self._plan = plan
        self._recording = recording
        self._interval_ms = interval_ms
        self.key = f"{device.name}/{interval_ms}"
        self._before = recording.last_slots.get(self.key, -1)
        self._grid = grid or Grid(
            interval_ms=interval_ms, clock=recording.clock, after=self._before, sleep=recording.sleep
        )
        self._process_id = recording.resumed.process_id if recording.resumed else None
        self._started: tuple[int, int] | None = None
        self._encoder = RowEncoder(plan.parameter_ids)
        self._unspooled: deque[tuple[int, asyncio.Future[int]]] = deque()
        self._role_rows = RoleRows.of(plan, recording.roles)
        self._next: tuple[ReadPlan, DeviceWatch | None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_waiting = False
        self._stopping = False

    @property
    def has_roles(self) -> bool:
        """Whether its scans say what the tool does."""
        return not self._role_rows.is_empty

    def read_by(self, plan: ReadPlan, watch: DeviceWatch | None) -> None:
        """Read by another plan from the next slot on; the scan that is under way ends by the one before."""
        self._next = (plan, watch)

    def _take_next(self) -> None:
        if self._next is None:
            return
        (self._plan, self._watch), self._next = self._next, None
        self._encoder = RowEncoder(self._plan.parameter_ids)
        self._role_rows = RoleRows.of(self._plan, self._recording.roles)

    def stop(self) -> None:
        """End after the scan that is under way; at once where the next slot is only waited for."""
        self._stopping = True
        if self._is_waiting and self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Scan until stopped or cancelled; then wait until what was scanned is durable."""
        self._task = asyncio.current_task()
        vitals = self._recording.vitals
        vitals.expect(self.key, self._interval_ms)
        try:
            while not self._stopping:
                self._is_waiting = True
                slot = await self._grid.next()
                self._is_waiting = False
                vitals.slot_began(self.key)
                self._take_next()
                self._record(slot, self._watched(await self._scan()))
                while self._unspooled and self._is_disk_behind():
                    await asyncio.wait([self._unspooled[0][1]])
        finally:
            vitals.forget(self.key)
            if self._unspooled:
                await asyncio.shield(asyncio.wait([future for _, future in self._unspooled]))

    async def _scan(self) -> Scan:
        way = self._recording.clear_way
        way.begin()
        try:
            return await self._device.scan(self._plan)
        finally:
            way.end()

    def _is_disk_behind(self) -> bool:
        """Whether so much waits for the disk that acquisition has to wait too."""
        recording = self._recording
        waited_ns = recording.clock.monotonic_ns() - self._unspooled[0][0]
        return waited_ns > MOST_UNSPOOLED_S * 1e9 or recording.spool.unspooled_bytes > MOST_UNSPOOLED_BYTES

    def _watched(self, scan: Scan) -> Scan:
        """Let the watch judge the device, before anything is believed of it."""
        if self._watch is None:
            return scan
        scan = self._watch.look(self._plan, scan)
        if self._watch.has_restarted and self._watch.carries_run:
            self._recording.tracker.tool_restarted()
        return scan

    def _record(self, slot: Slot, scan: Scan) -> None:
        recording = self._recording
        timestamps_us = recording.clock.utc_us(scan.monotonic_ns)
        entries: list[Entry] = []
        if self.has_roles and len(timestamps_us):
            entries += recording.observe(self._role_rows, scan, timestamps_us)
        else:
            recording.texts.update(scan.texts)
        now_us = int(timestamps_us[0]) if len(timestamps_us) else recording.clock.utc_us(scan.ended_ns)
        process, started = recording.tracker.process_at(now_us)
        entries += started
        if recording.take_over_clock(entries):
            timestamps_us = recording.clock.utc_us(scan.monotonic_ns)
        down = self._down_slots(slot.number - slot.skipped)
        if process.process_id != self._process_id:
            self._process_id = process.process_id
            slot = self._grid.renumber(slot)
        rows = self._encoder.encode(
            process_id=process.process_id,
            timestamps_us=timestamps_us,
            values=scan.values,
            set_values=scan.set_values,
            quality=scan.quality,
        )
        row_count = len(scan.parameter_ids)
        outcome, cause = self._outcome(slot, scan)
        first_slot = slot.number - slot.skipped
        accounting = [
            *down,
            *self._spread(process, first_slot, slot.number, Outcome.SKIPPED, "overrun"),
            self._count(process, (slot.number, slot.number + 1), outcome, cause, rows=row_count),
        ]
        entry = Entry(
            kind=EntryKind.POINTS,
            header={
                "process_id": process.process_id,
                "device": scan.device,
                "interval_ms": self._interval_ms,
                "first_slot": first_slot,
                "last_slot": slot.number,
            },
            rows=rows,
            row_count=row_count,
            accounting=accounting,
            first_us=int(timestamps_us.min()) if row_count else 0,
            last_us=int(timestamps_us.max()) if row_count else 0,
            is_idle=process.kind is ProcessKind.IDLE,
        )
        recording.last_slots[self.key] = slot.number
        self._total(slot, outcome, row_count)
        recording.latest[self.key] = LatestScan(plan=self._plan, scan=scan, timestamps_us=timestamps_us)
        for look in recording.lookers:
            look(self._plan, scan)
        recording.latency.record("read", scan.ended_ns - scan.started_ns)
        recording.latency.record("decode", scan.decode_ns)
        recording.latency.record("start_delay", max(0, scan.started_ns - slot.due_ns))
        self._record_jitter(slot, scan)
        self._append([*entries, entry], scan, row_count)

    def _record_jitter(self, slot: Slot, scan: Scan) -> None:
        """How far the time from start to start is from the intervals in between."""
        if self._started is not None:
            before_ns, started_ns = self._started
            due_ns = slot.due_ns - before_ns
            self._recording.latency.record("jitter", abs(scan.started_ns - started_ns - due_ns))
        self._started = slot.due_ns, scan.started_ns

    def _append(self, entries: Sequence[Entry], scan: Scan, row_count: int) -> None:
        recording = self._recording
        submitted_ns = recording.clock.monotonic_ns()
        future = recording.spool_now(entries)
        self._unspooled.append((submitted_ns, future))

        def done(finished: "asyncio.Future[int]") -> None:
            self._unspooled.popleft()
            if finished.cancelled():
                return
            error = finished.exception()
            if isinstance(error, SpoolError):
                recording.totals.lost_rows += row_count
                recording.vitals.refused(error)
                return
            recording.vitals.appended()
            now_ns = recording.clock.monotonic_ns()
            recording.latency.record("spool", now_ns - submitted_ns)
            if len(recording.marks) < _MOST_MARKS:
                middle_ns = (scan.started_ns + scan.ended_ns) // 2
                recording.marks[finished.result()] = Mark(sampled_ns=middle_ns, spooled_ns=now_ns)

        future.add_done_callback(done)

    def _outcome(self, slot: Slot, scan: Scan) -> tuple[Outcome, str]:
        if scan.cause is not None:
            return Outcome.FAILED, scan.cause
        if scan.started_ns - slot.due_ns > self._interval_ms * 500_000:
            return Outcome.LATE, ""
        return Outcome.COMPLETED, ""

    def _down_slots(self, first_slot: int) -> list[SlotCount]:
        """After a restart: the slots for which no recorder was there, once.

        They are of the process that was in force before: it goes on, or is ended with the time of the restart.
        """
        before, self._before = self._before, -1
        resumed = self._recording.resumed
        if before < 0 or resumed is None:
            return []
        return self._spread(resumed, before + 1, first_slot, Outcome.SKIPPED, "recorder_down")

    def _spread(self, process: Process, first: int, end: int, outcome: Outcome, cause: str) -> list[SlotCount]:
        """Count the slots from `first` up to but without `end`: minute by minute, day by day beyond a day."""
        interval_us = self._interval_ms * 1000
        part_us = _MINUTE_US if (end - first) * interval_us <= _DAY_US else _DAY_US
        counts: list[SlotCount] = []
        while first < end:
            next_part_us = (first * interval_us // part_us + 1) * part_us
            upper = min(end, -(-next_part_us // interval_us))
            counts.append(self._count(process, (first, upper), outcome, cause))
            first = upper
        return counts

    def _count(
        self, process: Process, slots_at: tuple[int, int], outcome: Outcome, cause: str, *, rows: int = 0
    ) -> SlotCount:
        first, end = slots_at
        return SlotCount(
            process_id=process.process_id,
            device=self._device.name,
            interval_ms=self._interval_ms,
            minute=first * self._interval_ms * 1000 // _MINUTE_US * 60,
            outcome=outcome,
            cause=cause,
            slots=end - first,
            rows=rows,
            slots_at=(slots_at,),
        )

    def _total(self, slot: Slot, outcome: Outcome, row_count: int) -> None:
        totals = self._recording.totals
        totals.scheduled += 1 + slot.skipped
        totals.skipped += slot.skipped
        totals.rows += row_count
        match outcome:
            case Outcome.FAILED:
                totals.failed += 1
            case Outcome.LATE:
                totals.late += 1
            case _:
                totals.completed += 1
