"""The dose and purge schedule: exact times, numbers that count from 1, and broken recipes refused with a reason."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import RecipeError
from simulator.recipe import MAX_CYCLES, Recipe, RecipeStep, al2o3


def test_twenty_cycles_of_al2o3_take_154_seconds() -> None:
    """5 s + 20 x (0.1 + 3 + 0.1 + 4) s + 5 s."""
    assert al2o3().cycles == 20
    assert al2o3().duration_us == 154_000_000
    assert al2o3().phases()[-1].end_us == 154_000_000


def test_the_first_cycle_comes_at_its_exact_times() -> None:
    """Stabilise, TMA 0.1 s, purge 3 s, H2O 0.1 s, purge 4 s."""
    phases = al2o3().phases()
    seen = [(p.step_number, p.step_name, p.cycle_number, p.begin_us, p.end_us, p.open_valves) for p in phases[:5]]
    assert seen == [
        (1, "stabilise", 0, 0, 5_000_000, (False, False)),
        (2, "TMA dose", 1, 5_000_000, 5_100_000, (True, False)),
        (3, "TMA purge", 1, 5_100_000, 8_100_000, (False, False)),
        (4, "H2O dose", 1, 8_100_000, 8_200_000, (False, True)),
        (5, "H2O purge", 1, 8_200_000, 12_200_000, (False, False)),
    ]
    last = phases[-1]
    assert (last.step_number, last.step_name, last.cycle_number) == (6, "end purge", 0)


@given(cycles=st.integers(min_value=1, max_value=300))
def test_a_schedule_has_neither_gap_nor_overlap(cycles: int) -> None:
    """Each phase begins where the one before ended, and every cycle comes once, in order."""
    phases = al2o3(cycles).phases()
    assert phases[0].begin_us == 0
    assert all(before.end_us == after.begin_us for before, after in itertools.pairwise(phases))
    assert [phase.cycle_number for phase in phases if phase.step_number == 2] == list(range(1, cycles + 1))
    assert phases[-1].end_us == al2o3(cycles).duration_us


@pytest.mark.parametrize("cycles", [0, -1, MAX_CYCLES + 1])
def test_cycles_that_cannot_be_are_refused(cycles: int) -> None:
    """The error names the number and the limits."""
    with pytest.raises(RecipeError, match=f"cycles must be 1 to 10000, not {cycles}"):
        al2o3(cycles)


def test_a_broken_recipe_is_refused_with_all_of_its_faults_at_once() -> None:
    """A name too long, a step of no length and a valve that is not there come in one message."""
    with pytest.raises(RecipeError) as caught:
        Recipe(
            name="a name that is much too long",
            before=(RecipeStep(name="wait", duration_us=0),),
            cycle=(RecipeStep(name="dose", duration_us=1000, open_valve=3),),
            after=(),
        )
    message = str(caught.value)
    assert "1 to 16 printable ASCII" in message
    assert "'wait' lasts 0 us" in message
    assert "'dose' opens valve 3" in message


def test_a_recipe_without_a_cycle_is_refused() -> None:
    """There is nothing to repeat."""
    with pytest.raises(RecipeError, match="a cycle needs at least one step"):
        Recipe(name="empty", before=(), cycle=(), after=())
