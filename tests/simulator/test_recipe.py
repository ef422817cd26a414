"""The dose and purge schedule: exact times, numbers that count from 1, and broken recipes refused with a reason."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import RecipeError
from simulator.recipe import MAX_CYCLES, Loop, Recipe, RecipeStep, Wait, al2o3


def begins_us(recipe: Recipe) -> list[int]:
    """When each phase begins, of a recipe that waits for nothing."""
    return list(itertools.accumulate((phase.step.duration_us for phase in recipe.phases()), initial=0))


def dose(name: str = "dose", valve: int = 1) -> RecipeStep:
    """Build a dose of 0.1 s."""
    return RecipeStep(name=name, duration_us=100_000, open_valve=valve)


def test_twenty_cycles_of_al2o3_take_154_seconds() -> None:
    """5 s + 20 x (0.1 + 3 + 0.1 + 4) s + 5 s."""
    assert al2o3().cycles == 20
    assert al2o3().duration_us == 154_000_000
    assert begins_us(al2o3())[-1] == 154_000_000


def test_the_first_cycle_comes_at_its_exact_times() -> None:
    """Stabilise, TMA 0.1 s, purge 3 s, H2O 0.1 s, purge 4 s."""
    phases, begins = al2o3().phases(), begins_us(al2o3())
    seen = [
        (p.step_number, p.step_name, p.cycle_number, begin, p.open_valves[:2])
        for p, begin in zip(phases[:5], begins, strict=False)
    ]
    assert seen == [
        (1, "stabilise", 0, 0, (False, False)),
        (2, "TMA dose", 1, 5_000_000, (True, False)),
        (3, "TMA purge", 1, 5_100_000, (False, False)),
        (4, "H2O dose", 1, 8_100_000, (False, True)),
        (5, "H2O purge", 1, 8_200_000, (False, False)),
    ]
    last = phases[-1]
    assert (last.step_number, last.step_name, last.cycle_number) == (6, "end purge", 0)


@given(cycles=st.integers(min_value=1, max_value=300))
def test_every_cycle_comes_once_in_order(cycles: int) -> None:
    """And the length of all phases is that of the run."""
    phases = al2o3(cycles).phases()
    assert [phase.cycle_number for phase in phases if phase.step_number == 2] == list(range(1, cycles + 1))
    assert sum(phase.step.duration_us for phase in phases) == al2o3(cycles).duration_us
    assert len(phases) == al2o3(cycles).phase_count


def test_a_nested_loop_counts_the_passes_of_its_innermost_loops() -> None:
    """Twice (two of A, a purge, one of B): cycles 1 2, purge 0, 3, then 4 5, 0, 6; step numbers stay."""
    recipe = Recipe(
        name="nested",
        steps=(
            Loop(
                name="bilayer",
                repeat=2,
                steps=(
                    Loop(name="A", repeat=2, steps=(dose("a"),)),
                    RecipeStep(name="between", duration_us=1),
                    Loop(name="B", repeat=1, steps=(dose("b", 2), RecipeStep(name="purge", duration_us=1))),
                ),
            ),
            RecipeStep(name="end", duration_us=1),
        ),
    )
    one_pass = [(1, 1), (1, 2), (2, 0), (3, 3), (4, 3)]
    assert [(phase.step_number, phase.cycle_number) for phase in recipe.phases()] == [
        *one_pass,
        *((number, cycle and cycle + 3) for number, cycle in one_pass),
        (5, 0),
    ]
    assert recipe.with_cycles(7).phase_count == 7 * 5 + 1
    assert recipe.cycles == 2


@pytest.mark.parametrize("cycles", [0, -1, MAX_CYCLES + 1])
def test_cycles_that_cannot_be_are_refused(cycles: int) -> None:
    """The error names the number and the limits."""
    with pytest.raises(RecipeError, match=f"cycles of loop 'cycle' must be 1 to 10000, not {cycles}"):
        al2o3(cycles)


def test_a_broken_recipe_is_refused_with_all_of_its_faults_at_once() -> None:
    """A name too long, a step of no length and a valve that is not there come in one message."""
    with pytest.raises(RecipeError) as caught:
        Recipe(
            name="a name that is much too long",
            steps=(
                RecipeStep(name="wait", duration_us=0),
                Loop(name="cycle", repeat=2, steps=(dose("dose", 7),)),
                Loop(name="nothing", repeat=2, steps=()),
                RecipeStep(name="burn", duration_us=1, power_w=601.0),
            ),
        )
    message = str(caught.value)
    assert "1 to 16 printable ASCII" in message
    assert "'wait' lasts 0 us" in message
    assert "'dose' opens valve 7, and the tool has 1 to 6" in message
    assert "loop 'nothing' needs at least one step" in message
    assert "601 W" in message


def test_a_recipe_without_a_loop_is_refused() -> None:
    """There is nothing to repeat."""
    with pytest.raises(RecipeError, match="it needs a loop"):
        Recipe(name="empty", steps=(dose(),))


def test_loops_that_multiply_beyond_reason_are_refused() -> None:
    """Ten thousand times ten thousand is a slip, and it would take the memory of the machine."""
    inner = Loop(name="inner", repeat=10_000, steps=(dose(),))
    with pytest.raises(RecipeError, match="its loops make 100000000 steps"):
        Recipe(name="many", steps=(Loop(name="outer", repeat=10_000, steps=(inner,)),))


def test_a_step_that_waits_may_last_no_time_of_its_own() -> None:
    """Only a parameter step can: its time is that of the plant."""
    step = RecipeStep(name="heat", parameter="Chamber Heater/temperature_set", wait=Wait(tolerance=1, timeout_us=1))
    assert Recipe(name="heat", steps=(step, Loop(name="c", repeat=1, steps=(dose(),)))).duration_us == 100_000
