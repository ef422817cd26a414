"""The one place that decides which process, step and cycle a scan belongs to.

Pure: it is told what was read and when, and answers with entries for the spool. Its whole state is plain data, kept in
the spool together with those entries, so that a crash loses neither or both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any, Final

from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import Process, ProcessKind, ProcessStatus, RoleValues, RunContext, RunLabels, Step
from recorder.spool.entry import Entry, EntryKind

_DAY_US: Final = 86_400_000_000


class ProcessTracker:
    """Follows runs, steps and cycles.

    Args:
        running_values: values of run_state that count as running.
        aborted_values: values of run_state that say how a run ended.
        has_run_state: False where the tool says nothing and all runs are manual.
        state: what `state` gave before a restart; empty at the very first start.
    """

    def __init__(
        self,
        *,
        mint: ProcessIdMint,
        context: RunContext,
        has_run_state: bool,
        running_values: Sequence[float] = (1.0,),
        aborted_values: Sequence[float] = (),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._mint = mint
        self.context = context
        self._has_run_state = has_run_state
        self._running_values = frozenset(running_values)
        self._aborted_values = frozenset(aborted_values)
        self._steps: dict[str, Step] = {}
        self._stopped_counter: int | None = None
        self._stopped_while_running = False
        self._is_tool_running = False
        self._tool_counter: int | None = None
        self._latest_us = 0
        self._has_tool_restarted = False
        self._is_idle_over = False
        self.current: Process | None = None
        if state:
            self._restore(state)

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._mint.last = max(self._mint.last, state["last_process_id"])
        self._stopped_counter = state["stopped_counter"]
        self._stopped_while_running = state["stopped_while_running"]
        self._is_tool_running = state["is_tool_running"]
        self._tool_counter = state["tool_counter"]
        self._latest_us = state["latest_us"]
        if state["current"] is None:
            return
        kept = dict(state["current"])
        kept["kind"] = ProcessKind(kept["kind"])
        kept["labels"] = RunLabels(**kept["labels"])
        kept["confirmed"] = kept["kind"] is not ProcessKind.RECIPE
        self.current = Process(**kept)
        self._steps = {kind: Step(**step) for kind, step in state["steps"].items()}

    @property
    def state(self) -> dict[str, Any]:
        """All that must survive a crash, as JSON-able data."""
        return {
            "last_process_id": self._mint.last,
            "stopped_counter": self._stopped_counter,
            "stopped_while_running": self._stopped_while_running,
            "is_tool_running": self._is_tool_running,
            "tool_counter": self._tool_counter,
            "latest_us": self._latest_us,
            "current": None if self.current is None else _as_data(self.current),
            "steps": {kind: _as_data(step) for kind, step in self._steps.items()},
        }

    @property
    def is_tool_running(self) -> bool:
        """Whether the tool said last that it runs a recipe."""
        return self._is_tool_running

    @property
    def step(self) -> int | None:
        """Number of the step under way."""
        return self._steps["step"].number if "step" in self._steps else None

    @property
    def cycle(self) -> int | None:
        """Number of the cycle under way."""
        return self._steps["cycle"].number if "cycle" in self._steps else None

    def process_at(self, now_us: int) -> tuple[Process, list[Entry]]:
        """The process that a slot belongs to, and what must be spooled before its rows.

        Args:
            now_us: UTC microseconds of the slot.
        """
        entries: list[Entry] = []
        current = self.current
        if current is not None and current.kind is ProcessKind.IDLE:
            # only forward: around midnight the scans of two devices come in either order
            if self._is_idle_over or current.started_us // _DAY_US < now_us // _DAY_US:
                entries += self._end(ProcessStatus.COMPLETED, now_us)
        elif current is not None and current.kind is ProcessKind.RECIPE and not self._has_run_state:
            # the configuration no longer names a run state, so nobody would ever end it
            entries += self._end(ProcessStatus.UNKNOWN_END, now_us)
        if self.current is None:
            entries += self._begin(ProcessKind.IDLE, now_us)
        assert self.current is not None
        return self.current, entries

    def observe(self, roles: RoleValues, now_us: int) -> list[Entry]:
        """Take in what the tool says; returns what must be spooled, in order.

        Args:
            roles: values of one scan.
            now_us: UTC microseconds at which they were read.
        """
        entries: list[Entry] = []
        if self._has_run_state and roles.run_state is not None:
            entries += self._follow_tool(roles, now_us)
        if self.current is not None and self.current.kind is not ProcessKind.IDLE and self.current.confirmed:
            entries += self._follow_step("step", roles.step, now_us)
            entries += self._follow_step("cycle", roles.cycle or None, now_us, ends_with=roles.cycle == 0)
        return entries

    def tool_restarted(self) -> None:
        """Doubt the tool's run until the tool has said whether it goes on: by its counter, as after our own restart."""
        if self.current is not None and self.current.kind is ProcessKind.RECIPE:
            self.current = replace(self.current, confirmed=False)
            self._has_tool_restarted = True

    def _follow_tool(self, roles: RoleValues, now_us: int) -> list[Entry]:
        running = roles.run_state in self._running_values
        self._is_tool_running = running
        if roles.run_counter is not None:
            self._tool_counter = roles.run_counter
        if not running:
            self._stopped_while_running = False
        current = self.current
        if current is not None and current.kind is ProcessKind.MANUAL:
            return []  # the operator's run is the operator's to end
        entries: list[Entry] = []
        if current is not None and current.kind is ProcessKind.RECIPE:
            if running and self._goes_on(current, roles.run_counter):
                self._has_tool_restarted = False
                return []
            entries += self._end(ProcessStatus.UNKNOWN_END if running else self._tools_end(current, roles), now_us)
        if not running or self._is_stopped(roles.run_counter):
            return entries
        self._stopped_while_running = False
        if self.current is not None:
            entries += self._end(ProcessStatus.COMPLETED, now_us)
        return entries + self._begin(ProcessKind.RECIPE, now_us, recipe=roles.recipe or "", counter=roles.run_counter)

    def _goes_on(self, current: Process, counter: int | None) -> bool:
        """Whether the run that the tool runs is the one that is recorded; a counter that was not read denies nothing.

        After a restart in mid-run without a counter nobody can know, and it does not.
        """
        if current.counter is None:
            if current.confirmed:
                self.current = replace(current, counter=counter)
            return current.confirmed
        if counter == current.counter:
            self.current = replace(current, confirmed=True)
        return counter in {current.counter, None}

    def _tools_end(self, current: Process, roles: RoleValues) -> ProcessStatus:
        if self._has_tool_restarted and roles.run_state not in self._aborted_values:
            return ProcessStatus.UNKNOWN_END  # a run that a restart ended was not completed
        if not current.confirmed and (current.counter is None or roles.run_counter != current.counter):
            return ProcessStatus.UNKNOWN_END
        return ProcessStatus.ABORTED if roles.run_state in self._aborted_values else ProcessStatus.COMPLETED

    def _is_stopped(self, counter: int | None) -> bool:
        """Whether the operator ended the recording of the run that the tool still runs."""
        if self._stopped_while_running and self._stopped_counter is None:
            self._stopped_counter = counter
        return self._stopped_while_running and counter in {self._stopped_counter, None}

    def start_manual(self, now_us: int, *, recipe: str = "", labels: RunLabels | None = None) -> list[Entry]:
        """An operator starts a run.

        Raises:
            ValueError: a run is under way.
        """
        if self.current is not None and self.current.kind is not ProcessKind.IDLE:
            raise ValueError(f"run {self.current.process_id} is under way; stop it first: ald-recorder runs stop")
        entries = [] if self.current is None else self._end(ProcessStatus.COMPLETED, now_us)
        return entries + self._begin(ProcessKind.MANUAL, now_us, recipe=recipe, labels=labels or RunLabels())

    def stop(self, now_us: int) -> list[Entry]:
        """An operator ends the recording of the run, whatever the tool says.

        Raises:
            ValueError: no run is under way.
        """
        if self.current is None or self.current.kind is ProcessKind.IDLE:
            raise ValueError("no run is under way")
        if self.current.kind is ProcessKind.RECIPE:
            self._stopped_counter = self.current.counter
            self._stopped_while_running = True
        elif self._is_tool_running:
            # what the operator recorded by hand was this run of the tool; a second recording of it is not asked for
            self._stopped_counter = self._tool_counter
            self._stopped_while_running = True
        return self._end(ProcessStatus.STOPPED, now_us)

    def end_idle(self) -> None:
        """Let the next slot end an idle time and begin another; a run is left alone."""
        self._is_idle_over = True

    def _begin(
        self,
        kind: ProcessKind,
        now_us: int,
        *,
        recipe: str = "",
        counter: int | None = None,
        labels: RunLabels | None = None,
    ) -> list[Entry]:
        labels = labels or RunLabels()
        process = Process(
            process_id=self._mint.mint(now_us),
            kind=kind,
            started_us=now_us,
            recipe=recipe,
            counter=counter,
            labels=labels,
        )
        self.current = process
        self._is_idle_over = False
        self._latest_us = now_us
        header = {
            "event": "run_started",
            "process_id": process.process_id,
            "kind": kind,
            "recipe": recipe,
            "run_counter": counter,
            "started_us": now_us,
            **asdict(labels),
            **asdict(self.context),
        }
        return [Entry(kind=EntryKind.PROCESS, header=header)]

    def _end(self, status: ProcessStatus, now_us: int) -> list[Entry]:
        assert self.current is not None
        entries = [self._end_step(kind, now_us) for kind in tuple(self._steps)]
        header = {
            "event": "run_ended",
            "process_id": self.current.process_id,
            "status": status,
            "ended_us": self._forward(now_us),
            "clock_offset_us": self.context.clock_offset_us,
        }
        self.current = None
        self._has_tool_restarted = False
        return [*entries, Entry(kind=EntryKind.PROCESS, header=header)]

    def _follow_step(self, kind: str, number: int | None, now_us: int, *, ends_with: bool = False) -> list[Entry]:
        assert self.current is not None
        under_way = self._steps.get(kind)
        if ends_with and under_way is not None:
            return [self._end_step(kind, now_us)]
        if number is None or (under_way is not None and under_way.number == number):
            return []
        entries = [] if under_way is None else [self._end_step(kind, now_us)]
        now_us = self._forward(now_us)
        self._steps[kind] = Step(number=number, started_us=now_us)
        header = {
            "event": "step_started",
            "process_id": self.current.process_id,
            "kind": kind,
            "number": number,
            "started_us": now_us,
        }
        return [*entries, Entry(kind=EntryKind.PROCESS, header=header)]

    def _end_step(self, kind: str, now_us: int) -> Entry:
        assert self.current is not None
        step = self._steps.pop(kind)
        header = {
            "event": "step_ended",
            "process_id": self.current.process_id,
            "kind": kind,
            "started_us": step.started_us,
            "ended_us": self._forward(now_us),
        }
        return Entry(kind=EntryKind.PROCESS, header=header)

    def _forward(self, now_us: int) -> int:
        """The time, but never before what the process in force has been told already."""
        self._latest_us = max(self._latest_us, now_us)
        return self._latest_us

    def shift(self, moved_us: int) -> None:
        """Move the process that has just begun, because the clock was set by so many microseconds at its start."""
        assert self.current is not None
        self.current = replace(self.current, started_us=self.current.started_us + moved_us)
        self._steps = {kind: replace(step, started_us=step.started_us + moved_us) for kind, step in self._steps.items()}
        self._latest_us += moved_us


@lru_cache(maxsize=16)
def _as_data(part: Process | Step) -> Mapping[str, Any]:
    """What stands in the state, which is asked for at each scan and nearly always the same; nobody may change it."""
    return asdict(part)
