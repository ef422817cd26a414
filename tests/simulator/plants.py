"""Tools for tests: pressing their buttons, and running them through a recipe."""

from collections.abc import Mapping
from dataclasses import replace

from simulator.commands import command
from simulator.controls import ABORT, START, controls
from simulator.plant_faults import PlantFaults
from simulator.process import ToolState, standby, step
from simulator.recipe import Recipe, al2o3
from simulator.run import RunStatus


def idle(recipe: Recipe | None = None, *, seed: int = 1) -> ToolState:
    """The small tool in standby."""
    return standby(seed=seed, recipe=recipe or al2o3())


def started(state: ToolState) -> ToolState:
    """Press start."""
    return command(state, {START: 1.0})


def aborted(state: ToolState) -> ToolState:
    """Press abort."""
    return command(state, {ABORT: 1.0})


def written(state: ToolState, values: Mapping[str, float | str]) -> ToolState:
    """Write parameters by name."""
    return command(state, values)


def broken(state: ToolState, faults: PlantFaults) -> ToolState:
    """Break exactly these things."""
    old = state.controls
    return replace(state, controls=controls(old.settings, pending=old.pending, faults=faults))


def run_to_end(state: ToolState) -> list[ToolState]:
    """Collect every state of a whole run, its end included."""
    states = [step(started(state))]
    while states[-1].run.status is RunStatus.RUNNING:
        states.append(step(states[-1]))
    return states
