"""The gas in the chamber: V dP/dt = Q_carrier + Q_pulse + Q_leak + Q_desorption - S P."""

import math
from dataclasses import dataclass
from typing import Final

VOLUME_L: Final = 3.0
"""Chamber volume (domain.md, Physics)."""
PUMPING_SPEED_L_S: Final = 5.0
"""Effective pumping speed at the chamber (domain.md, Physics)."""
TORR_L_S_OF_1_SCCM: Final = 0.01267
"""1 sccm = 760 Torr x 1 cm3 / 60 s."""
LEAK_TORR_L_S: Final = 1e-4
"""A tight tool: 0.02 mTorr of the base pressure [K]."""
PRECURSOR_TORR_L_S: Final = 1.824
"""Flow through the open TMA valve: a 0.1 s pulse raises the pressure by the 56 mTorr measured in al2o3_run."""
WATER_TORR_L_S: Final = 4.886
"""Flow through the open H2O valve: a 0.1 s pulse raises the pressure by the 120 mTorr measured in al2o3_run."""
WALL_FRACTION: Final = 0.2
"""Share of the water that sticks to the walls and comes off later [K]."""
DESORPTION_S: Final = 11.0
"""Time constant of the water-like tail, fitted to a real tool (domain.md, Physics)."""

_PUMP_RATE: Final = PUMPING_SPEED_L_S / VOLUME_L
_DESORPTION_RATE: Final = 1.0 / DESORPTION_S


@dataclass(frozen=True, kw_only=True, slots=True)
class ChamberState:
    """What the chamber remembers.

    Attributes:
        pressure_torr: true pressure, without the gauge's noise.
        wall_water_torr_l: water on the walls that has yet to come off.
    """

    pressure_torr: float
    wall_water_torr_l: float = 0.0


def base_pressure_torr(carrier_torr_l_s: float) -> float:
    """Pressure at rest under a carrier flow: (Q_carrier + Q_leak) / S."""
    return (carrier_torr_l_s + LEAK_TORR_L_S) / PUMPING_SPEED_L_S


def step(
    state: ChamberState,
    dt_s: float,
    *,
    carrier_torr_l_s: float,
    precursor_torr_l_s: float,
    water_torr_l_s: float,
) -> ChamberState:
    """Advance by any time under constant flows.

    The exact solution of both linear equations, so a step of any length is stable and two steps of
    half the length give the same. With W the water on the walls and f its share of the pulse:
    ``dW/dt = f Q_water - W / tau`` and ``V dP/dt = Q - f Q_water + W / tau - S P``.
    """
    wall_at_rest = WALL_FRACTION * water_torr_l_s * DESORPTION_S
    wall_excess = state.wall_water_torr_l - wall_at_rest
    pressure_at_rest = (carrier_torr_l_s + precursor_torr_l_s + water_torr_l_s + LEAK_TORR_L_S) / PUMPING_SPEED_L_S
    tail = wall_excess * _DESORPTION_RATE / VOLUME_L / (_PUMP_RATE - _DESORPTION_RATE)
    wall_decay = math.exp(-_DESORPTION_RATE * dt_s)
    pump_decay = math.exp(-_PUMP_RATE * dt_s)
    return ChamberState(
        pressure_torr=pressure_at_rest
        + tail * wall_decay
        + (state.pressure_torr - pressure_at_rest - tail) * pump_decay,
        wall_water_torr_l=wall_at_rest + wall_excess * wall_decay,
    )
