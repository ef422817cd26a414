"""What all samplers share: the process in force, the roles that the tool plays, the spool, the clock and the counts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hal.plan import ReadPlan
from hal.quality import FIRST_UNCERTAIN
from hal.scan import Scan
from recorder.acquisition.clear_way import ClearWay
from recorder.clock.clock import Clock
from recorder.clock.kept import KeptClock
from recorder.runs.process import ProcessTracker
from recorder.runs.run import Process, RoleValues
from recorder.service.vitals import Vitals
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder, Mark


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
        clear_way: told of each scan, so that answers are given between them.

    Attributes:
        clock_was_moved: whether the wall clock was set, and the time of the process in force is no longer its own.
        is_clock_worth_waiting: what the next start is told (`recorder.clock.kept`).
        lookers: called with each plan and scan, as it was read; must not block.
        vitals: whether slots begin and reach the disk.
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
        clear_way: ClearWay | None = None,
    ) -> None:
        self.spool = spool
        self.tracker = tracker
        self.clock = clock
        self.latency = latency
        self.roles = roles
        self.sleep = sleep
        self.clear_way = clear_way or ClearWay()
        self.totals = SlotTotals()
        self.roles_seen = asyncio.Event()
        self.vitals = Vitals()
        self.clock_was_moved = False
        self.is_clock_worth_waiting = True
        self.marks: dict[int, Mark] = {}
        self.latest: dict[str, LatestScan] = {}
        self.on_spooled: Callable[[Sequence[Entry]], None] = lambda _entries: None
        self.texts: dict[int, str] = {}
        self._role_values: dict[int, float] = {}
        self.last_slots: dict[str, int] = dict(state.get("last_slots", {}))
        self.resumed: Process | None = tracker.current
        self.lookers: list[Callable[[ReadPlan, Scan], None]] = []

    @property
    def is_run_state_known(self) -> bool:
        """Whether the last scan of it could be read."""
        return self.roles.run_state in self._role_values

    def tool_set_value(self, parameter_id: int) -> float | None:
        """What the tool itself said last that a parameter shall be: its set-value register, else its own."""
        for latest in self.latest.values():
            rows = np.flatnonzero(latest.scan.parameter_ids == parameter_id)
            if len(rows):
                row = int(rows[0])
                shown = float(latest.scan.set_values[row])
                value = float(latest.scan.values[row]) if np.isnan(shown) else shown
                return None if np.isnan(value) else value
        return None

    def state(self) -> dict[str, Any]:
        """What must be kept with the next entries."""
        clock = KeptClock.of(self.clock, is_worth_waiting=self.is_clock_worth_waiting)
        return {"tracker": self.tracker.state, "last_slots": dict(self.last_slots), "clock": clock.to_plain()}

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
            entries: what is to be spooled; from the start of the process on it is moved along, in place, and the
                move is told.

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
        self.tracker.context = replace(self.tracker.context, clock_offset_us=0)
        for at, entry in enumerate(entries[started[-1] :], start=started[-1]):
            header = {**entry.header, "started_us": entry.header["started_us"] + moved_us}
            if "clock_offset_us" in header:
                header["clock_offset_us"] = 0
            entries[at] = replace(entry, header=header)
        for key, number in self.last_slots.items():
            interval_us = int(key.rpartition("/")[2]) * 1000
            self.last_slots[key] = number + moved_us // interval_us
        entries.append(self._clock_taken_over(before_us, moved_us))
        return True

    def _clock_taken_over(self, before_us: int, moved_us: int) -> Entry:
        assert self.tracker.current is not None
        header = {
            "event": "clock_taken_over",
            "occurred_us": before_us + moved_us,
            "process_id": self.tracker.current.process_id,
            "detail": {"recorder_us": before_us, "wall_us": before_us + moved_us, "moved_us": moved_us},
        }
        return Entry(kind=EntryKind.EVENT, header=header)

    def spool_now(self, entries: Sequence[Entry]) -> "asyncio.Future[int]":
        """Append entries together with the present state."""
        entries = list(entries)
        self.take_over_clock(entries)
        self.on_spooled(entries)
        return self.spool.append(entries, state=self.state())
