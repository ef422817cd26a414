"""A heated zone and its controller: first order with dead time, thermocouple noise, PID with anti-windup."""

import math
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 1.0
"""The controller's period, and the step of the heater's physics: nothing here is faster."""
AMBIENT_C: Final = 22.0
DRIFT_C: Final = 0.2
"""Slow wander of a thermocouple: 0.1 to 0.4 C over 79 minutes (domain.md, Physics)."""
DRIFT_TIME_S: Final = 120.0
"""Correlation time of that wander; with it neighbouring samples differ as little as in al2o3_run [K]."""
WHITE_C: Final = 0.03
"""Noise from sample to sample: the standard deviation of differences over the root of 2 in al2o3_run."""
DERIVATIVE_FILTER_S: Final = 10.0
"""First-order filter of the derivative, so that it does not amplify the thermocouple's noise [K]."""
_DERIVATIVE_S: Final = 5.0
FULL_OUTPUT_PERCENT: Final = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaterModel:
    """A zone as a first-order lag with dead time.

    Attributes:
        gain_c_per_percent: rise above ambient at rest for each percent of output.
        time_constant_s: of the zone; chucks 300 to 900 s, bottles 600 to 1800 s.
        dead_time_s: until the output is felt; chucks 10 to 30 s, bottles 30 to 60 s.
    """

    gain_c_per_percent: float
    time_constant_s: float
    dead_time_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaterControl:
    """What the registers ask of a heater.

    Attributes:
        kp: % of output for each C of deviation.
        ki: % of output for each C of deviation and second.
        kd: % of output for each C a second of change.
        period_s: of the controller, whole `PERIOD_S`; the output stands still between.
        high_limit_c: where the over-temperature interlock trips.
    """

    is_on: bool
    set_value_c: float
    kp: float
    ki: float
    kd: float
    period_s: int = 1
    high_limit_c: float = math.inf


@dataclass(frozen=True, kw_only=True, slots=True)
class HeaterState:
    """What a zone and its controller remember.

    Attributes:
        temperature_c: true temperature.
        drift_c: the thermocouple's present slow error.
        reading_c: what the register says and the controller sees.
        filtered_c: the reading behind the derivative's filter.
        integral_percent: the integral part of the output.
        output_percent: 0 to 100.
        delayed_percent: outputs on their way through the dead time, oldest first.
    """

    temperature_c: float
    drift_c: float
    reading_c: float
    filtered_c: float
    integral_percent: float
    output_percent: float
    delayed_percent: tuple[float, ...]


def at_rest(model: HeaterModel, temperature_c: float) -> HeaterState:
    """Build a zone that has been held at a temperature for long."""
    output_percent = (temperature_c - AMBIENT_C) / model.gain_c_per_percent
    return HeaterState(
        temperature_c=temperature_c,
        drift_c=0.0,
        reading_c=temperature_c,
        filtered_c=temperature_c,
        integral_percent=output_percent,
        output_percent=output_percent,
        delayed_percent=(output_percent,) * round(model.dead_time_s / PERIOD_S),
    )


def tuned(model: HeaterModel, set_value_c: float) -> HeaterControl:
    """Build a control tuned to a zone by the SIMC rule (Skogestad 2003).

    The goal for the closed loop's time constant is twice the dead time: slower than the rule's default,
    for hardly any overshoot. The derivative time is a short 5 s, against the noise.
    """
    goal_s = 2 * model.dead_time_s
    kp = model.time_constant_s / (model.gain_c_per_percent * (goal_s + model.dead_time_s))
    integral_s = min(model.time_constant_s, 4 * (goal_s + model.dead_time_s))
    return HeaterControl(
        is_on=True,
        set_value_c=set_value_c,
        kp=round(kp, 4),
        ki=round(kp / integral_s, 6),
        kd=round(kp * _DERIVATIVE_S, 4),
    )


def step(
    state: HeaterState,
    *,
    model: HeaterModel,
    control: HeaterControl,
    drift_noise: float,
    white_noise: float,
    is_due: bool = True,
    is_thermocouple_open: bool = False,
) -> HeaterState:
    """Advance by one `PERIOD_S`.

    Anti-windup is conditional integration: while the output is at a limit, what would drive it
    further beyond is not integrated. The derivative acts on the reading, so a new set-value gives no kick.

    Args:
        state: one period ago.
        model: the zone.
        control: what is asked of it.
        drift_noise: a standard normal number for the slow wander.
        white_noise: a standard normal number for the reading.
        is_due: whether the controller computes in this period.
        is_thermocouple_open: the controller then sees a cold zone, see `simulator.plant_faults`.
    """
    felt_percent, *on_their_way = *state.delayed_percent, state.output_percent
    target_c = AMBIENT_C + model.gain_c_per_percent * felt_percent
    temperature_c = target_c + (state.temperature_c - target_c) * math.exp(-PERIOD_S / model.time_constant_s)

    memory = math.exp(-PERIOD_S / DRIFT_TIME_S)
    drift_c = state.drift_c * memory + DRIFT_C * math.sqrt(1 - memory * memory) * drift_noise
    reading_c = 0.0 if is_thermocouple_open else temperature_c + drift_c + WHITE_C * white_noise
    filtered_c = reading_c + (state.filtered_c - reading_c) * math.exp(-PERIOD_S / DERIVATIVE_FILTER_S)

    integral_percent, output_percent = 0.0, 0.0
    if control.is_on and not is_due:
        integral_percent, output_percent = state.integral_percent, state.output_percent
    elif control.is_on:
        period_s = PERIOD_S * control.period_s
        deviation_c = control.set_value_c - reading_c
        slope_c_s = (filtered_c - state.filtered_c) / PERIOD_S
        integral_percent = state.integral_percent + control.ki * deviation_c * period_s
        wanted_percent = control.kp * deviation_c + integral_percent - control.kd * slope_c_s
        output_percent = min(max(wanted_percent, 0.0), FULL_OUTPUT_PERCENT)
        if (wanted_percent - output_percent) * deviation_c > 0:
            integral_percent = state.integral_percent
    return HeaterState(
        temperature_c=temperature_c,
        drift_c=drift_c,
        reading_c=reading_c,
        filtered_c=filtered_c,
        integral_percent=integral_percent,
        output_percent=output_percent,
        delayed_percent=tuple(on_their_way),
    )
