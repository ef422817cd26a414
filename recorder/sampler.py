"""From a slot to durable rows: scan, decide the process, encode, spool. Nothing here waits for the database."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from hal.device import Device
from hal.plan import ReadPlan
from hal.quality import FIRST_UNCERTAIN
from hal.scan import Scan
from recorder.batch import RowEncoder
from recorder.clock import Clock
from recorder.device_watch import DeviceWatch
from recorder.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.errors import SpoolError
from recorder.grid import Grid, Slot
from recorder.latency import LatencyRecorder, Mark
from recorder.process import ProcessTracker
from recorder.run import Process, ProcessKind, RoleValues
from recorder.spool import Spool

MOST_UNSPOOLED: Final = 16
"""Appends of one sampler that may wait for the disk before its next scan waits too."""
_MOST_MARKS: Final = 100_000
"""Batches whose latency is followed at once; a longer backlog is drained without."""
_MINUTE_US: Final = 60_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """Parameter ids of the process roles; None where the tool does not show one."""

    run_state: int | None = None
    run_counter: int | None = None
    recipe: int | None = None
    step: int | None = None
    cycle: int | None = None
    recipe_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class SlotTotals:
    """Slots since the daemon began, as status and demo show them."""

    scheduled: int = 0
    completed: int = 0
    late: int = 0
    failed: int = 0
    skipped: int = 0
    rows: int = 0
    lost_rows: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LatestScan:
    """The newest scan of one plan, as status and console show it; time stamps are UTC microseconds."""

    plan: ReadPlan
    scan: Scan
    timestamps_us: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleRows:
    """Where a plan reads what plays a role; worked out once, since a scan may have a thousand rows.

    Attributes:
        rows: row of the scan and parameter id, of each role that is a number.
        has_recipe: whether the recipe is read here, as number or text.
        is_empty: whether nothing of the plan plays a role.
    """

    rows: tuple[tuple[int, int], ...]
    has_recipe: bool
    is_empty: bool

    @classmethod
    def of(cls, plan: ReadPlan, roles: Roles) -> Self:
        """Look through a plan."""
        wanted = {roles.run_state, roles.run_counter, roles.recipe, roles.step, roles.cycle} - {None}
        read = {parameter.parameter_id for parameter in plan.parameters}
        return cls(
            rows=tuple((row, p.parameter_id) for row, p in enumerate(plan.rows) if p.parameter_id in wanted),
            has_recipe=roles.recipe in read,
            is_empty=not wanted & read,
        )


class Recording:
    """What all samplers share: the process in force, the spool, the clock and the counts.

    Args:
        roles: which parameters say what the tool does.
        state: `Spool.state` as an earlier run of the recorder left it.
        sleep: waits a number of seconds; the grids of all samplers use it.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        tracker: ProcessTracker,
        clock: Clock,
        latency: LatencyRecorder,
        roles: Roles,
        state: Mapping[str, Any],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.spool = spool
        self.tracker = tracker
        self.clock = clock
        self.latency = latency
        self.roles = roles
        self.sleep = sleep
        self.totals = SlotTotals()
        self.roles_seen = asyncio.Event()
        self.clock_was_moved = False
        self.marks: dict[int, Mark] = {}
        self.latest: dict[str, LatestScan] = {}
        self.texts: dict[int, str] = {}
        self._role_values: dict[int, float] = {}
        self.last_slots: dict[str, int] = dict(state.get("last_slots", {}))
        self.resumed: Process | None = tracker.current

    def state(self) -> dict[str, Any]:
        """What must be kept with the next entries."""
        return {"tracker": self.tracker.state, "last_slots": dict(self.last_slots)}

    def observe(self, role_rows: RoleRows, scan: Scan, timestamps_us: npt.NDArray[np.int64]) -> list[Entry]:
        """Let the tracker see a scan; only the scan that carries run_state or a step can change the process."""
        self.texts.update(scan.texts)
        seen = False
        for row, parameter_id in role_rows.rows:
            if scan.quality[row] >= FIRST_UNCERTAIN:
                self._role_values[parameter_id] = float(scan.values[row])
                seen = True
            else:
                # what was true of the scan before is not known to be true of this one
                self._role_values.pop(parameter_id, None)
        if role_rows.has_recipe and self.roles.recipe not in scan.texts:
            self.texts.pop(self.roles.recipe or 0, None)
        if not seen:
            return []
        self.roles_seen.set()
        return self.tracker.observe(self._role_picture(), int(timestamps_us[0]))

    def _role_picture(self) -> RoleValues:
        roles, values = self.roles, self._role_values

        def whole(parameter_id: int | None, *, bits: int = 32) -> int | None:
            value = values.get(parameter_id) if parameter_id is not None else None
            # a number that its column in the database cannot hold is nonsense of the tool, and would stop the writer
            return None if value is None or abs(value) >= 1 << (bits - 1) else round(value)

        recipe: str | None = None
        if roles.recipe is not None:
            number = whole(roles.recipe)
            recipe = self.texts.get(roles.recipe)
            if recipe is None and number is not None:
                recipe = roles.recipe_names.get(str(number), str(number))
        return RoleValues(
            run_state=values.get(roles.run_state) if roles.run_state is not None else None,
            run_counter=whole(roles.run_counter, bits=64),
            recipe=recipe,
            step=whole(roles.step),
            cycle=whole(roles.cycle),
        )

    def take_over_clock(self, entries: list[Entry]) -> bool:
        """At the start of a process, and only there, take over a wall clock that was moved.

        Args:
            entries: what is to be spooled; from the start of the process on it is moved along, in place.

        Returns:
            Whether times taken before must be worked out again.
        """
        started = [at for at, entry in enumerate(entries) if entry.header.get("event") == "run_started"]
        if not self.clock_was_moved or not started:
            return False
        self.clock_was_moved = False
        now_ns = self.clock.monotonic_ns()
        before_us = self.clock.utc_us(now_ns)
        self.clock.anchor()
        moved_us = self.clock.utc_us(now_ns) - before_us
        self.tracker.shift(moved_us)
        for at, entry in enumerate(entries[started[-1] :], start=started[-1]):
            header = {**entry.header, "started_us": entry.header["started_us"] + moved_us}
            entries[at] = replace(entry, header=header)
        return True

    def spool_now(self, entries: Sequence[Entry]) -> "asyncio.Future[int]":
        """Append entries together with the present state."""
        entries = list(entries)
        self.take_over_clock(entries)
        return self.spool.append(entries, state=self.state())


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
        self._started: tuple[int, int] | None = None
        self._encoder = RowEncoder(plan.parameter_ids)
        self._unspooled: deque[asyncio.Future[int]] = deque()
        self._role_rows = RoleRows.of(plan, recording.roles)
        self._task: asyncio.Task[None] | None = None
        self._is_waiting = False
        self._stopping = False

    @property
    def has_roles(self) -> bool:
        """Whether its scans say what the tool does."""
        return not self._role_rows.is_empty

    def stop(self) -> None:
        """End after the scan that is under way; at once where the next slot is only waited for."""
        self._stopping = True
        if self._is_waiting and self._task is not None:
            self._task.cancel()

    async def run(self) -> None:
        """Scan until stopped or cancelled; then wait until what was scanned is durable."""
        self._task = asyncio.current_task()
        try:
            while not self._stopping:
                self._is_waiting = True
                slot = await self._grid.next()
                self._is_waiting = False
                self._record(slot, self._watched(await self._device.scan(self._plan)))
                while len(self._unspooled) >= MOST_UNSPOOLED:
                    await asyncio.wait([self._unspooled[0]])
        finally:
            if self._unspooled:
                await asyncio.shield(asyncio.wait(list(self._unspooled)))

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
        slot_us = slot.number * self._interval_ms * 1000
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
            *self._down_slots(process, first_slot),
            *self._spread(process, first_slot, slot.number, Outcome.SKIPPED, "overrun"),
            self._count(process, slot_us // _MINUTE_US * 60, outcome, cause, rows=row_count),
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
        recording.latency.record("read", scan.ended_ns - scan.started_ns)
        recording.latency.record("start_delay", max(0, scan.started_ns - slot.due_ns))
        self._record_jitter(slot, scan)
        self._append([*entries, entry], scan, row_count)

    def _record_jitter(self, slot: Slot, scan: Scan) -> None:
        """How far the time from start to start is from the intervals in between."""
        if self._started is not None:
            number, started_ns = self._started
            due_ns = (slot.number - number) * self._interval_ms * 1_000_000
            self._recording.latency.record("jitter", abs(scan.started_ns - started_ns - due_ns))
        self._started = slot.number, scan.started_ns

    def _append(self, entries: Sequence[Entry], scan: Scan, row_count: int) -> None:
        recording = self._recording
        submitted_ns = recording.clock.monotonic_ns()
        future = recording.spool_now(entries)
        self._unspooled.append(future)

        def done(finished: "asyncio.Future[int]") -> None:
            self._unspooled.popleft()
            if finished.cancelled():
                return
            if isinstance(finished.exception(), SpoolError):
                recording.totals.lost_rows += row_count
                return
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

    def _down_slots(self, process: Process, first_slot: int) -> list[SlotCount]:
        """After a restart in mid-run: the slots for which no recorder was there, once, if the run still goes on."""
        before, self._before = self._before, -1
        resumed = self._recording.resumed
        if before < 0 or resumed is None or resumed.process_id != process.process_id:
            return []
        if process.kind is ProcessKind.IDLE:
            return []
        return self._spread(process, before + 1, first_slot, Outcome.SKIPPED, "recorder_down")

    def _spread(self, process: Process, first: int, end: int, outcome: Outcome, cause: str) -> list[SlotCount]:
        """Count the slots from `first` up to but without `end`, minute by minute."""
        slots_of: dict[int, int] = {}
        per_minute = max(1, _MINUTE_US // (self._interval_ms * 1000))
        number = first
        while number < end:
            minute = number * self._interval_ms * 1000 // _MINUTE_US
            next_minute_slot = -(-(minute + 1) * _MINUTE_US // (self._interval_ms * 1000))
            upper = min(end, max(next_minute_slot, number + 1), number + per_minute)
            slots_of[minute * 60] = slots_of.get(minute * 60, 0) + upper - number
            number = upper
        return [self._count(process, minute, outcome, cause, slots=slots) for minute, slots in slots_of.items()]

    def _count(
        self, process: Process, minute: int, outcome: Outcome, cause: str, *, slots: int = 1, rows: int = 0
    ) -> SlotCount:
        return SlotCount(
            process_id=process.process_id,
            device=self._device.name,
            interval_ms=self._interval_ms,
            minute=minute,
            outcome=outcome,
            cause=cause,
            slots=slots,
            rows=rows,
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
