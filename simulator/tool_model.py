"""What a tool is built of: volumes, speeds, gas lines and zones, for the small tool of domain.md and for a real one."""

from dataclasses import dataclass, field
from typing import Final

from simulator.chamber import TORR_L_S_OF_1_SCCM, Wall
from simulator.crystal import CrystalModel
from simulator.heater import AMBIENT_C, HeaterModel
from simulator.precursor import DIETHYLZINC, OXYGEN, TEMAHF, TICL4, TMA, WATER, Precursor
from simulator.surface import Chemistry, chemistry
from simulator.valve import DELAY_US

HEATERS: Final = (
    "Chamber Heater",
    "Frontline Heater",
    "Backline Heater",
    "Precursor 1 Heater",
    "Precursor 2 Heater",
    "Precursor 3 Heater",
    "Precursor 4 Heater",
)
MASS_FLOWS: Final = ("MFC 1", "MFC 2")
GAUGES: Final = ("Pressure Gauge 1", "Pressure Gauge 2")
VALVES: Final = tuple(f"Valve {number}" for number in range(1, 7))
CHAMBER: Final = 0
"""The zone whose temperature the surface has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GasLine:
    """An ALD valve and what is behind it.

    Attributes:
        bottle: name by which faults and the map know it; None for a line without one.
        zone: index of the heater that the bottle has the temperature of; None for ambient.
        conductance_l_s: of the open valve.
        filling_torr_l: contents of a full bottle as gas at 20 C; infinity for a line of a house supply.
        wall: how the gas clings to the chamber.
        delay_us: from the command of the valve until gas arrives.
    """

    precursor: Precursor
    bottle: str | None
    zone: int | None
    conductance_l_s: float
    filling_torr_l: float
    wall: Wall = Wall()  # noqa: RUF009  (frozen, so it may be shared)
    delay_us: int = DELAY_US


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolModel:
    """A tool.

    Attributes:
        volume_l: of the chamber.
        pumping_speed_l_s: at the chamber, pump at speed, throttle open.
        leak_torr_l_s: air that leaks into a good chamber.
        ultimate_torr: of the pump.
        lines: one a valve.
        zones: one a heater, as `HEATERS` names them.
        set_values_c: with which the tool begins, one a zone.
        flow_set_values_sccm: one a mass flow controller, with which the tool begins.
        fixed_carrier_sccm: carrier of lines that the map does not show.
        gauge_noise_torr: standard deviation of the chamber's gauge.
        walls: of the lines, and so ``delays_us`` and ``chemistry``.
    """

    name: str
    volume_l: float
    pumping_speed_l_s: float
    leak_torr_l_s: float
    ultimate_torr: float
    lines: tuple[GasLine, ...]
    zones: tuple[HeaterModel, ...]
    set_values_c: tuple[float, ...]
    flow_set_values_sccm: tuple[float, ...]
    fixed_carrier_sccm: float
    gauge_noise_torr: float
    crystal: CrystalModel = CrystalModel()  # noqa: RUF009  (frozen, so it may be shared)
    walls: tuple[Wall, ...] = field(init=False, repr=False, compare=False)
    delays_us: tuple[int, ...] = field(init=False, repr=False, compare=False)
    chemistry: Chemistry = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Worked out once, since a step looks at them each time.
        object.__setattr__(self, "walls", tuple(line.wall for line in self.lines))
        object.__setattr__(self, "delays_us", tuple(line.delay_us for line in self.lines))
        object.__setattr__(self, "chemistry", chemistry([line.precursor for line in self.lines]))

    @property
    def carrier_sccm(self) -> float:
        """Carrier flow with which the tool begins."""
        return sum(self.flow_set_values_sccm) + self.fixed_carrier_sccm

    @property
    def base_torr(self) -> float:
        """Pressure at rest under that flow: (Q_carrier + Q_leak) / S, and what the pump cannot get below."""
        inflow_torr_l_s = self.carrier_sccm * TORR_L_S_OF_1_SCCM + self.leak_torr_l_s
        return inflow_torr_l_s / self.pumping_speed_l_s + self.ultimate_torr


_CHUCK: Final = HeaterModel(gain_c_per_percent=4.0, time_constant_s=600.0, dead_time_s=20.0)
_LINE: Final = HeaterModel(gain_c_per_percent=3.0, time_constant_s=300.0, dead_time_s=10.0)
_BOTTLE: Final = HeaterModel(gain_c_per_percent=1.5, time_constant_s=900.0, dead_time_s=30.0)
_ZONES: Final = (_CHUCK, _LINE, _LINE, _BOTTLE, _BOTTLE, _BOTTLE, _BOTTLE)
"""Chuck and bottles within the ranges of domain.md, lines [K]."""
_BOTTLE_TORR_L: Final = 12_700.0
"""50 g of TMA: 0.69 mol [K]."""
_WATER_TORR_L: Final = 50_000.0
"""50 g of water: 2.8 mol."""
_ENDLESS: Final = float("inf")
_WATER_WALL: Final = Wall(share=0.02, time_constant_s=11.0)
"""A tail of 11 s, fitted to a real tool (domain.md, Physics); its share [K]."""

SMALL_TOOL: Final = ToolModel(
    name="small tool",
    volume_l=3.0,
    pumping_speed_l_s=5.0,
    leak_torr_l_s=1e-4,
    ultimate_torr=1e-5,
    lines=(
        GasLine(precursor=TMA, bottle="Precursor 1", zone=3, conductance_l_s=0.07264, filling_torr_l=_BOTTLE_TORR_L),
        GasLine(
            precursor=WATER,
            bottle=None,
            zone=None,
            conductance_l_s=0.2143,
            filling_torr_l=_WATER_TORR_L,
            wall=_WATER_WALL,
        ),
        GasLine(precursor=TEMAHF, bottle="Precursor 2", zone=4, conductance_l_s=0.5, filling_torr_l=_BOTTLE_TORR_L),
        GasLine(precursor=TICL4, bottle="Precursor 3", zone=5, conductance_l_s=0.09, filling_torr_l=_BOTTLE_TORR_L),
        GasLine(
            precursor=DIETHYLZINC, bottle="Precursor 4", zone=6, conductance_l_s=0.1, filling_torr_l=_BOTTLE_TORR_L
        ),
        GasLine(precursor=OXYGEN, bottle=None, zone=None, conductance_l_s=0.01, filling_torr_l=_ENDLESS),
    ),
    zones=_ZONES,
    set_values_c=(200.0, 120.0, 120.0, 40.0, 70.0, 25.0, 25.0),
    flow_set_values_sccm=(10.0, 10.0),
    fixed_carrier_sccm=0.0,
    gauge_noise_torr=0.0002,
)
"""The small tool of domain.md: 3 L, 5 L/s, 20 sccm, so 51 mTorr and a time constant of 0.6 s. The conductances of TMA
and water raise the pressure by the 56 and 120 mTorr of al2o3_run in 0.1 s. Gauge noise: 0.02 % of 1 Torr [K]."""

_REAL_SPEED_L_S: Final = 110.5 * TORR_L_S_OF_1_SCCM / 1.80
_REAL_DELAY_US: Final = 850_000
"""Until a pulse shows at the gauge of al2o3_run after its valve was told to open [M]."""

REAL_RUN_TOOL: Final = ToolModel(
    name="real run",
    volume_l=0.6 * _REAL_SPEED_L_S,
    pumping_speed_l_s=_REAL_SPEED_L_S,
    leak_torr_l_s=1e-5,
    ultimate_torr=1e-5,
    lines=(
        GasLine(
            precursor=TMA,
            bottle="Precursor 1",
            zone=3,
            conductance_l_s=0.0140,
            filling_torr_l=_BOTTLE_TORR_L,
            wall=Wall(share=0.75, time_constant_s=2.9),
            delay_us=_REAL_DELAY_US,
        ),
        GasLine(
            precursor=WATER,
            bottle=None,
            zone=None,
            conductance_l_s=0.0052,
            filling_torr_l=_WATER_TORR_L,
            wall=Wall(share=0.01, time_constant_s=11.0),
            delay_us=_REAL_DELAY_US,
        ),
        *SMALL_TOOL.lines[2:],
    ),
    zones=_ZONES,
    set_values_c=(122.0, 125.4, 90.1, AMBIENT_C, AMBIENT_C, AMBIENT_C, AMBIENT_C),
    flow_set_values_sccm=(22.6, 20.0),
    fixed_carrier_sccm=67.9,
    gauge_noise_torr=0.0117,
)
"""The tool of al2o3_run: five lines of carrier, 110.5 sccm together, rest at 1.80 Torr; what comes off the walls of
its TMA, with 2.9 s, is what the gauge sees of a pulse; water leaves with V/S = 0.6 s [M]."""
