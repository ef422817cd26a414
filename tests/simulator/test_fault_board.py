"""When faults begin and end: by time, by condition, by hits, by command, by chance."""

from itertools import islice

import pytest

from simulator.chance import chances
from simulator.condition import make_condition
from simulator.errors import FaultError, OptionError
from simulator.fault import Fault, FaultName, make_fault
from simulator.fault_board import Cue, FaultBoard
from simulator.plant_effects import plant_faults

NAMES = frozenset({"Process/cycle_number", "Process/run_state", "Valve 1/valve_state", "Process/recipe_name"})
COMPONENTS = ("Valve 1", "Valve 2", "Precursor 1 Heater", "Chamber Heater", "Pressure Gauge 1", "MFC 1", "Process")
SHORT = Fault(name=FaultName.SHORT)


def board() -> FaultBoard:
    """A board of a tool with a plant."""
    return FaultBoard(components=COMPONENTS, has_plant=True)


def cycle(number: float) -> dict[str, float | str]:
    """The values of a tool in a cycle."""
    return {"Process/cycle_number": number, "Process/run_state": 1.0, "Process/recipe_name": "x"}


def test_a_fault_begins_at_its_time_and_ends_after_its_duration() -> None:
    """Both to the step, and its end is told."""
    faults = board()
    told: list[int] = []
    faults.on_change = lambda active: told.append(len(active))
    faults.inject(Cue(fault=SHORT, at_s=2.0, for_s=1.0))
    for now_s, expected in ((1.99, 0), (2.0, 1), (2.99, 1), (3.0, 0)):
        faults.advance(now_s, dict)
        assert len(faults.active) == expected, now_s
    assert told == [1, 0]
    assert faults.describe() == []


def test_a_fault_begins_and_ends_when_conditions_hold() -> None:
    """From cycle 3 until cycle 5, whatever the time is."""
    faults = board()
    when, until = make_condition("cycle >= 3", NAMES), make_condition("cycle >= 5 and run_state == 1", NAMES)
    faults.inject(Cue(fault=SHORT, when=when, until=until))
    seen = []
    for number in range(7):
        faults.advance(float(number), lambda number=number: cycle(number))  # type: ignore[misc]
        seen.append(bool(faults.active))
    assert seen == [False, False, False, True, True, False, False]


def test_values_are_asked_for_only_while_a_condition_waits() -> None:
    """So that a tool without conditions makes no image a step."""
    faults = board()
    faults.inject(Cue(fault=SHORT, for_s=1.0))
    asked = []
    faults.advance(0.5, lambda: asked.append(1) or {})  # type: ignore[func-returns-value]
    assert not asked


def test_a_fault_of_so_many_answers_ends_with_the_last_of_them() -> None:
    """Two hits, then it is gone."""
    faults = board()
    fault = Fault(name=FaultName.GARBLED, answers=2)
    faults.inject(Cue(fault=fault))
    faults.count_hit(fault)
    assert faults.active == (fault,)
    faults.count_hit(fault)
    assert not faults.active


def test_faults_are_cleared_by_number_by_name_and_all() -> None:
    """And what is not there cannot be cleared."""
    faults = board()
    first = faults.inject(Cue(fault=SHORT))
    faults.inject(Cue(fault=Fault(name=FaultName.FROZEN)))
    faults.inject(Cue(fault=SHORT, at_s=100.0))
    assert faults.clear(first) == 1
    assert faults.clear("frozen") == 1
    assert faults.clear() == 1
    with pytest.raises(FaultError, match="no fault short"):
        faults.clear("short")


def test_faults_of_one_plant_add_up_to_one_value() -> None:
    """Two leaks of one valve are one larger leak; other faults stand beside it."""
    broken = plant_faults(
        [
            Fault(name=FaultName.VALVE_LEAKING, on="Valve 1", torr_l_s=0.1),
            Fault(name=FaultName.VALVE_LEAKING, on="Valve 1", torr_l_s=0.2),
            Fault(name=FaultName.BOTTLE_EMPTY, on="Precursor 1"),
            Fault(name=FaultName.FROZEN),
            SHORT,
        ]
    )
    assert broken.leaking == {"Valve 1": pytest.approx(0.3)}
    assert broken.empty_bottles == {"Precursor 1"}
    assert broken.is_frozen
    assert not broken.is_lid_open


