"""What a write to the map asks, and what is refused: the tool's own rules, beyond the limits of the map."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from simulator.commanded import with_settings
from simulator.controls import (
    CYCLES,
    GATE,
    MOMENTARY,
    PUMP,
    RECIPE_SELECT,
    RF_ON,
    RF_POWER,
    START,
    VALVE_COILS,
    controls,
)
from simulator.errors import DEVICE_BUSY, DEVICE_FAILURE, ILLEGAL_VALUE, RequestRefusedError
from simulator.interlock import (
    REFUSES_GATE,
    REFUSES_PUMP,
    REFUSES_RF,
    REFUSES_START,
    REFUSES_VALVES,
    Interlock,
    of_plant,
)
from simulator.run import RunStatus
from simulator.tool_model import HEATERS
from simulator.tool_state import ToolState

_GUARDS: Final = {
    START: REFUSES_START,
    RF_ON: REFUSES_RF,
    PUMP: REFUSES_PUMP,
    GATE: REFUSES_GATE,
    **dict.fromkeys(VALVE_COILS, REFUSES_VALVES),
}
"""Coils that an interlock keeps from being switched on."""


def writable(state: ToolState) -> frozenset[str]:
    """Names of the parameters that `command` understands."""
    return MOMENTARY | frozenset(VALVE_COILS) | frozenset(state.controls.settings)


def command(state: ToolState, values: Mapping[str, float | str]) -> ToolState:
    """Give the plant new set-values and commands; all of them or none.

    Args:
        state: of the tool before.
        values: by parameter name, within the limits of the map.

    Raises:
        RequestRefusedError: device busy (6) what waits for the end of a run; device failure (4) what an interlock
            keeps off; illegal value (3) a set-value beyond the limits that other registers give, or no such recipe.
    """
    word = state.interlock.word | of_plant(state.controls.faults)
    changes: dict[str, float | str] = {}
    pending = dict(state.controls.pending)
    for name, value in values.items():
        if value:
            _check_interlock(name, word, state)
        if name in MOMENTARY:
            # Only a one commands; a zero written over a one that was not taken yet does not take it back.
            if value:
                _check_busy(name, state)
                pending[name] = 1.0
        elif name in VALVE_COILS:
            _check_busy(name, state)
            pending[name] = float(bool(value))
        else:
            changes[name] = value
    changed = with_settings(state.controls, changes).settings if changes else state.controls.settings
    if RECIPE_SELECT in changes:
        number = changes[RECIPE_SELECT]
        _check_busy(RECIPE_SELECT, state)
        if not (isinstance(number, float | int) and 1 <= number <= len(state.recipes)):
            raise _refused(ILLEGAL_VALUE, f"there is no recipe {number}: 1 to {len(state.recipes)}")
        if CYCLES not in changes:
            changed = {**changed, CYCLES: state.recipes[int(number) - 1].cycles}
    _check_temperatures(changed, changes)
    if RF_POWER in changes and state.run.status is RunStatus.RUNNING:
        _check_busy(RF_POWER, state)
    return replace(state, controls=controls(changed, pending=pending, faults=state.controls.faults))


def _check_interlock(name: str, word: Interlock, state: ToolState) -> None:
    if _GUARDS.get(name, Interlock.NONE) & word:
        raise _refused(DEVICE_FAILURE, f"{name}: an interlock stands against it: {Interlock(_GUARDS[name] & word)!r}")
    for zone in state.interlock.hot_zones:
        if name == f"{HEATERS[zone]}/power_on":
            raise _refused(DEVICE_FAILURE, f"{name}: its over-temperature has not been reset")


def _check_busy(name: str, state: ToolState) -> None:
    is_busy = state.run.status is RunStatus.RUNNING or bool(state.controls.pending.get(START))
    if is_busy and (name in {START, RECIPE_SELECT, RF_POWER} or name in VALVE_COILS):
        raise _refused(DEVICE_BUSY, f"{name}: a run is going: abort it or let it end")


def _check_temperatures(settings: Mapping[str, float | str], changes: Mapping[str, float | str]) -> None:
    for name in changes:
        component, _, parameter = name.partition("/")
        if parameter == "temperature_set":
            low, value, high = (settings[f"{component}/{p}"] for p in ("temp_min_limit", parameter, "temp_max_limit"))
            assert not isinstance(low, str)
            assert not isinstance(value, str)
            assert not isinstance(high, str)
            if not low <= value <= high:
                raise _refused(ILLEGAL_VALUE, f"{name}: {value:g} is outside its limits of {low:g} and {high:g}")


def _refused(exception_code: int, reason: str) -> RequestRefusedError:
    return RequestRefusedError(exception_code=exception_code, reason=reason)
