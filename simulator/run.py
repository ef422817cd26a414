"""One run of the recipe: which phase is in force, and what the valves do at the exact times of its changes."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

from simulator.recipe import Phase
from simulator.valve import ValveState, command

Valves: TypeAlias = tuple[ValveState, ...]


class RunStatus(IntEnum):
    """The run state register. Completed and aborted stay until the next start."""

    IDLE = 0
    RUNNING = 1
    COMPLETED = 2
    ABORTED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class RunState:
    """The run in progress, or the last one.

    Attributes:
        counter: runs started since the PLC started.
        started_us: simulated time of the last start.
        phases: the run laid out in time.
        phase_index: the phase in force while running.
    """

    status: RunStatus = RunStatus.IDLE
    counter: int = 0
    started_us: int = 0
    phases: tuple[Phase, ...] = ()
    phase_index: int = 0

    @property
    def phase(self) -> Phase | None:
        """The phase in force; None unless running."""
        return self.phases[self.phase_index] if self.status is RunStatus.RUNNING else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """A time in which no valve moves.

    Attributes:
        duration_us: its length.
        open_valves: one flag a valve.
    """

    duration_us: int
    open_valves: tuple[bool, ...]


def start(run: RunState, valves: Valves, *, phases: tuple[Phase, ...], at_us: int) -> tuple[RunState, Valves]:
    """Begin a new run with its first phase."""
    started = RunState(status=RunStatus.RUNNING, counter=run.counter + 1, started_us=at_us, phases=phases)
    return started, _set_valves(valves, phases[0].open_valves, at_us)


def abort(run: RunState, valves: Valves, *, at_us: int) -> tuple[RunState, Valves]:
    """End a run before its time and close the valves; harmless where none is running."""
    if run.status is not RunStatus.RUNNING:
        return run, valves
    return replace(run, status=RunStatus.ABORTED), _set_valves(valves, (False,) * len(valves), at_us)


def advance(run: RunState, valves: Valves, begin_us: int, end_us: int) -> tuple[RunState, Valves, list[Stretch]]:
    """Advance to ``end_us`` inclusive, through every change of phase on the way.

    Returns:
        The run and the valves at ``end_us``, and the stretches between ``begin_us`` and there.
    """
    stretches: list[Stretch] = []
    now_us = begin_us
    while run.status is RunStatus.RUNNING:
        change_us = run.started_us + run.phases[run.phase_index].end_us
        if change_us > end_us:
            break
        _append(stretches, valves, change_us - now_us)
        now_us = change_us
        if run.phase_index + 1 < len(run.phases):
            run = replace(run, phase_index=run.phase_index + 1)
            valves = _set_valves(valves, run.phases[run.phase_index].open_valves, now_us)
        else:
            run = replace(run, status=RunStatus.COMPLETED)
            valves = _set_valves(valves, (False,) * len(valves), now_us)
    _append(stretches, valves, end_us - now_us)
    return run, valves, stretches


def _append(stretches: list[Stretch], valves: Valves, duration_us: int) -> None:
    if duration_us > 0:
        stretches.append(Stretch(duration_us=duration_us, open_valves=tuple(valve.is_open for valve in valves)))


def _set_valves(valves: Valves, open_valves: tuple[bool, ...], at_us: int) -> Valves:
    return tuple(
        command(valve, is_open=is_open, at_us=at_us) for valve, is_open in zip(valves, open_valves, strict=True)
    )
