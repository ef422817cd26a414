"""Active faults of the plant, put together into the one value that the physics reads."""

import re
from collections.abc import Iterable
from typing import Final

from simulator.errors import FaultError
from simulator.fault import Fault, FaultName
from simulator.plant_faults import PlantFaults

_COMPONENTS: Final = {
    FaultName.VALVE_STUCK_CLOSED: re.compile(r"Valve \d+"),
    FaultName.VALVE_LEAKING: re.compile(r"Valve \d+"),
    FaultName.BOTTLE_EMPTY: re.compile(r"Precursor \d+"),
    FaultName.THERMOCOUPLE_OPEN: re.compile(r".* Heater"),
    FaultName.GAUGE_SATURATED: re.compile(r".*Gauge.*"),
    FaultName.FLOW_ZERO_DRIFT: re.compile(r"MFC \d+"),
}
"""How the components that can have a fault are called in a map."""


def check_component(fault: Fault, components: Iterable[str]) -> None:
    """Make sure that what is to break is there.

    Raises:
        FaultError: it is not; names what is.
    """
    pattern = _COMPONENTS.get(fault.name)
    if pattern is None:
        return
    # A bottle is a component only by its heater, "Precursor 1 Heater".
    names = {*components, *(name.removesuffix(" Heater") for name in components)}
    possible = sorted(name for name in names if pattern.fullmatch(name))
    if fault.on not in possible:
        there = f"there are {', '.join(possible)}" if possible else "and none of its kind"
        raise FaultError(f"{fault.name}: the tool has no {fault.on!r}; {there}", key="on")


def plant_faults(faults: Iterable[Fault]) -> PlantFaults:
    """Put faults together: leaks and drifts of one thing add up."""
    named: dict[FaultName, set[str]] = {name: set() for name in FaultName}
    leaking: dict[str, float] = {}
    drift: dict[str, float] = {}
    leak_torr_l_s = 0.0
    for fault in faults:
        named[fault.name].add(fault.on)
        match fault.name:
            case FaultName.VALVE_LEAKING:
                leaking[fault.on] = leaking.get(fault.on, 0.0) + fault.torr_l_s
            case FaultName.FLOW_ZERO_DRIFT:
                drift[fault.on] = drift.get(fault.on, 0.0) + fault.sccm
            case FaultName.CHAMBER_LEAK:
                leak_torr_l_s += fault.torr_l_s
            case _:
                pass
    return PlantFaults(
        stuck_closed=frozenset(named[FaultName.VALVE_STUCK_CLOSED]),
        leaking=leaking,
        empty_bottles=frozenset(named[FaultName.BOTTLE_EMPTY]),
        open_thermocouples=frozenset(named[FaultName.THERMOCOUPLE_OPEN]),
        saturated_gauges=frozenset(named[FaultName.GAUGE_SATURATED]),
        zero_drift_sccm=drift,
        chamber_leak_torr_l_s=leak_torr_l_s,
        is_lid_open=bool(named[FaultName.LID_OPEN]),
        is_water_lost=bool(named[FaultName.WATER_LOST]),
        is_air_lost=bool(named[FaultName.AIR_LOST]),
        is_frozen=bool(named[FaultName.FROZEN]),
    )
