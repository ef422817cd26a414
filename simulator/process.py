"""The whole tool as one frozen state and one pure step; it knows no clock, no socket and no loop.

A step is always `STEP_US` of simulated time, whatever the speed: so a run is the same for the same seed. What the
recipe does inside a step is done at its exact time, so pulses are never rounded to steps.
"""

from dataclasses import dataclass, replace
from typing import Final

from simulator import chamber, heater, mass_flow, run
from simulator.chamber import ChamberState
from simulator.errors import OptionError
from simulator.heater import HeaterControl, HeaterModel, HeaterState
from simulator.mass_flow import MassFlowState
from simulator.noise import normals
from simulator.recipe import VALVES, Recipe
from simulator.run import RunState, Stretch, Valves
from simulator.valve import ValveState

STEP_US: Final = 10_000
"""Simulated microseconds of one step: twice as fine as the fastest scan interval of the map."""
GAUGE_NOISE_TORR: Final = 0.0002
"""Noise of a 1 Torr capacitance gauge, 0.02 % of full scale [K]."""

HEATER_MODELS: Final = (
    HeaterModel(gain_c_per_percent=4.0, time_constant_s=600.0, dead_time_s=20.0),
    HeaterModel(gain_c_per_percent=3.0, time_constant_s=300.0, dead_time_s=10.0),
    HeaterModel(gain_c_per_percent=3.0, time_constant_s=300.0, dead_time_s=10.0),
    HeaterModel(gain_c_per_percent=1.5, time_constant_s=900.0, dead_time_s=30.0),
)
"""Chamber, front line, back line, bottle of precursor 1: chuck and bottle within the ranges of domain.md, lines [K]."""
HEATER_SET_VALUES_C: Final = (200.0, 120.0, 120.0, 40.0)
FLOW_SET_VALUES_SCCM: Final = (10.0, 10.0)
"""The two carrier lines: 20 sccm together."""

_STEPS_A_HEATER_PERIOD: Final = round(heater.PERIOD_S * 1e6) // STEP_US
_READING_STREAM: Final = 0
_HEATER_STREAM: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Controls:
    """What the tool's registers and coils ask of the plant.

    Attributes:
        heaters: one a heated zone.
        flows_sccm: set-value of each mass flow controller.
        cycles: of the next run.
        is_start_requested: taken by the next step.
        is_abort_requested: taken by the next step, after a start.
    """

    heaters: tuple[HeaterControl, ...]
    flows_sccm: tuple[float, ...]
    cycles: int
    is_start_requested: bool = False
    is_abort_requested: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolState:
    """Everything about the tool at one simulated time.

    Attributes:
        seed: of all noise.
        step_index: steps since the PLC started.
        recipe: the one that a start runs.
    """

    seed: int
    step_index: int
    recipe: Recipe
    controls: Controls
    run: RunState
    valves: Valves
    chamber: ChamberState
    flows: tuple[MassFlowState, ...]
    heaters: tuple[HeaterState, ...]

    @property
    def time_us(self) -> int:
        """Simulated microseconds since the PLC started."""
        return self.step_index * STEP_US

    @property
    def carrier_torr_l_s(self) -> float:
        """Gas that the mass flow controllers let into the chamber."""
        return sum(flow.flow_sccm for flow in self.flows) * chamber.TORR_L_S_OF_1_SCCM

    @property
    def gauge_torr(self) -> float:
        """What the gauge reads: the chamber pressure and its noise of this step."""
        return self.chamber.pressure_torr + GAUGE_NOISE_TORR * self._reading_noise[0]

    @property
    def flow_readings_sccm(self) -> tuple[float, ...]:
        """What the mass flow controllers read: their flows and their noise of this step."""
        return tuple(map(mass_flow.reading_sccm, self.flows, self._reading_noise[1:]))

    @property
    def _reading_noise(self) -> tuple[float, ...]:
        return normals(seed=self.seed, stream=_READING_STREAM, index=self.step_index, width=1 + len(self.flows))


