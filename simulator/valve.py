"""An ALD valve and what the PLC counts of it: pulses are recorded as events, since sampling would miss them."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class ValveState:
    """A valve and its pulse registers, exact to the microsecond whatever the simulated step.

    Counter and width change together when the valve closes, so they always speak of the same pulse.

    Attributes:
        is_open: as commanded.
        opened_us: simulated time of the last opening.
        pulse_count: completed pulses since the PLC started.
        last_width_us: width of the last completed pulse, 0 before the first.
    """

    is_open: bool = False
    opened_us: int = 0
    pulse_count: int = 0
    last_width_us: int = 0


def command(state: ValveState, *, is_open: bool, at_us: int) -> ValveState:
    """Open or close a valve at a simulated time; a command that changes nothing counts nothing."""
    if is_open == state.is_open:
        return state
    if is_open:
        return ValveState(
            is_open=True, opened_us=at_us, pulse_count=state.pulse_count, last_width_us=state.last_width_us
        )
    return ValveState(
        is_open=False,
        opened_us=state.opened_us,
        pulse_count=state.pulse_count + 1,
        last_width_us=at_us - state.opened_us,
    )
