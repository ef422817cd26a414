"""A precursor bottle: V_b dP_b/dt = -C P_b + k (P_vapour - P_b), so that fast pulses deplete it."""

import math
from dataclasses import dataclass
from typing import Final

HEADSPACE_L: Final = 0.2
"""Gas volume over the liquid, and the line to the valve [K]."""
EVAPORATION_L_S: Final = 0.1
"""Rate k at which the liquid fills the headspace again: a time constant of V_b/k = 2 s [K]."""
RESIDUE_SHARE: Final = 0.02
"""Below this share of its filling a bottle evaporates ever less, in proportion to what is left [K]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BottleState:
    """A bottle at the time at which it was last looked at; while its valve is shut it need not be.

    Attributes:
        at_us: simulated time of the other fields.
        pressure_torr: in the headspace.
        contents_torr_l: precursor left, as gas at 20 C.
        vapour_torr: what the headspace tends to, by the bottle's temperature.
    """

    at_us: int
    pressure_torr: float
    contents_torr_l: float
    vapour_torr: float


def full(*, vapour_torr: float, contents_torr_l: float) -> BottleState:
    """Build a bottle that has long been at its temperature."""
    return BottleState(at_us=0, pressure_torr=vapour_torr, contents_torr_l=contents_torr_l, vapour_torr=vapour_torr)


def step(
    state: BottleState, to_us: int, *, conductance_l_s: float, filling_torr_l: float, is_empty: bool = False
) -> tuple[BottleState, float]:
    """Advance to a simulated time with the valve open or shut all the while.

    The exact solution of the linear equation. The chamber's pressure is left out: it is a hundredth of the bottle's.

    Args:
        state: at ``state.at_us``.
        to_us: not before that.
        conductance_l_s: of the open valve; 0 where it is shut.
        filling_torr_l: contents of a full bottle; infinity for a gas line.
        is_empty: nothing evaporates any more.

    Returns:
        The bottle, and the mean flow out of it in Torr L/s.
    """
    dt_s = (to_us - state.at_us) / 1e6
    if dt_s <= 0:
        return state, 0.0
    left = min(1.0, state.contents_torr_l / (RESIDUE_SHARE * filling_torr_l)) if math.isfinite(filling_torr_l) else 1.0
    refill_l_s = 0.0 if is_empty else EVAPORATION_L_S * left
    rate = (conductance_l_s + refill_l_s) / HEADSPACE_L
    if rate == 0.0:
        mean_torr = pressure_torr = state.pressure_torr
    else:
        at_rest_torr = refill_l_s * state.vapour_torr / (conductance_l_s + refill_l_s)
        decay = math.exp(-rate * dt_s)
        excess_torr = state.pressure_torr - at_rest_torr
        pressure_torr = at_rest_torr + excess_torr * decay
        mean_torr = at_rest_torr + excess_torr * (1 - decay) / (rate * dt_s)
    flow_torr_l_s = conductance_l_s * mean_torr
    return (
        BottleState(
            at_us=to_us,
            pressure_torr=pressure_torr,
            contents_torr_l=max(state.contents_torr_l - flow_torr_l_s * dt_s, 0.0),
            vapour_torr=state.vapour_torr,
        ),
        flow_torr_l_s,
    )
