"""What a step does of its own accord: momentary coils, set-values of a recipe, and the interlocks' actions."""

from collections.abc import Mapping

from simulator import interlock, surface
from simulator.controls import (
    ABORT,
    CRYSTAL_ZERO,
    GATE,
    PUMP,
    RF_ON,
    RF_POWER,
    START,
    THROTTLE_POSITION,
    THROTTLE_PRESSURE,
    VALVE_COILS,
    Controls,
    controls,
    gains,
)
from simulator.events import EventId
from simulator.interlock import REFUSES_PUMP, REFUSES_RF, REFUSES_START, Interlock, InterlockState
from simulator.recipe import RecipeStep
from simulator.run import AbortCause, Advance, RunStatus
from simulator.tool_model import GAUGES, HEATERS, MASS_FLOWS, VALVES
from simulator.tool_state import Instruments, ToolState


def with_settings(commands: Controls, changes: Mapping[str, float | str]) -> Controls:
    """Give the plant new set-values."""
    return controls({**commands.settings, **changes}, pending=commands.pending, faults=commands.faults)


def take(state: ToolState, going: Advance, at_us: int) -> tuple[Controls, Instruments]:
    """Do what momentary coils and manual valves ask, and put the coils back."""
    pending, instruments = state.controls.pending, state.instruments
    changes: dict[str, float | str] = {}
    if pending.get(START):
        going.start(state.recipe.with_cycles(state.controls.cycles).phases(), at_us)
    elif any(name in pending for name in VALVE_COILS) and going.run.status is not RunStatus.RUNNING:
        flags = [bool(pending.get(name, now.is_open)) for name, now in zip(VALVE_COILS, going.valves, strict=True)]
        going.set_valves(flags, at_us)
    if pending.get(ABORT):
        going.abort(AbortCause.OPERATOR, at_us)
    for name, zone in zip(HEATERS, state.model.zones, strict=True):
        if pending.get(f"{name}/autotune_on"):
            changes |= {f"{name}/{what}": value for what, value in gains(zone).items()}
    zeros = list(instruments.zeros)
    drift_sccm = state.controls.faults.zero_drift_sccm.get(MASS_FLOWS[0], 0.0)
    signals = (
        state.flows[0].flow_sccm + drift_sccm,
        state.chamber.pressure_torr * surface.PASCAL_OF_1_TORR,
        state.line_torr * surface.PASCAL_OF_1_TORR,
    )
    for place, (name, signal) in enumerate(zip((MASS_FLOWS[0], *GAUGES), signals, strict=True)):
        if pending.get(f"{name}/zero_cal"):
            zeros[place] = signal
        if pending.get(f"{name}/span_cal"):
            zeros[place] = 0.0
    crystal_zero = state.surface.mass_ng_cm2 if pending.get(CRYSTAL_ZERO) else instruments.crystal_zero_ng_cm2
    taken = controls({**state.controls.settings, **changes}, faults=state.controls.faults)
    return taken, Instruments(zeros=tuple(zeros), crystal_zero_ng_cm2=crystal_zero)


def is_reached(state: ToolState, step: RecipeStep) -> bool:
    """Whether the reading of the parameter that a step sets is close enough to it."""
    assert step.parameter is not None
    assert step.wait is not None
    return abs(read_back(state, step.parameter) - step.value) <= step.wait.tolerance


def read_back(state: ToolState, parameter: str) -> float:
    """What the plant has reached of a set-value; of one that moves nothing, the set-value itself."""
    component, _, name = parameter.partition("/")
    if name == "temperature_set":
        return state.heaters[HEATERS.index(component)].reading_c
    if name == "flow_set":
        return state.flows[MASS_FLOWS.index(component)].flow_sccm
    if parameter == RF_POWER:
        return state.plasma.forward_w
    if parameter == THROTTLE_POSITION:
        return state.vacuum.position_percent
    if parameter == THROTTLE_PRESSURE:
        return state.chamber.pressure_torr
    value = state.controls.settings[parameter]
    assert not isinstance(value, str)
    return value


def act(now: InterlockState, before: InterlockState, commands: Controls, going: Advance, at_us: int) -> Controls:
    """Do what a change of the interlocks demands."""
    tripped = now.word & ~before.word
    cleared = before.word & ~now.word
    if tripped:
        going.happened.append((at_us, EventId.INTERLOCK_TRIPPED, now.word))
    if cleared:
        going.happened.append((at_us, EventId.INTERLOCK_CLEARED, now.word))
    changes: dict[str, float | str] = {}
    if tripped & REFUSES_START:
        going.abort(AbortCause.INTERLOCK, at_us)
    if tripped & interlock.REFUSES_VALVES:
        going.set_valves((False,) * len(VALVES), at_us)
    if tripped & REFUSES_RF:
        changes[RF_ON] = 0.0
    if tripped & REFUSES_PUMP:
        changes[PUMP] = 0.0
    if tripped & Interlock.AIR_LOST:
        changes[GATE] = 0.0
    for zone in now.hot_zones - before.hot_zones:
        changes[f"{HEATERS[zone]}/power_on"] = 0.0
    return with_settings(commands, changes) if changes else commands