def standby(*, seed: int, recipe: Recipe) -> ToolState:
    """Build the tool as it waits for a run: pumped, at temperature, under carrier flow.

    Raises:
        OptionError: the seed is negative.
    """
    if seed < 0:
        raise OptionError(f"the seed must be 0 or more, not {seed}")
    flows = tuple(mass_flow.settled(sccm) for sccm in FLOW_SET_VALUES_SCCM)
    pressure_torr = chamber.base_pressure_torr(sum(FLOW_SET_VALUES_SCCM) * chamber.TORR_L_S_OF_1_SCCM)
    return ToolState(
        seed=seed,
        step_index=0,
        recipe=recipe,
        controls=Controls(
            heaters=tuple(
                heater.tuned(model, celsius) for model, celsius in zip(HEATER_MODELS, HEATER_SET_VALUES_C, strict=True)
            ),
            flows_sccm=FLOW_SET_VALUES_SCCM,
            cycles=recipe.cycles,
        ),
        run=RunState(),
        valves=(ValveState(),) * VALVES,
        chamber=ChamberState(pressure_torr=pressure_torr),
        flows=flows,
        heaters=tuple(
            heater.at_rest(model, celsius) for model, celsius in zip(HEATER_MODELS, HEATER_SET_VALUES_C, strict=True)
        ),
    )


def step(state: ToolState) -> ToolState:
    """Advance the tool by `STEP_US`."""
    begin_us = state.time_us
    controls, run_state, valves = state.controls, state.run, state.valves
    if controls.is_start_requested:
        phases = state.recipe.with_cycles(controls.cycles).phases()
        run_state, valves = run.start(run_state, valves, phases=phases, at_us=begin_us)
    if controls.is_abort_requested:
        run_state, valves = run.abort(run_state, valves, at_us=begin_us)
    if controls.is_start_requested or controls.is_abort_requested:
        controls = replace(controls, is_start_requested=False, is_abort_requested=False)
    run_state, valves, stretches = run.advance(run_state, valves, begin_us, begin_us + STEP_US)

    index = state.step_index + 1
    return ToolState(
        seed=state.seed,
        step_index=index,
        recipe=state.recipe,
        controls=controls,
        run=run_state,
        valves=valves,
        chamber=_through(stretches, state.chamber, state.carrier_torr_l_s),
        flows=tuple(
            mass_flow.step(flow, begin_us, STEP_US, set_value_sccm=sccm)
            for flow, sccm in zip(state.flows, controls.flows_sccm, strict=True)
        ),
        heaters=_heat(state, controls) if index % _STEPS_A_HEATER_PERIOD == 0 else state.heaters,
    )


def advance(state: ToolState, steps: int) -> ToolState:
    """Advance the tool by a number of steps."""
    for _ in range(steps):
        state = step(state)
    return state


def _through(stretches: list[Stretch], state: ChamberState, carrier_torr_l_s: float) -> ChamberState:
    for stretch in stretches:
        precursor_open, water_open = stretch.open_valves
        state = chamber.step(
            state,
            stretch.duration_us / 1e6,
            carrier_torr_l_s=carrier_torr_l_s,
            precursor_torr_l_s=chamber.PRECURSOR_TORR_L_S if precursor_open else 0.0,
            water_torr_l_s=chamber.WATER_TORR_L_S if water_open else 0.0,
        )
    return state


def _heat(state: ToolState, controls: Controls) -> tuple[HeaterState, ...]:
    period = (state.step_index + 1) // _STEPS_A_HEATER_PERIOD
    noise = normals(seed=state.seed, stream=_HEATER_STREAM, index=period, width=2 * len(HEATER_MODELS))
    return tuple(
        heater.step(zone, model=model, control=control, drift_noise=drift_noise, white_noise=white_noise)
        for zone, model, control, drift_noise, white_noise in zip(
            state.heaters, HEATER_MODELS, controls.heaters, noise[::2], noise[1::2], strict=True
        )
    )
