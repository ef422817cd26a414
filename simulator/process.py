"""One pure step of the whole tool; it knows no clock, no socket and no loop.

A step is always `STEP_US` of simulated time, whatever the speed: so a run is the same for the same seed. What the
recipe does inside a step is done at its exact time, so pulses are never rounded to steps.
"""

from dataclasses import replace
from typing import Final

from simulator import commanded, gas_flow, heater, interlock, mass_flow, plasma, vacuum, valve
from simulator.controls import RESET, Controls
from simulator.events import EventId
from simulator.heater import HeaterState
from simulator.interlock import REFUSES_RF, InterlockState
from simulator.noise import normals
from simulator.recipe import Phase
from simulator.run import Advance, Happened, RunStatus, Valves
from simulator.tool_model import HEATERS
from simulator.tool_state import STEP_US, ToolState, gauge_torr, reading_noise, standby

__all__ = ["STEP_US", "ToolState", "advance", "standby", "step"]

_STEPS_A_HEATER_PERIOD: Final = round(heater.PERIOD_S * 1e6) // STEP_US
_STEPS_A_VACUUM_PERIOD: Final = vacuum.PERIOD_US // STEP_US
_HEATER_STREAM: Final = 1


def step(state: ToolState) -> ToolState:
    """Advance the tool by `STEP_US`; not at all while its PLC is frozen."""
    if state.controls.faults.is_frozen:
        return state
    begin_us = state.time_us
    end_us = begin_us + STEP_US
    index = state.step_index + 1
    going = Advance(run=state.run, valves=state.valves, delays_us=state.model.delays_us)
    commands, instruments, is_reset = state.controls, state.instruments, False
    if commands.pending:
        is_reset = bool(commands.pending.get(RESET))
        commands, instruments = commanded.take(state, going, begin_us)
    if going.run.status is RunStatus.RUNNING:
        going.proceed(begin_us, end_us, lambda waited: commanded.is_reached(state, waited))
        if going.changes:
            commands = commanded.with_settings(commands, going.changes)
    phase = going.run.phase
    valves, bottles, gases, grown = gas_flow.through(state, going.valves, begin_us, end_us)
    locked, pumping, heaters = state.interlock, state.vacuum, state.heaters
    is_due = index % _STEPS_A_VACUUM_PERIOD == 0
    if is_due:
        pumping = vacuum.step(pumping, control=commands.vacuum, pressure_torr=gases.pressure_torr)
    if is_due or is_reset:
        locked = interlock.step(
            locked, faults=commands.faults, heaters=heaters, controls=commands.heaters, is_reset=is_reset
        )
        if locked is not state.interlock:
            going.valves = valves
            commands = commanded.act(locked, state.interlock, commands, going, end_us)
            valves = going.valves
    if index % _STEPS_A_HEATER_PERIOD == 0:
        heaters = _heat(state, commands, index // _STEPS_A_HEATER_PERIOD)
        bottles = gas_flow.warm(state, bottles, valves, heaters, end_us)
    if any([each.is_open or each.closed_us + valve.PEAK_HOLD_US > begin_us for each in valves]):  # noqa: C419  (faster)
        noise = reading_noise(state.seed, index)[0]
        reading_torr = gauge_torr(gases.pressure_torr, commands=commands, model=state.model, noise=noise)
        valves = _latched(valves, reading_torr, begin_us, going.happened)
    return ToolState(
        seed=state.seed,
        step_index=index,
        model=state.model,
        recipes=state.recipes,
        controls=commands,
        run=going.run,
        valves=valves,
        bottles=bottles,
        vacuum=pumping,
        chamber=gases,
        surface=grown,
        plasma=plasma.step(
            state.plasma,
            STEP_US / 1e6,
            target_w=_power_w(phase, commands, locked),
            pressure_torr=gases.pressure_torr,
        ),
        flows=tuple(
            [
                mass_flow.step(flow, begin_us, STEP_US, set_value_sccm=sccm)
                for flow, sccm in zip(state.flows, commands.flows_sccm, strict=True)
            ]
        ),
        heaters=heaters,
        interlock=locked,
        instruments=instruments,
        events=state.events.with_events(going.happened) if going.happened else state.events,
    )


def advance(state: ToolState, steps: int) -> ToolState:
    """Advance the tool by a number of steps."""
    for _ in range(steps):
        state = step(state)
    return state


def _power_w(phase: Phase | None, commands: Controls, locked: InterlockState) -> float:
    """Power that the generator is asked for: by the recipe's step, else by hand; none against an interlock."""
    power_w = phase.step.power_w if phase is not None and phase.step.power_w else commands.rf_w
    return 0.0 if power_w and locked.word & REFUSES_RF else power_w


def _heat(state: ToolState, commands: Controls, period: int) -> tuple[HeaterState, ...]:
    noise = normals(seed=state.seed, stream=_HEATER_STREAM, index=period, width=2 * len(HEATERS))
    return tuple(
        heater.step(
            zone,
            model=model,
            control=control,
            drift_noise=drift_noise,
            white_noise=white_noise,
            is_due=period % control.period_s == 0,
            is_thermocouple_open=name in commands.faults.open_thermocouples,
        )
        for name, zone, model, control, drift_noise, white_noise in zip(
            HEATERS, state.heaters, state.model.zones, commands.heaters, noise[::2], noise[1::2], strict=True
        )
    )


def _latched(valves: Valves, gauge_torr: float, begin_us: int, happened: Happened) -> Valves:
    """Let the valves' peaks follow the gauge, and tell of those that stand from now on."""
    end_us = begin_us + STEP_US
    latched = []
    for number, each in enumerate(valves, start=1):
        follows = each.is_latching(begin_us) and gauge_torr > each.peak_torr
        latched.append(replace(each, peak_torr=gauge_torr) if follows else each)
        stands_us = each.closed_us + valve.PEAK_HOLD_US
        if each.pulse_count and not each.is_open and begin_us < stands_us <= end_us:
            happened.append((end_us, EventId.PEAK_LATCHED + number, latched[-1].peak_torr))
    return tuple(latched)
