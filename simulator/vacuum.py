"""Between chamber and exhaust: dry pump, exhaust gate, throttle valve, and the pressure control over the throttle."""

import math
from dataclasses import dataclass
from typing import Final

PERIOD_US: Final = 100_000
"""The period of the throttle's controller; the pumping speed is constant between."""
SPIN_S: Final = 4.0
"""A dry pump's time constant to come up to speed and to run down [K]."""
FULL_PERCENT: Final = 100.0
CLOSED_SHARE: Final = 0.01
"""A throttle's conductance when it is shut: butterfly valves do not seal [K]."""
TRAVEL_PERCENT_S: Final = 100.0
"""A throttle goes from shut to open in 1 s [K]."""
INTEGRAL_S: Final = 2.0
"""Integral time of the pressure control [K]."""
GAIN_PERCENT: Final = 40.0
"""Throttle movement for a pressure that is off by as much as its set-value [K]."""
_IDLE_KW: Final = 1.1
_KW_OF_1_TORR: Final = 0.12
_STOPPED: Final = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class VacuumControl:
    """What the registers ask.

    Attributes:
        position_percent: of the throttle, where the pressure is not controlled.
        pressure_torr: set-value of the pressure control; None where the position is given.
    """

    is_pump_on: bool = True
    is_gate_open: bool = True
    position_percent: float = FULL_PERCENT
    pressure_torr: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class VacuumState:
    """What the pumping line remembers.

    Attributes:
        pump_share: of the pump's full speed.
        position_percent: of the throttle.
        is_gate_open: whether the exhaust gate lets anything through.
    """

    pump_share: float = 1.0
    position_percent: float = FULL_PERCENT
    is_gate_open: bool = True

    @property
    def conductance_share(self) -> float:
        """Share of the full pumping speed that reaches the chamber."""
        if not self.is_gate_open:
            return 0.0
        return self.pump_share * (CLOSED_SHARE + (1 - CLOSED_SHARE) * self.position_percent / FULL_PERCENT)

    @property
    def is_at_speed(self) -> bool:
        """Whether the pump turns as it should."""
        return self.pump_share > 0.95  # noqa: PLR2004  (what a pump calls "at speed")

    def power_kw(self, inlet_torr: float) -> float:
        """Power that the pump draws: turning, and compressing what comes in."""
        return self.pump_share * (_IDLE_KW + _KW_OF_1_TORR * inlet_torr)


def step(state: VacuumState, *, control: VacuumControl, pressure_torr: float) -> VacuumState:
    """Advance by `PERIOD_US`.

    The pressure control is incremental, so it has nothing to wind up: too high a pressure opens the throttle.
    """
    period_s = PERIOD_US / 1e6
    goal_share = 1.0 if control.is_pump_on else 0.0
    pump_share = goal_share + (state.pump_share - goal_share) * math.exp(-period_s / SPIN_S)
    if abs(pump_share - goal_share) < _STOPPED:
        pump_share = goal_share
    goal_percent = control.position_percent
    if control.pressure_torr is not None:
        deviation = (pressure_torr - control.pressure_torr) / control.pressure_torr
        goal_percent = state.position_percent + GAIN_PERCENT * deviation * period_s / INTEGRAL_S
    travel_percent = TRAVEL_PERCENT_S * period_s
    moved_percent = min(max(goal_percent - state.position_percent, -travel_percent), travel_percent)
    position_percent = min(max(state.position_percent + moved_percent, 0.0), FULL_PERCENT)
    if (pump_share, position_percent, control.is_gate_open) == (
        state.pump_share,
        state.position_percent,
        state.is_gate_open,
    ):
        return state
    return VacuumState(pump_share=pump_share, position_percent=position_percent, is_gate_open=control.is_gate_open)
