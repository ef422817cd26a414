"""Mass flow controllers: dead time and settling by SEMI E17's definition, noise of the reading."""

import statistics

import pytest

from simulator.mass_flow import MassFlowState, reading_sccm, settled, step
from simulator.noise import normals

STEP_US = 10_000


def follow(state: MassFlowState, set_value_sccm: float, steps: int, begin_us: int = 0) -> list[MassFlowState]:
    """Collect the states of some steps under one set-value."""
    states = []
    for index in range(steps):
        state = step(state, begin_us + index * STEP_US, STEP_US, set_value_sccm=set_value_sccm)
        states.append(state)
    return states


def test_nothing_moves_in_the_dead_time() -> None:
    """For 80 ms after a new set-value the flow is the old one; then it moves."""
    states = follow(settled(10.0), 20.0, 12)
    assert [state.flow_sccm for state in states[:8]] == [10.0] * 8
    assert states[8].flow_sccm > 10.0


@pytest.mark.parametrize(("begin_sccm", "end_sccm"), [(0.0, 22.6), (100.0, 20.0), (10.0, 200.0)])
def test_the_flow_settles_to_two_percent_within_one_second(begin_sccm: float, end_sccm: float) -> None:
    """Settled to 2 % of the step within 1 s, and not before its dead time."""
    states = follow(settled(begin_sccm), end_sccm, 100)
    assert abs(states[-1].flow_sccm - end_sccm) <= 0.02 * abs(end_sccm - begin_sccm)
    assert not states[10].is_settled


def test_two_changes_within_the_dead_time_both_act_in_order() -> None:
    """A set-value replaced after 50 ms still acts for 50 ms, a dead time later."""
    state = settled(10.0)
    state = follow(state, 100.0, 5)[-1]
    states = follow(state, 10.0, 200, begin_us=50_000)
    flows_sccm = [state.flow_sccm for state in states]
    assert max(flows_sccm) == pytest.approx(10 + 90 * (1 - 2.718281828 ** (-0.05 / 0.2)), rel=1e-6)
    assert flows_sccm[-1] == pytest.approx(10.0, abs=0.1)


def test_a_settled_controller_is_left_alone() -> None:
    """At rest a step gives the same object back: that is what makes 100 times real time cheap."""
    state = settled(10.0)
    assert step(state, 0, STEP_US, set_value_sccm=10.0) is state


def test_the_reading_is_as_noisy_as_in_the_real_run() -> None:
    """0.25 sccm on 22.6."""
    readings = [reading_sccm(settled(22.6), normals(seed=5, stream=1, index=i, width=1)[0]) for i in range(5000)]
    assert statistics.fmean(readings) == pytest.approx(22.6, abs=0.02)
    assert statistics.pstdev(readings) == pytest.approx(0.25, rel=0.05)
