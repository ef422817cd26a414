"""Which parameter of the map is which part of the plant: the values shown."""

from typing import Final

from simulator import crystal
from simulator.controls import ABORT, CYCLES, MOMENTARY, RECIPE_SELECT, SCALED_FLOW, START, VALVE_COILS
from simulator.interlock import Interlock
from simulator.surface import PASCAL_OF_1_TORR
from simulator.tool_model import GAUGES, HEATERS, MASS_FLOWS, VALVES
from simulator.tool_state import ToolState

__all__ = ["ABORT", "CYCLES", "HEATERS", "MASS_FLOWS", "RECIPE_SELECT", "START", "VALVES", "signals"]

RUN_STATE: Final = "Process/run_state"
RUN_COUNTER: Final = "Process/run_counter"
RECIPE_NAME: Final = "Process/recipe_name"
STEP_NUMBER: Final = "Process/step_number"
CYCLE_NUMBER: Final = "Process/cycle_number"
CHAMBER_PRESSURE: Final = "Process/chamber_pressure"

HEATER_TOLERANCE_C: Final = 2.0
"""At its set-value within this: the tolerance that the map gives for the reading."""
OPEN_THERMOCOUPLE_C: Final = 3276.7
"""What an input gives for a thermocouple that is open: its upper rail, the sentinel of the map."""
HEARTBEAT_US: Final = 100_000
"""The heartbeat counts tenths of a simulated second."""
WATER_L_MIN: Final = 4.2
"""Cooling water of a tool that is well [K]."""
AIR_BAR: Final = 5.5
"""Pneumatic pressure of a tool that is well [K]."""

_WORD: Final = 0x1_0000
_DOUBLE_WORD: Final = 0x1_0000_0000


def signals(state: ToolState) -> dict[str, float | str]:
    """Give the value of every parameter, in engineering units, by its name. Counters wrap as in a PLC."""
    commands, run, phase = state.controls, state.run, state.run.phase
    values: dict[str, float | str] = dict.fromkeys(MOMENTARY, 0.0)
    values |= commands.settings
    values |= {
        RUN_STATE: run.status,
        STEP_NUMBER: phase.step_number if phase else 0,
        CYCLE_NUMBER: phase.cycle_number if phase else 0,
        "Process/heartbeat": state.time_us // HEARTBEAT_US % _WORD,
        RUN_COUNTER: run.counter % _DOUBLE_WORD,
        "Process/clock": state.time_us // 1000 % _DOUBLE_WORD,
        "Process/run_started": run.started_us // 1000 % _DOUBLE_WORD,
        CHAMBER_PRESSURE: state.gauge_torr,
        RECIPE_NAME: state.recipe.name,
        "Process/lot_name": commands.settings["Process/lot_set"],
        "Process/event_head": state.events.head % _DOUBLE_WORD,
        "Process/abort_cause": run.abort_cause,
        "Process/interlock_word": int(state.interlock.word),
    }
    for name, coil, valve in zip(VALVES, VALVE_COILS, state.valves, strict=True):
        values[coil] = float(valve.is_open)
        values[f"{name}/pulse_count"] = valve.pulse_count % _DOUBLE_WORD
        values[f"{name}/last_width"] = valve.last_width_us % _DOUBLE_WORD
        values[f"{name}/peak"] = valve.peak_torr
    _show_gases(state, values)
    _show_heaters(state, values)
    _show_plasma_and_crystal(state, values)
    _show_interlocks(state, values)
    values |= commands.pending
    return values


def _show_gases(state: ToolState, values: dict[str, float | str]) -> None:
    zeros, scalings = state.instruments.zeros, state.controls.scalings
    readings = list(state.flow_readings_sccm)
    readings[0] = scalings[0].shown(readings[0], zeros[0])
    for name, flow, reading_sccm in zip(MASS_FLOWS, state.flows, readings, strict=True):
        values[f"{name}/flow_read"] = reading_sccm
        values[f"{name}/at_set_value"] = float(flow.is_settled)
    assert MASS_FLOWS[0] == SCALED_FLOW
    for place, (name, torr) in enumerate(zip(GAUGES, (state.gauge_torr, state.line_gauge_torr), strict=True), start=1):
        values[f"{name}/pressure_read"] = scalings[place].shown(torr * PASCAL_OF_1_TORR, zeros[place])
    values["Throttle Valve/position_read"] = state.vacuum.position_percent
    values["Vacuum Pump/power"] = state.vacuum.power_kw(state.line_torr)
    values["Vacuum Pump/at_speed"] = float(state.vacuum.is_at_speed)
    values["Exhaust Gate Valve/is_open"] = float(state.vacuum.is_gate_open)
    values["Nitrogen Generator/ready"] = values["Nitrogen Generator/power_on"]
    values["Nitrogen Generator/fault_status"] = 0.0
    for place, line in enumerate(state.model.lines):
        if line.bottle is not None:
            held = state.bottle_at(place)
            values[f"{line.bottle}/level"] = 100 * held.contents_torr_l / line.filling_torr_l
            values[f"{line.bottle}/vapour_pressure"] = held.pressure_torr


def _show_heaters(state: ToolState, values: dict[str, float | str]) -> None:
    broken = state.controls.faults.open_thermocouples
    for name, heater, control in zip(HEATERS, state.heaters, state.controls.heaters, strict=True):
        reading_c = OPEN_THERMOCOUPLE_C if name in broken else heater.reading_c
        values[f"{name}/pid_output"] = heater.output_percent
        values[f"{name}/temperature_read"] = reading_c
        values[f"{name}/at_set_value"] = float(abs(reading_c - control.set_value_c) <= HEATER_TOLERANCE_C)


def _show_plasma_and_crystal(state: ToolState, values: dict[str, float | str]) -> None:
    load_percent, tune_percent = state.plasma.match_percent
    values["RF Generator/forward"] = state.plasma.forward_w
    values["RF Generator/reflected"] = state.plasma.reflected_w
    values["RF Generator/bias"] = state.plasma.bias_v
    values["RF Generator/match_load"] = load_percent
    values["RF Generator/match_tune"] = tune_percent
    values["RF Generator/is_on"] = float(state.plasma.forward_w > 0.0)
    frequency_hz = state.frequency_hz
    life_percent = crystal.life_percent(frequency_hz)
    values["Quartz Crystal/frequency"] = frequency_hz
    values["Quartz Crystal/mass"] = state.mass_ng_cm2
    values["Quartz Crystal/life"] = life_percent
    values["Quartz Crystal/is_good"] = float(life_percent > 0.0)


def _show_interlocks(state: ToolState, values: dict[str, float | str]) -> None:
    word = state.interlock.word
    values["Interlock/lid_closed"] = float(not word & Interlock.LID_OPEN)
    values["Interlock/water_good"] = float(not word & Interlock.WATER_LOST)
    values["Interlock/air_good"] = float(not word & Interlock.AIR_LOST)
    values["Interlock/temperature_good"] = float(not word & Interlock.OVER_TEMPERATURE)
    faults = state.controls.faults
    values["Utilities/water_flow"] = 0.0 if faults.is_water_lost else WATER_L_MIN
    values["Utilities/air_pressure"] = 0.0 if faults.is_air_lost else AIR_BAR
