"""What is broken in the plant: set on cue from outside, read by `simulator.process.step` from the tool's controls.

Faults of the plant act on the physics and the sensors, so that all that follows from them (pressures, mass, outputs,
interlocks) follows by itself. Faults of the communication are in `simulator.wire_faults`: the plant knows none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, kw_only=True, slots=True)
class PlantFaults:
    """Everything that is broken at one moment; lies in `simulator.process.Controls` as ``faults``.

    Things are named as the map names its components: ``Valve 1``, ``Precursor 1``, ``Chamber Heater``,
    ``Pressure Gauge 1``, ``MFC 1``.

    Attributes:
        stuck_closed: valves that let nothing through, though they are commanded and counted as ever.
        leaking: valve to the Torr L/s that it lets through while closed.
        empty_bottles: precursors whose bottle gives no vapour any more: pulse heights fall cycle by cycle.
        open_thermocouples: heaters whose reading stands at its upper rail or sentinel. Their controller, told nothing
            of it, drives its output to 100 % (its burnout action is upscale only in the reading, so the loop sees a
            cold zone).
        saturated_gauges: gauges that read flat at full scale.
        zero_drift_sccm: mass flow controller to what its reading is off by, also at set-value 0.
        chamber_leak_torr_l_s: air that leaks into the chamber.
        is_lid_open: the chamber's lid is open: an interlock, and air.
        is_water_lost: no cooling water flows: an interlock.
        is_air_lost: the pneumatic pressure is gone: an interlock, and no valve moves.
        is_frozen: the PLC has stopped its program: time, plant and every register stand still, but it answers.
    """

    stuck_closed: frozenset[str] = frozenset()
    leaking: Mapping[str, float] = field(default_factory=dict)
    empty_bottles: frozenset[str] = frozenset()
    open_thermocouples: frozenset[str] = frozenset()
    saturated_gauges: frozenset[str] = frozenset()
    zero_drift_sccm: Mapping[str, float] = field(default_factory=dict)
    chamber_leak_torr_l_s: float = 0.0
    is_lid_open: bool = False
    is_water_lost: bool = False
    is_air_lost: bool = False
    is_frozen: bool = False


NO_FAULTS: Final = PlantFaults()
"""Nothing is broken."""
