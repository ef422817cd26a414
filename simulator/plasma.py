"""The radio-frequency plasma: forward and reflected power, bias, and the two capacitors of the matching network."""

import math
from dataclasses import dataclass
from typing import Final

RAMP_S: Final = 0.05
"""The generator reaches its power in tenths of a second [K]."""
TUNING_S: Final = 0.3
"""Time constant of an automatic matching network [K]."""
COLD_POSITIONS_PERCENT: Final = (50.0, 50.0)
MATCHED_POSITIONS_PERCENT: Final = (62.0, 41.0)
"""Where load and tune capacitor stand before and after they have found the plasma [K]."""
MATCHED_REFLECTION: Final = 0.005
BIAS_V_OF_ROOT_W: Final = 14.0
"""Self-bias grows as the root of the power: 242 V at 300 W [K]."""
FULL_DISSOCIATION_W: Final = 100.0
IGNITION_LOW_TORR: Final = 0.01
IGNITION_HIGH_TORR: Final = 5.0
"""A plasma burns between these pressures only [K]."""
_OFF_W: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class PlasmaState:
    """Generator and matching network.

    Attributes:
        forward_w: power that the generator gives.
        mismatch: how far the capacitors are from where they should be: 1 cold, 0 matched.
    """

    forward_w: float = 0.0
    mismatch: float = 1.0

    @property
    def reflected_w(self) -> float:
        """Power that comes back."""
        return self.forward_w * (MATCHED_REFLECTION + (1 - MATCHED_REFLECTION) * self.mismatch**2)

    @property
    def bias_v(self) -> float:
        """Self-bias of the electrode."""
        return BIAS_V_OF_ROOT_W * math.sqrt(max(self.forward_w - self.reflected_w, 0.0))

    @property
    def match_percent(self) -> tuple[float, float]:
        """Positions of load and tune capacitor."""
        load, tune = (
            matched + (cold - matched) * self.mismatch
            for cold, matched in zip(COLD_POSITIONS_PERCENT, MATCHED_POSITIONS_PERCENT, strict=True)
        )
        return load, tune

    @property
    def dissociation(self) -> float:
        """Share of the gas that the plasma makes reactive, of what full power would."""
        return -math.expm1(-(self.forward_w - self.reflected_w) / FULL_DISSOCIATION_W)


OFF: Final = PlasmaState()


def step(state: PlasmaState, dt_s: float, *, target_w: float, pressure_torr: float) -> PlasmaState:
    """Advance; outside of the ignition pressures nothing is matched, and all of the power comes back."""
    if target_w == 0.0 and state.forward_w == 0.0:
        return state
    forward_w = target_w + (state.forward_w - target_w) * math.exp(-dt_s / RAMP_S)
    if target_w == 0.0 and forward_w < _OFF_W:
        return PlasmaState(forward_w=0.0, mismatch=state.mismatch)
    burns = IGNITION_LOW_TORR <= pressure_torr <= IGNITION_HIGH_TORR
    goal = 0.0 if burns else 1.0
    return PlasmaState(forward_w=forward_w, mismatch=goal + (state.mismatch - goal) * math.exp(-dt_s / TUNING_S))
