"""One run of the recipe: which phase is in force, and what the valves do at the exact times of its changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TypeAlias

from simulator.events import EventId
from simulator.recipe import Phase, RecipeStep
from simulator.valve import ValveState, command

Valves: TypeAlias = tuple[ValveState, ...]
Happened: TypeAlias = list[tuple[int, int, float]]
"""Events for the ring: simulated time, id, value."""


class RunStatus(IntEnum):
    """The run state register. Completed and aborted stay until the next start."""

    IDLE = 0
    RUNNING = 1
    COMPLETED = 2
    ABORTED = 3


class AbortCause(IntEnum):
    """Why a run was aborted: the register ``abort_cause`` and the value of the event."""

    NONE = 0
    OPERATOR = 1
    INTERLOCK = 2
    TIMEOUT = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """The run in progress, or the last one.

    Attributes:
        counter: runs started since the PLC started.
        started_us: simulated time of the last start.
        phases: the run laid out.
        phase_index: the phase in force while running.
        phase_began_us: simulated time at which it began.
    """

    status: RunStatus = RunStatus.IDLE
    abort_cause: AbortCause = AbortCause.NONE
    counter: int = 0
    started_us: int = 0
    phases: tuple[Phase, ...] = ()
    phase_index: int = 0
    phase_began_us: int = 0

    @property
    def phase(self) -> Phase | None:
        """The phase in force; None unless running."""
        return self.phases[self.phase_index] if self.status is RunStatus.RUNNING else None


@dataclass(kw_only=True, slots=True)
class Advance:
    """What a run did within a step: filled while the step goes on, and then thrown away.

    Attributes:
        changes: set-values that its parameter steps gave.
        happened: its events.
    """

    run: RunState
    valves: Valves
    delays_us: Sequence[int]
    changes: dict[str, float] = field(default_factory=dict)
    happened: Happened = field(default_factory=list)

    def start(self, phases: tuple[Phase, ...], at_us: int) -> None:
        """Begin a new run with its first phase."""
        counter = self.run.counter + 1
        self.run = RunState(
            status=RunStatus.RUNNING, counter=counter, started_us=at_us, phases=phases, phase_began_us=at_us
        )
        self.happened.append((at_us, EventId.RUN_STARTED, counter))
        self._enter(at_us, last_cycle=0)

    def abort(self, cause: AbortCause, at_us: int) -> None:
        """End a run before its time and close the valves; harmless where none is running."""
        if self.run.status is RunStatus.RUNNING:
            self.run = replace(self.run, status=RunStatus.ABORTED, abort_cause=cause)
            self.happened.append((at_us, EventId.RUN_ABORTED, cause))
            self.set_valves((False,) * len(self.valves), at_us)

    def proceed(self, begin_us: int, end_us: int, is_reached: Callable[[RecipeStep], bool]) -> None:
        """Advance to ``end_us`` inclusive, through every change of phase on the way.

        Args:
            begin_us: where the step begins; what is waited for is looked at there.
            end_us: where it ends.
            is_reached: whether the set-value of a step that waits is reached.
        """
        while self.run.status is RunStatus.RUNNING:
            run = self.run
            step = run.phases[run.phase_index].step
            change_us = run.phase_began_us + step.duration_us
            if step.wait is not None:
                if begin_us >= run.phase_began_us + step.wait.timeout_us:
                    self.abort(AbortCause.TIMEOUT, begin_us)
                    return
                if begin_us <= run.phase_began_us or not is_reached(step):
                    return
                change_us = max(change_us, begin_us)
            if change_us > end_us:
                return
            if run.phase_index + 1 < len(run.phases):
                last_cycle = run.phases[run.phase_index].cycle_number
                self.run = replace(run, phase_index=run.phase_index + 1, phase_began_us=change_us)
                self._enter(change_us, last_cycle=last_cycle)
            else:
                self.run = replace(run, status=RunStatus.COMPLETED)
                self.happened.append((change_us, EventId.RUN_COMPLETED, run.counter))
                self.set_valves((False,) * len(self.valves), change_us)

    def set_valves(self, open_valves: Sequence[bool], at_us: int) -> None:
        """Tell the valves what to do."""
        valves = []
        for number, (valve, is_open) in enumerate(zip(self.valves, open_valves, strict=True), start=1):
            if valve.is_open == is_open:
                valves.append(valve)
                continue
            changed = command(valve, is_open=is_open, at_us=at_us, delay_us=self.delays_us[number - 1])
            valves.append(changed)
            if is_open:
                self.happened.append((at_us, EventId.VALVE_OPENED + number, 0.0))
            else:
                self.happened.append((at_us, EventId.VALVE_CLOSED + number, changed.last_width_us))
        self.valves = tuple(valves)

    def _enter(self, at_us: int, *, last_cycle: int) -> None:
        phase = self.run.phases[self.run.phase_index]
        if phase.cycle_number not in {0, last_cycle}:
            self.happened.append((at_us, EventId.CYCLE_BEGAN, phase.cycle_number))
        self.happened.append((at_us, EventId.STEP_BEGAN, phase.step_number))
        if phase.step.parameter is not None:
            self.changes[phase.step.parameter] = phase.step.value
        self.set_valves(phase.open_valves, at_us)
