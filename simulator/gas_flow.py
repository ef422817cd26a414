"""Gas through one step of the tool: out of the bottles, through the valves, over the surface, into the pump."""

from dataclasses import replace
from typing import Final

from simulator import bottle, chamber, surface, valve
from simulator.bottle import BottleState
from simulator.chamber import ChamberState
from simulator.heater import HeaterState
from simulator.run import Valves
from simulator.surface import SurfaceState
from simulator.tool_model import CHAMBER, VALVES
from simulator.tool_state import ToolState

_SHUT: Final = (0.0,) * len(VALVES)


def through(
    state: ToolState, valves: Valves, begin_us: int, end_us: int
) -> tuple[Valves, tuple[BottleState, ...], ChamberState, SurfaceState]:
    """Lead gas through the step, stretch by stretch between the movements of valves."""
    gases, grown, bottles = state.chamber, state.surface, state.bottles
    moves = sorted({at_us for each in valves for at_us, _ in each.moves if at_us <= end_us})
    now_us = begin_us
    for until_us in (*moves, end_us):
        if until_us > now_us:
            bottles, gases, grown = _stretch(state, valves, bottles, gases, grown, begin_us=now_us, end_us=until_us)
            now_us = until_us
        if moves:
            valves = tuple(valve.moved(each, now_us) if each.moves else each for each in valves)
    return valves, bottles, gases, grown


def _stretch(
    state: ToolState,
    valves: Valves,
    bottles: tuple[BottleState, ...],
    gases: ChamberState,
    grown: SurfaceState,
    *,
    begin_us: int,
    end_us: int,
) -> tuple[tuple[BottleState, ...], ChamberState, SurfaceState]:
    model, faults = state.model, state.controls.faults
    flows_torr_l_s: tuple[float, ...] | list[float] = _SHUT
    if faults.leaking or any([each.lets_through for each in valves]):  # noqa: C419  (of six a list is faster)
        bottles, flows_torr_l_s = _flow(state, valves, bottles, begin_us, end_us)
    speed_l_s = model.pumping_speed_l_s * state.vacuum.conductance_share
    after = chamber.step(
        gases,
        end_us - begin_us,
        volume_l=model.volume_l,
        speed_l_s=speed_l_s,
        carrier_torr_l_s=state.carrier_torr_l_s + speed_l_s * model.ultimate_torr,
        flows_torr_l_s=flows_torr_l_s,
        walls=model.walls,
    )
    if faults.is_lid_open:
        after = chamber.at_rest(chamber.ATMOSPHERE_TORR, len(model.lines))
    if after.partial_torr is not gases.partial_torr:
        grown = surface.step(
            grown,
            (end_us - begin_us) / 1e6,
            gases=model.chemistry,
            partial_torr=[
                (before + then) / 2 if before or then else 0.0
                for before, then in zip(gases.partial_torr, after.partial_torr, strict=True)
            ],
            celsius=state.heaters[CHAMBER].temperature_c,
            dissociation=state.plasma.dissociation if state.plasma.forward_w else 0.0,
        )
    return bottles, after, grown


def _flow(
    state: ToolState, valves: Valves, bottles: tuple[BottleState, ...], begin_us: int, end_us: int
) -> tuple[tuple[BottleState, ...], list[float]]:
    """What flows through each valve, and what is then left in the bottles."""
    faults = state.controls.faults
    left, flows = [], []
    for name, line, is_open, each in zip(
        VALVES, state.model.lines, [each.lets_through for each in valves], bottles, strict=True
    ):
        is_open = is_open and name not in faults.stuck_closed  # noqa: PLW2901
        after, flow = each, 0.0
        if is_open:
            empty = line.bottle in faults.empty_bottles
            filling = line.filling_torr_l
            shut, _ = bottle.step(each, begin_us, conductance_l_s=0.0, filling_torr_l=filling, is_empty=empty)
            after, flow = bottle.step(
                shut, end_us, conductance_l_s=line.conductance_l_s, filling_torr_l=filling, is_empty=empty
            )
        left.append(after)
        flows.append(flow if is_open else faults.leaking.get(name, 0.0))
    return tuple(left), flows


def warm(
    state: ToolState, bottles: tuple[BottleState, ...], valves: Valves, heaters: tuple[HeaterState, ...], at_us: int
) -> tuple[BottleState, ...]:
    """Let the vapour pressures follow the temperatures of the bottles."""
    warmed = []
    for line, each, plunger in zip(state.model.lines, bottles, valves, strict=True):
        if line.zone is None:
            warmed.append(each)
            continue
        now = each
        if not plunger.lets_through:
            empty = line.bottle in state.controls.faults.empty_bottles
            now, _ = bottle.step(each, at_us, conductance_l_s=0.0, filling_torr_l=line.filling_torr_l, is_empty=empty)
        warmed.append(replace(now, vapour_torr=line.precursor.vapour_torr(heaters[line.zone].temperature_c)))
    return tuple(warmed)
