"""Everything about the tool at one simulated time, and what its instruments make of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from simulator import bottle, chamber, heater, mass_flow, plasma, surface
from simulator.bottle import BottleState
from simulator.chamber import ChamberState
from simulator.controls import NITROGEN, Controls, controls, initial_settings
from simulator.crystal import CrystalModel
from simulator.errors import OptionError
from simulator.events import EventRing
from simulator.heater import AMBIENT_C, HeaterState
from simulator.interlock import InterlockState
from simulator.mass_flow import MassFlowState
from simulator.noise import normals
from simulator.plasma import PlasmaState
from simulator.recipe import Recipe
from simulator.run import RunState, Valves
from simulator.surface import SurfaceState
from simulator.tool_model import GAUGES, MASS_FLOWS, SMALL_TOOL, VALVES, ToolModel
from simulator.vacuum import VacuumState
from simulator.valve import ValveState

STEP_US: Final = 10_000
"""Simulated microseconds of one step: twice as fine as the fastest scan interval of the map."""
LINE_GAUGE_NOISE: Final = 0.01
"""Noise of a wide-range gauge, of its reading [K]."""
_READING_STREAM: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Instruments:
    """What calibrations took off.

    Attributes:
        zeros: of the scaled mass flow controller (sccm) and the two gauges (Pa).
        crystal_zero_ng_cm2: mass at which the crystal was set to zero.
    """

    zeros: tuple[float, ...] = (0.0, 0.0, 0.0)
    crystal_zero_ng_cm2: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolState:
    """Everything about the tool at one simulated time.

    Attributes:
        seed: of all noise.
        step_index: steps since the PLC started.
        recipes: those that the recipe register chooses from, the first one by 1.
    """

    seed: int
    step_index: int
    model: ToolModel
    recipes: tuple[Recipe, ...]
    controls: Controls
    run: RunState
    valves: Valves
    bottles: tuple[BottleState, ...]
    vacuum: VacuumState
    chamber: ChamberState
    surface: SurfaceState
    plasma: PlasmaState
    flows: tuple[MassFlowState, ...]
    heaters: tuple[HeaterState, ...]
    interlock: InterlockState
    instruments: Instruments
    events: EventRing

    @property
    def time_us(self) -> int:
        """Simulated microseconds since the PLC started."""
        return self.step_index * STEP_US

    @property
    def recipe(self) -> Recipe:
        """The one that a start runs."""
        return self.recipes[self.controls.recipe_index]

    @property
    def carrier_torr_l_s(self) -> float:
        """Gas that flows into the chamber without a pulse: carrier and leak."""
        sccm = self.model.fixed_carrier_sccm if self.controls.settings[NITROGEN] else 0.0
        for flow in self.flows:
            sccm += flow.flow_sccm
        leak_torr_l_s = self.model.leak_torr_l_s + self.controls.faults.chamber_leak_torr_l_s
        return sccm * chamber.TORR_L_S_OF_1_SCCM + leak_torr_l_s

    @property
    def gauge_torr(self) -> float:
        """What the chamber's gauge gives: the pressure and its noise of this step, up to its full scale."""
        return gauge_torr(
            self.chamber.pressure_torr, commands=self.controls, model=self.model, noise=self.reading_noise[0]
        )

    @property
    def line_torr(self) -> float:
        """True pressure in the pumping line: what flows through the throttle over what the pump takes."""
        share = self.vacuum.conductance_share / max(self.vacuum.pump_share, 0.01)
        return self.model.ultimate_torr + share * self.chamber.pressure_torr

    @property
    def line_gauge_torr(self) -> float:
        """What the gauge in the pumping line gives."""
        if GAUGES[1] in self.controls.faults.saturated_gauges:
            return self.controls.scalings[2].instrument_high / surface.PASCAL_OF_1_TORR
        return self.line_torr * (1 + LINE_GAUGE_NOISE * self.reading_noise[1])

    @property
    def flow_readings_sccm(self) -> tuple[float, ...]:
        """What the mass flow controllers give: flow, drift of the zero, and noise of this step."""
        drift = self.controls.faults.zero_drift_sccm
        return tuple(
            mass_flow.reading_sccm(flow, noise) + drift.get(name, 0.0)
            for name, flow, noise in zip(MASS_FLOWS, self.flows, self.reading_noise[3:], strict=True)
        )

    @property
    def frequency_hz(self) -> float:
        """What the crystal gives."""
        return self.crystal.frequency_hz(self.surface.mass_ng_cm2, self.reading_noise[2])

    @property
    def mass_ng_cm2(self) -> float:
        """What the crystal's instrument makes of it."""
        return self.crystal.mass_ng_cm2(self.frequency_hz, self.instruments.crystal_zero_ng_cm2)

    @property
    def crystal(self) -> CrystalModel:
        """The crystal that is in."""
        return self.model.crystal

    @property
    def reading_noise(self) -> tuple[float, ...]:
        """Standard normal numbers of this step: two gauges, the crystal, the mass flow controllers."""
        return reading_noise(self.seed, self.step_index)

    def bottle_at(self, line: int) -> BottleState:
        """A bottle as it is now: while its valve is shut its state may be older."""
        if self.valves[line].lets_through:
            return self.bottles[line]
        return bottle.step(
            self.bottles[line],
            self.time_us,
            conductance_l_s=0.0,
            filling_torr_l=self.model.lines[line].filling_torr_l,
            is_empty=self.model.lines[line].bottle in self.controls.faults.empty_bottles,
        )[0]


