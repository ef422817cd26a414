"""A thermal mass flow controller: dead time, first-order settling, noise of the reading."""

import math
from dataclasses import dataclass
from typing import Final

DEAD_TIME_US: Final = 80_000
"""50 to 100 ms (domain.md, Physics)."""
TIME_CONSTANT_S: Final = 0.2
"""Settles to 2 % after 80 ms + 3.9 x 0.2 s = 0.86 s, within the 1 s of SEMI E17's definition."""
NOISE_SCCM: Final = 0.25
"""Standard deviation of the reading, measured on 22.6 sccm in al2o3_run."""
_AT_REST_SCCM: Final = 1e-9
SETTLED_SHARE: Final = 0.02
"""SEMI E17 calls a flow settled within 2 % of its set-value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MassFlowState:
    """What a mass flow controller remembers.

    Attributes:
        flow_sccm: true flow.
        target_sccm: the set-value that acts, a dead time old.
        requested_sccm: the newest set-value seen.
        pending: set-values that wait for their dead time, as ``(acts_at_us, sccm)``, oldest first.
    """

    flow_sccm: float
    target_sccm: float
    requested_sccm: float
    pending: tuple[tuple[int, float], ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether the true flow is within 2 % of the newest set-value (of 1 sccm where that is less)."""
        return abs(self.flow_sccm - self.requested_sccm) <= SETTLED_SHARE * max(self.requested_sccm, 1.0)


def settled(flow_sccm: float) -> MassFlowState:
    """Build a controller that has been at its set-value for long."""
    return MassFlowState(flow_sccm=flow_sccm, target_sccm=flow_sccm, requested_sccm=flow_sccm)


def step(state: MassFlowState, begin_us: int, dt_us: int, *, set_value_sccm: float) -> MassFlowState:
    """Advance from a simulated time by a step; a set-value acts from the step in which its dead time ends.

    Args:
        state: at ``begin_us``.
        begin_us: simulated time at the start of the step.
        dt_us: length of the step.
        set_value_sccm: what the register asks for.
    """
    if set_value_sccm == state.requested_sccm and not state.pending and state.flow_sccm == state.target_sccm:
        return state
    pending = state.pending
    target_sccm = state.target_sccm
    if set_value_sccm != state.requested_sccm:
        pending = (*pending, (begin_us + DEAD_TIME_US, set_value_sccm))
    while pending and pending[0][0] <= begin_us:
        target_sccm = pending[0][1]
        pending = pending[1:]
    flow_sccm = state.flow_sccm
    if abs(flow_sccm - target_sccm) > _AT_REST_SCCM:
        flow_sccm = target_sccm + (flow_sccm - target_sccm) * math.exp(-dt_us / (TIME_CONSTANT_S * 1e6))
    else:
        flow_sccm = target_sccm
    return MassFlowState(
        flow_sccm=flow_sccm,
        target_sccm=target_sccm,
        requested_sccm=set_value_sccm,
        pending=pending,
    )


def reading_sccm(state: MassFlowState, noise: float) -> float:
    """What the register says: the flow and ``noise``, a standard normal number."""
    return state.flow_sccm + NOISE_SCCM * noise
