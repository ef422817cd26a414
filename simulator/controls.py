"""What registers and coils ask of the plant: set-values by the names of the map, and what the physics reads of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from simulator import heater
from simulator.analog import Scaling
from simulator.heater import HeaterControl
from simulator.plant_faults import NO_FAULTS, PlantFaults
from simulator.recipe import Recipe
from simulator.tool_model import GAUGES, HEATERS, MASS_FLOWS, VALVES, ToolModel
from simulator.vacuum import VacuumControl

Settings: TypeAlias = Mapping[str, float | str]

START: Final = "Process/start"
ABORT: Final = "Process/abort"
RESET: Final = "Process/interlock_reset"
CYCLES: Final = "Process/cycles_set"
RECIPE_SELECT: Final = "Process/recipe_select"
LOT_SET: Final = "Process/lot_set"
PUMP: Final = "Vacuum Pump/power_on"
GATE: Final = "Exhaust Gate Valve/valve_state"
NITROGEN: Final = "Nitrogen Generator/power_on"
THROTTLE_POSITION: Final = "Throttle Valve/position_set"
THROTTLE_PRESSURE: Final = "Throttle Valve/pressure_set"
THROTTLE_MODE: Final = "Throttle Valve/pressure_control"
RF_POWER: Final = "RF Generator/power_set"
RF_ON: Final = "RF Generator/power_on"
CRYSTAL_ZERO: Final = "Quartz Crystal/zero"

MASS_FLOW_FULL_SCCM: Final = 200.0
GAUGE_FULL_PA: Final = (1333.22, 100_000.0)
"""A capacitance gauge of 10 Torr at the chamber, a wide-range gauge in the pumping line."""
SCALED_FLOW: Final = MASS_FLOWS[0]
"""The mass flow controller whose scale the map has."""
MOMENTARY: Final = frozenset(
    {
        START,
        ABORT,
        RESET,
        CRYSTAL_ZERO,
        *(f"{name}/autotune_on" for name in HEATERS),
        *(f"{name}/{what}" for name in (SCALED_FLOW, *GAUGES) for what in ("zero_cal", "span_cal")),
    }
)
"""Coils that the next step takes and puts back to 0."""
VALVE_COILS: Final = tuple(f"{name}/valve_state" for name in VALVES)
_PERIOD_MS: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """What is asked of the plant at one moment.

    Attributes:
        settings: every set-value by its full name; the rest but ``pending`` and ``faults`` is worked out from it.
        pending: momentary coils and manual valves that the next step takes.
        faults: what is broken.
        heaters: one a zone.
        flows_sccm: true flow asked of each mass flow controller.
        cycles: of the next run.
        recipe_index: of the recipe that a start runs.
        rf_w: power of the plasma outside of a recipe's own steps.
        scalings: of the scaled mass flow controller and the gauges.
    """

    settings: Settings
    pending: Mapping[str, float]
    faults: PlantFaults
    heaters: tuple[HeaterControl, ...]
    flows_sccm: tuple[float, ...]
    cycles: int
    recipe_index: int
    vacuum: VacuumControl
    rf_w: float
    scalings: tuple[Scaling, ...]


def controls(
    settings: Settings, *, pending: Mapping[str, float] | None = None, faults: PlantFaults = NO_FAULTS
) -> Controls:
    """Work out what set-values ask of the plant."""
    scalings = (
        _scaling(settings, SCALED_FLOW, MASS_FLOW_FULL_SCCM),
        *(_scaling(settings, name, full) for name, full in zip(GAUGES, GAUGE_FULL_PA, strict=True)),
    )
    has_gas = bool(settings[NITROGEN])
    flows = [_number(settings, f"{name}/flow_set") for name in MASS_FLOWS]
    flows[0] = scalings[0].meant(flows[0])
    return Controls(
        settings=settings,
        pending=pending or {},
        faults=faults,
        heaters=tuple(_heater(settings, name) for name in HEATERS),
        flows_sccm=tuple(flow if has_gas else 0.0 for flow in flows),
        cycles=int(_number(settings, CYCLES)),
        recipe_index=int(_number(settings, RECIPE_SELECT)) - 1,
        vacuum=VacuumControl(
            is_pump_on=bool(settings[PUMP]),
            is_gate_open=bool(settings[GATE]) and not faults.is_air_lost,
            position_percent=_number(settings, THROTTLE_POSITION),
            pressure_torr=_number(settings, THROTTLE_PRESSURE) if settings[THROTTLE_MODE] else None,
        ),
        rf_w=_number(settings, RF_POWER) if settings[RF_ON] else 0.0,
        scalings=scalings,
    )


def initial_settings(model: ToolModel, recipe: Recipe) -> dict[str, float | str]:
    """Give the set-values with which a tool waits for its first run."""
    settings: dict[str, float | str] = {
        CYCLES: recipe.cycles,
        RECIPE_SELECT: 1,
        LOT_SET: "",
        PUMP: 1.0,
        GATE: 1.0,
        NITROGEN: 1.0,
        THROTTLE_POSITION: 100.0,
        THROTTLE_PRESSURE: 0.2,
        THROTTLE_MODE: 0.0,
        RF_POWER: 0.0,
        RF_ON: 0.0,
    }
    for name, zone, celsius in zip(HEATERS, model.zones, model.set_values_c, strict=True):
        is_bottle = name.startswith("Precursor")
        settings |= {f"{name}/{what}": value for what, value in gains(zone).items()}
        settings |= {
            f"{name}/power_on": 1.0,
            f"{name}/temperature_set": celsius,
            f"{name}/pid_period": _PERIOD_MS,
            f"{name}/temp_min_limit": 0.0,
            f"{name}/temp_max_limit": 200.0 if is_bottle else 450.0,
        }
    for name, sccm in zip(MASS_FLOWS, model.flow_set_values_sccm, strict=True):
        settings[f"{name}/flow_set"] = sccm
    for name, full in zip((SCALED_FLOW, *GAUGES), (MASS_FLOW_FULL_SCCM, *GAUGE_FULL_PA), strict=True):
        settings |= {
            f"{name}/scale_min": 0.0,
            f"{name}/scale_max": full,
            f"{name}/scale_min_voltage": 0.0,
            f"{name}/scale_max_voltage": 10.0,
        }
    return settings


def gains(zone: heater.HeaterModel) -> dict[str, float]:
    """Give the gains that a zone is tuned to, by the names of their registers."""
    tuned = heater.tuned(zone, 0.0)
    return {"kp": tuned.kp, "ki": tuned.ki, "kd": tuned.kd}


def _heater(settings: Settings, name: str) -> HeaterControl:
    return HeaterControl(
        is_on=bool(settings[f"{name}/power_on"]),
        set_value_c=_number(settings, f"{name}/temperature_set"),
        kp=_number(settings, f"{name}/kp"),
        ki=_number(settings, f"{name}/ki"),
        kd=_number(settings, f"{name}/kd"),
        period_s=max(1, round(_number(settings, f"{name}/pid_period") / _PERIOD_MS)),
        high_limit_c=_number(settings, f"{name}/temp_max_limit"),
    )


def _scaling(settings: Settings, name: str, full: float) -> Scaling:
    return Scaling(
        low=_number(settings, f"{name}/scale_min"),
        high=_number(settings, f"{name}/scale_max"),
        low_v=_number(settings, f"{name}/scale_min_voltage"),
        high_v=_number(settings, f"{name}/scale_max_voltage"),
        instrument_high=full,
    )


def _number(settings: Settings, name: str) -> float:
    value = settings[name]
    assert not isinstance(value, str)
    return value
