"""Which parameter of the map is which part of the plant: the values shown, and what a write changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from simulator.errors import DEVICE_BUSY, RequestRefusedError
from simulator.heater import HeaterControl
from simulator.process import Controls, ToolState
from simulator.run import RunStatus

HEATERS: Final = ("Chamber Heater", "Frontline Heater", "Backline Heater", "Precursor 1 Heater")
MASS_FLOWS: Final = ("MFC 1", "MFC 2")
VALVES: Final = ("Valve 1", "Valve 2")
START: Final = "Process/start"
ABORT: Final = "Process/abort"
RUN_STATE: Final = "Process/run_state"
RUN_COUNTER: Final = "Process/run_counter"
RECIPE_NAME: Final = "Process/recipe_name"
STEP_NUMBER: Final = "Process/step_number"
CYCLE_NUMBER: Final = "Process/cycle_number"
CHAMBER_PRESSURE: Final = "Process/chamber_pressure"

HEATER_TOLERANCE_C: Final = 2.0
"""At its set-value within this: the tolerance that the map gives for the reading."""
HEARTBEAT_US: Final = 100_000
"""The heartbeat counts tenths of a simulated second."""

_WORD: Final = 0x1_0000
_DOUBLE_WORD: Final = 0x1_0000_0000
_HEATER_FIELDS: Final = ("temperature_set", "kp", "ki", "kd", "power_on")


def signals(state: ToolState) -> dict[str, float | str]:
    """Give the value of every parameter, in engineering units, by its name. Counters wrap as in a PLC."""
    run, phase = state.run, state.run.phase
    gauge_torr = state.gauge_torr
    values: dict[str, float | str] = {
        RUN_STATE: run.status,
        STEP_NUMBER: phase.step_number if phase else 0,
        CYCLE_NUMBER: phase.cycle_number if phase else 0,
        "Process/heartbeat": state.time_us // HEARTBEAT_US % _WORD,
        RUN_COUNTER: run.counter % _DOUBLE_WORD,
        "Process/clock": state.time_us // 1000 % _DOUBLE_WORD,
        "Process/run_started": run.started_us // 1000 % _DOUBLE_WORD,
        CHAMBER_PRESSURE: gauge_torr,
        RECIPE_NAME: state.recipe.name,
        "Process/cycles_set": state.controls.cycles,
        START: float(state.controls.is_start_requested),
        ABORT: float(state.controls.is_abort_requested),
        "Pressure Gauge 1/pressure_read": gauge_torr,
    }
    for name, valve in zip(VALVES, state.valves, strict=True):
        values[f"{name}/valve_state"] = float(valve.is_open)
        values[f"{name}/pulse_count"] = valve.pulse_count % _DOUBLE_WORD
        values[f"{name}/last_width"] = valve.last_width_us % _DOUBLE_WORD
    for name, flow, reading_sccm, set_value_sccm in zip(
        MASS_FLOWS, state.flows, state.flow_readings_sccm, state.controls.flows_sccm, strict=True
    ):
        values[f"{name}/flow_set"] = set_value_sccm
        values[f"{name}/flow_read"] = reading_sccm
        values[f"{name}/at_set_value"] = float(flow.is_settled)
    for name, heater, control in zip(HEATERS, state.heaters, state.controls.heaters, strict=True):
        values[f"{name}/power_on"] = float(control.is_on)
        values[f"{name}/temperature_set"] = control.set_value_c
        values[f"{name}/kp"] = control.kp
        values[f"{name}/ki"] = control.ki
        values[f"{name}/kd"] = control.kd
        values[f"{name}/pid_output"] = heater.output_percent
        values[f"{name}/temperature_read"] = heater.reading_c
        values[f"{name}/at_set_value"] = float(abs(heater.reading_c - control.set_value_c) <= HEATER_TOLERANCE_C)
    return values


def writable() -> frozenset[str]:
    """Names of the parameters that `command` understands."""
    heaters = {f"{name}/{field}" for name in HEATERS for field in _HEATER_FIELDS}
    return frozenset({START, ABORT, "Process/cycles_set", *heaters, *(f"{name}/flow_set" for name in MASS_FLOWS)})


def command(state: ToolState, values: Mapping[str, float]) -> ToolState:
    """Give the plant new set-values and commands; all of them or none.

    Args:
        state: of the tool before.
        values: by parameter name, within the limits of the map.

    Raises:
        RequestRefusedError: a start while a run is going or about to.
    """
    controls = state.controls
    is_start, is_abort = bool(values.get(START)), bool(values.get(ABORT))
    if is_start and (state.run.status is RunStatus.RUNNING or controls.is_start_requested):
        raise RequestRefusedError(exception_code=DEVICE_BUSY, reason="a run is going: abort it or let it end")
    commanded = Controls(
        heaters=tuple(_heater(control, name, values) for name, control in zip(HEATERS, controls.heaters, strict=True)),
        flows_sccm=tuple(
            values.get(f"{name}/flow_set", sccm) for name, sccm in zip(MASS_FLOWS, controls.flows_sccm, strict=True)
        ),
        cycles=int(values.get("Process/cycles_set", controls.cycles)),
        is_start_requested=controls.is_start_requested or is_start,
        is_abort_requested=controls.is_abort_requested or is_abort,
    )
    return replace(state, controls=commanded)


def _heater(control: HeaterControl, name: str, values: Mapping[str, float]) -> HeaterControl:
    return HeaterControl(
        is_on=bool(values.get(f"{name}/power_on", control.is_on)),
        set_value_c=values.get(f"{name}/temperature_set", control.set_value_c),
        kp=values.get(f"{name}/kp", control.kp),
        ki=values.get(f"{name}/ki", control.ki),
        kd=values.get(f"{name}/kd", control.kd),
    )