def reading_noise(seed: int, step_index: int) -> tuple[float, ...]:
    """Standard normal numbers of a step: two gauges, the crystal, the mass flow controllers."""
    return normals(seed=seed, stream=_READING_STREAM, index=step_index, width=3 + len(MASS_FLOWS))


def gauge_torr(pressure_torr: float, *, commands: Controls, model: ToolModel, noise: float) -> float:
    """What the chamber's gauge gives of a pressure, up to its full scale; ``noise`` is a standard normal number."""
    full_torr = commands.scalings[1].instrument_high / surface.PASCAL_OF_1_TORR
    if GAUGES[0] in commands.faults.saturated_gauges:
        return full_torr
    return min(pressure_torr + model.gauge_noise_torr * noise, full_torr)


def standby(*, seed: int, recipe: Recipe, library: Sequence[Recipe] = (), model: ToolModel = SMALL_TOOL) -> ToolState:
    """Build the tool as it waits for a run: pumped, at temperature, under carrier flow.

    Args:
        seed: of all noise.
        recipe: the one that is selected.
        library: the others that can be.
        model: what the tool is built of.

    Raises:
        OptionError: the seed is negative.
    """
    if seed < 0:
        raise OptionError(f"the seed must be 0 or more, not {seed}")
    return ToolState(
        seed=seed,
        step_index=0,
        model=model,
        recipes=(recipe, *(other for other in library if other.name != recipe.name)),
        controls=controls(initial_settings(model, recipe)),
        run=RunState(),
        valves=(ValveState(),) * len(VALVES),
        bottles=tuple(
            bottle.full(
                vapour_torr=line.precursor.vapour_torr(
                    AMBIENT_C if line.zone is None else model.set_values_c[line.zone]
                ),
                contents_torr_l=line.filling_torr_l,
            )
            for line in model.lines
        ),
        vacuum=VacuumState(),
        chamber=chamber.at_rest(model.base_torr, len(model.lines)),
        surface=SurfaceState(),
        plasma=plasma.OFF,
        flows=tuple(mass_flow.settled(sccm) for sccm in model.flow_set_values_sccm),
        heaters=tuple(heater.at_rest(zone, c) for zone, c in zip(model.zones, model.set_values_c, strict=True)),
        interlock=InterlockState(),
        instruments=Instruments(),
        events=EventRing(),
    )


def restarted(state: ToolState) -> ToolState:
    """Give the tool as it is after its PLC has lost its supply and come back.

    Counters, clock, run and events begin anew and the valves have fallen shut; pressures, temperatures, surface and
    set-values stay.
    """
    return replace(
        state,
        step_index=0,
        controls=controls(state.controls.settings, faults=state.controls.faults),
        run=RunState(),
        valves=(ValveState(),) * len(VALVES),
        bottles=tuple(replace(state.bottle_at(line), at_us=0) for line in range(len(state.bottles))),
        flows=tuple(replace(flow, pending=()) for flow in state.flows),
        interlock=InterlockState(),
        events=EventRing(),
    )
