"""The whole tool in simulated time: exact pulses, run states, determinism, noise."""

import statistics

import pytest

from simulator.errors import OptionError
from simulator.process import STEP_US, advance, standby, step
from simulator.recipe import Loop, Recipe, RecipeStep, al2o3
from simulator.run import AbortCause, RunStatus
from tests.simulator.plants import aborted, run_to_end, started


def test_a_full_run_counts_every_pulse_with_its_exact_width() -> None:
    """20 cycles are 20 pulses of each valve, 100,000 us wide, and take exactly 154 s of simulated time."""
    states = run_to_end(standby(seed=1, recipe=al2o3()))
    end = states[-1]
    assert len(states) * STEP_US == 154_000_000
    assert end.run.status is RunStatus.COMPLETED
    assert [(valve.pulse_count, valve.last_width_us) for valve in end.valves[:2]] == [(20, 100_000)] * 2
    assert not any(valve.pulse_count for valve in end.valves[2:])
    assert max(state.run.phase.cycle_number for state in states if state.run.phase) == 20


def test_pulses_shorter_than_a_step_and_off_its_grid_are_exact() -> None:
    """A 1.234 ms pulse that begins in mid-step has its width, and 50 of them raise the pressure like one of 61.7 ms."""

    def recipe(pulses: int, *cycle: RecipeStep) -> Recipe:
        wait, rest = RecipeStep(name="wait", duration_us=5_003), RecipeStep(name="rest", duration_us=20_000)
        return Recipe(name="short", steps=(wait, Loop(name="cycle", repeat=pulses, steps=cycle), rest))

    short = recipe(
        50,
        RecipeStep(name="dose", duration_us=1_234, open_valve=1),
        RecipeStep(name="purge", duration_us=777),
    )
    states = run_to_end(standby(seed=1, recipe=short))
    assert (states[-1].valves[0].pulse_count, states[-1].valves[0].last_width_us) == (50, 1_234)
    assert states[-1].valves[1].pulse_count == 0
    longer = recipe(1, RecipeStep(name="dose", duration_us=50 * 1_234, open_valve=1))
    chopped_torr = max(state.chamber.pressure_torr for state in states)
    whole_torr = max(state.chamber.pressure_torr for state in run_to_end(standby(seed=1, recipe=longer)))
    assert chopped_torr == pytest.approx(whole_torr, rel=0.05)


def test_each_run_counts_and_its_end_stays_until_the_next_start() -> None:
    """Idle, running 1, completed, running 2, aborted: each end stands until the next start."""
    state = standby(seed=1, recipe=al2o3(1))
    assert (state.run.status, state.run.counter) == (RunStatus.IDLE, 0)
    state = run_to_end(state)[-1]
    assert (state.run.status, state.run.counter) == (RunStatus.COMPLETED, 1)
    state = advance(state, 500)
    assert state.run.status is RunStatus.COMPLETED
    state = advance(started(state), 100)
    assert (state.run.status, state.run.counter) == (RunStatus.RUNNING, 2)
    state = advance(aborted(state), 500)
    assert (state.run.status, state.run.counter) == (RunStatus.ABORTED, 2)
    assert state.run.abort_cause is AbortCause.OPERATOR


def test_an_abort_in_mid_dose_closes_the_valve_and_counts_what_it_let_in() -> None:
    """Aborted 50 ms into the first dose: one pulse of 50,000 us, no second valve, and the pressure falls."""
    state = advance(started(standby(seed=1, recipe=al2o3())), 505)
    assert state.valves[0].is_open
    state = step(aborted(state))
    assert not state.valves[0].is_open
    assert (state.valves[0].pulse_count, state.valves[0].last_width_us) == (1, 50_000)
    assert advance(state, 1000).valves[1].pulse_count == 0


def test_an_abort_of_nothing_is_harmless() -> None:
    """The state stays idle, and so does a completed run."""
    assert step(aborted(standby(seed=1, recipe=al2o3()))).run.status is RunStatus.IDLE
    completed = run_to_end(standby(seed=1, recipe=al2o3(1)))[-1]
    assert step(aborted(completed)).run.status is RunStatus.COMPLETED


def test_the_same_seed_gives_the_same_run_in_any_chunks() -> None:
    """One chunk of 3,000 steps, thirty of 100 and uneven ones end in equal states, readings included."""
    begin = started(standby(seed=7, recipe=al2o3(2)))
    whole = advance(begin, 3000)
    for chunks in ([100] * 30, [1, 2, 997, 1000, 1000]):
        state = begin
        for chunk in chunks:
            state = advance(state, chunk)
        assert state == whole
        assert (state.gauge_torr, state.flow_readings_sccm) == (whole.gauge_torr, whole.flow_readings_sccm)


def test_another_seed_gives_other_noise_and_the_same_pulses() -> None:
    """The seed moves the readings, never the schedule."""
    one, two = (advance(started(standby(seed=seed, recipe=al2o3(2))), 3000) for seed in (1, 2))
    assert one.gauge_torr != two.gauge_torr
    assert one.heaters[0].reading_c != two.heaters[0].reading_c
    assert [valve.last_width_us for valve in one.valves] == [valve.last_width_us for valve in two.valves]
    assert one.run == two.run


def test_standby_is_at_rest() -> None:
    """Without a run the pressure stays at its base, the heaters at their set-values and the flows settled."""
    state = standby(seed=1, recipe=al2o3())
    readings_torr, readings_sccm = [], []
    for _ in range(6000):
        state = step(state)
        readings_torr.append(state.gauge_torr)
        readings_sccm.append(state.flow_readings_sccm[0])
    assert statistics.fmean(readings_torr) == pytest.approx(0.0507, abs=0.0001)
    assert statistics.pstdev(readings_torr) == pytest.approx(0.0002, rel=0.1)
    assert statistics.pstdev(readings_sccm) == pytest.approx(0.25, rel=0.1)
    assert all(flow.is_settled for flow in state.flows)
    assert all(
        abs(zone.temperature_c - control.set_value_c) < 0.5
        for zone, control in zip(state.heaters, state.controls.heaters, strict=True)
    )


def test_a_negative_seed_is_refused() -> None:
    """The error says what is allowed."""
    with pytest.raises(OptionError, match="0 or more, not -1"):
        standby(seed=-1, recipe=al2o3())