def test_a_tool_without_a_plant_refuses_faults_of_one() -> None:
    """A replayed trace cannot have a leaking valve."""
    faults = FaultBoard(components=COMPONENTS, has_plant=False)
    with pytest.raises(FaultError, match="has none"):
        faults.inject(Cue(fault=Fault(name=FaultName.LID_OPEN)))
    faults.inject(Cue(fault=SHORT))


@pytest.mark.parametrize(
    ("fields", "key", "said"),
    [
        ({}, "name", "no 'name'"),
        ({"name": "vale_stuck"}, "name", "no fault 'vale_stuck'"),
        ({"name": "short", "on": "Valve 1"}, "on", "not of one component"),
        ({"name": "valve_leaking"}, "name", "needs 'on'"),
        ({"name": "short", "sccm": 2.0}, "sccm", "takes no 'sccm'"),
        ({"name": "short", "colour": 1}, "colour", "there is no 'colour'"),
        ({"name": "exception", "code": 99}, "code", "one of 1, 2, 3"),
        ({"name": "exception", "code": "two"}, "code", "a whole number"),
        ({"name": "slow", "seconds": -1.0}, "seconds", "0 to 3600"),
        ({"name": "slow", "seconds": float("nan")}, "seconds", "0 to 3600"),
        ({"name": "frozen", "answers": 1}, "answers", "no single answers"),
        ({"name": "short", "answers": 0}, "answers", "1 or more"),
        ({"name": "short", "first_address": 9, "last_address": 3}, "first_address", "none of 0 to"),
        ({"name": "chamber_leak", "torr_l_s": float("inf")}, "torr_l_s", "0 or more"),
    ],
)
def test_a_fault_that_cannot_be_is_named_by_its_key(fields: dict[str, object], key: str, said: str) -> None:
    """So that a script can be shown the line."""
    with pytest.raises(FaultError, match=said) as caught:
        make_fault(fields)
    assert caught.value.key == key


@pytest.mark.parametrize("text", ["cycle", "cycle >= three", "cicle >= 3", ">= 3", "cycle >= 3 and", ""])
def test_a_condition_that_cannot_be_is_refused(text: str) -> None:
    """With the part of it that is wrong."""
    with pytest.raises(FaultError):
        make_condition(text, NAMES)


def test_a_text_never_fulfils_a_comparison() -> None:
    """The recipe's name is no number."""
    assert not make_condition("Process/recipe_name != 3", NAMES).holds(cycle(1))


def test_chance_is_the_same_for_a_seed_and_of_the_rate_that_was_asked() -> None:
    """A thousand faults, all possible, 3,600 an hour in the mean, each with an end."""

    def draw(seed: int) -> list[Cue]:
        return list(islice(chances(seed, rate_an_hour=3600, components=COMPONENTS, has_plant=True), 1000))

    drawn = draw(5)
    assert drawn == draw(5)
    assert drawn != draw(6)
    assert drawn[-1].at_s == pytest.approx(1000, rel=0.15)
    assert {cue.fault.name for cue in drawn} == set(FaultName)
    assert all(cue.for_s for cue in drawn)


def test_chance_on_the_board_keeps_its_times() -> None:
    """What is in force at 50 s is what was drawn to be."""
    kinds = (FaultName.SHORT, FaultName.GARBLED)
    drawn = list(islice(chances(1, rate_an_hour=3600, kinds=kinds, components=(), has_plant=False), 200))
    faults = FaultBoard(
        components=(),
        has_plant=False,
        endless=chances(1, rate_an_hour=3600, kinds=kinds, components=(), has_plant=False),
    )
    for step in range(5001):
        faults.advance(step / 100, dict)
    due = [cue.fault.name for cue in drawn if cue.at_s <= 50.0 < cue.at_s + (cue.for_s or 0) - 0.02]
    assert sorted(fault.name for fault in faults.active) == sorted(due)


def test_chance_without_anything_possible_is_refused() -> None:
    """A trace has no valves to stick."""
    with pytest.raises(OptionError, match="none of these"):
        chances(1, kinds=(FaultName.VALVE_STUCK_CLOSED,), components=COMPONENTS, has_plant=False)
    with pytest.raises(OptionError, match="rate"):
        chances(1, rate_an_hour=0, components=COMPONENTS, has_plant=True)
