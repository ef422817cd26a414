"""The gases in the chamber, each by V dP/dt = Q - f Q + W / tau - S P, with W what of it sticks to the walls."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

TORR_L_S_OF_1_SCCM: Final = 0.01267
"""1 sccm = 760 Torr x 1 cm3 / 60 s."""
ATMOSPHERE_TORR: Final = 760.0
_NOTHING_TORR: Final = 1e-9
"""Below this a gas is gone: of a pulse nothing is left to count, and the step stays cheap."""
_SLOW: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Wall:
    """How a gas clings to the chamber's walls.

    Attributes:
        share: of what flows in, the part that sticks at first.
        time_constant_s: in which that comes off again.
    """

    share: float = 0.0
    time_constant_s: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ChamberState:
    """What the chamber remembers.

    Attributes:
        carrier_torr: partial pressure of carrier gas and air.
        partial_torr: partial pressure of what came through each ALD valve.
        wall_torr_l: of each of these, what is on the walls and has yet to come off.
    """

    carrier_torr: float
    partial_torr: tuple[float, ...]
    wall_torr_l: tuple[float, ...]

    @property
    def pressure_torr(self) -> float:
        """True pressure, without the gauge's noise."""
        return self.carrier_torr + sum(self.partial_torr)


def at_rest(pressure_torr: float, gases: int) -> ChamberState:
    """Build a chamber that holds carrier gas alone."""
    return ChamberState(carrier_torr=pressure_torr, partial_torr=(0.0,) * gases, wall_torr_l=(0.0,) * gases)


def step(
    state: ChamberState,
    dt_us: int,
    *,
    volume_l: float,
    speed_l_s: float,
    carrier_torr_l_s: float,
    flows_torr_l_s: Sequence[float],
    walls: Sequence[Wall],
) -> ChamberState:
    """Advance by any time under constant flows.

    The exact solution of the linear equations, so a step of any length is stable and two steps of half the length
    give the same.

    Args:
        state: before.
        dt_us: length of the step.
        volume_l: of the chamber.
        speed_l_s: pumping speed at the chamber, 0 where it is shut off from the pump.
        carrier_torr_l_s: carrier, leak, and what comes back from the pump.
        flows_torr_l_s: through each ALD valve.
        walls: of each of these gases.
    """
    rate = speed_l_s / volume_l
    decay, filling_s = _pumped(rate, dt_us)
    inflow_torr_s = carrier_torr_l_s / volume_l
    carrier_torr = min(state.carrier_torr * decay + inflow_torr_s * filling_s, ATMOSPHERE_TORR)
    if not (any(flows_torr_l_s) or any(state.partial_torr) or any(state.wall_torr_l)):
        return ChamberState(carrier_torr=carrier_torr, partial_torr=state.partial_torr, wall_torr_l=state.wall_torr_l)
    partial_torr, wall_torr_l = [], []
    for torr, on_wall, flow, wall in zip(state.partial_torr, state.wall_torr_l, flows_torr_l_s, walls, strict=True):
        if torr == 0.0 and on_wall == 0.0 and flow == 0.0:
            partial_torr.append(0.0)
            wall_torr_l.append(0.0)
            continue
        wall_at_rest = wall.share * flow * wall.time_constant_s
        new_torr = torr * decay + flow / volume_l * filling_s
        new_on_wall = on_wall
        if on_wall or wall.share:
            wall_decay, coming_off_s = _desorbed(rate, dt_us, wall.time_constant_s)
            excess = on_wall - wall_at_rest
            # What sticks, wall.share * flow, and what comes off at rest are equal: only the excess is left over.
            new_torr += excess / (wall.time_constant_s * volume_l) * coming_off_s
            new_on_wall = wall_at_rest + excess * wall_decay
        if flow == 0.0 and new_torr < _NOTHING_TORR and new_on_wall < _NOTHING_TORR * volume_l:
            new_torr = new_on_wall = 0.0
        partial_torr.append(new_torr)
        wall_torr_l.append(new_on_wall)
    return ChamberState(carrier_torr=carrier_torr, partial_torr=tuple(partial_torr), wall_torr_l=tuple(wall_torr_l))


@lru_cache(maxsize=4096)
def _pumped(rate: float, dt_us: int) -> tuple[float, float]:
    """Share that is left of a pressure, and the seconds that an inflow counts for."""
    dt_s = dt_us / 1e6
    return math.exp(-rate * dt_s), (dt_s if rate < _SLOW else -math.expm1(-rate * dt_s) / rate)


@lru_cache(maxsize=4096)
def _desorbed(rate: float, dt_us: int, time_constant_s: float) -> tuple[float, float]:
    """Share that is left on the walls, and the seconds that what comes off counts for."""
    dt_s = dt_us / 1e6
    wall_rate = 1.0 / time_constant_s
    wall_decay, pump_decay = math.exp(-wall_rate * dt_s), math.exp(-rate * dt_s)
    difference = rate - wall_rate
    if abs(difference) < _SLOW:
        return wall_decay, dt_s * wall_decay
    return wall_decay, (wall_decay - pump_decay) / difference
