"""An ALD valve and what the PLC counts of it: pulses are recorded as events, since sampling would miss them."""

from dataclasses import dataclass, replace
from typing import Final

DELAY_US: Final = 10_000
"""From a command to the movement: 5 to 20 ms (domain.md, Physics)."""
PEAK_HOLD_US: Final = 500_000
"""The latched peak follows the gauge until this long after the valve has closed [K]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ValveState:
    """A valve and its pulse registers, exact to the microsecond whatever the simulated step.

    Counter and width change together when the valve is told to close, so they always speak of the same pulse. They
    speak of the command, as a PLC's do: a valve that sticks counts on.

    Attributes:
        is_open: as commanded.
        opened_us: simulated time of the last command to open.
        closed_us: simulated time of the last command to close.
        pulse_count: completed pulses since the PLC started.
        last_width_us: width of the last completed pulse, 0 before the first.
        peak_torr: highest gauge reading since the last opening, until `PEAK_HOLD_US` after the closing.
        lets_through: where the plunger is: a delay behind the command.
        moves: movements that wait for their delay, as ``(at_us, lets_through)``, oldest first.
    """

    is_open: bool = False
    opened_us: int = 0
    closed_us: int = 0
    pulse_count: int = 0
    last_width_us: int = 0
    peak_torr: float = 0.0
    lets_through: bool = False
    moves: tuple[tuple[int, bool], ...] = ()

    def is_latching(self, at_us: int) -> bool:
        """Whether the latched peak follows the gauge."""
        return self.is_open or (self.pulse_count > 0 and at_us <= self.closed_us + PEAK_HOLD_US)


def command(state: ValveState, *, is_open: bool, at_us: int, delay_us: int = DELAY_US) -> ValveState:
    """Tell a valve to open or close at a simulated time; a command that changes nothing counts nothing."""
    if is_open == state.is_open:
        return state
    moves = (*state.moves, (at_us + delay_us, is_open))
    if is_open:
        return replace(state, is_open=True, opened_us=at_us, peak_torr=0.0, moves=moves)
    return replace(
        state,
        is_open=False,
        closed_us=at_us,
        pulse_count=state.pulse_count + 1,
        last_width_us=at_us - state.opened_us,
        moves=moves,
    )


def moved(state: ValveState, at_us: int) -> ValveState:
    """Carry out the movements that are due at a simulated time."""
    lets_through, moves = state.lets_through, state.moves
    while moves and moves[0][0] <= at_us:
        lets_through = moves[0][1]
        moves = moves[1:]
    return replace(state, lets_through=lets_through, moves=moves)
