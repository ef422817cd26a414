"""What may be written to the tool, and the words in which the rest is refused."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from recorder.config.writes import WriteRule, WritesConfig
from recorder.set_values.cache import SetValue
from recorder.set_values.write_rules import Attempt, RecipeState, refusal, target_of

TARGET = Parameter(
    parameter_id=1,
    name="Heater/set",
    kind=RegisterKind.HOLDING_REGISTER,
    address=2000,
    data_type=DataType.FLOAT32,
    word_order=WordOrder.CDAB,
)
RULE = WriteRule(
    device="plc",
    addresses="holding_register 2000..2001",
    data_type=DataType.FLOAT32,
    hard_min=0,
    hard_max=300,
    min_interval_s=5,
)
LIMITS = SetValue(parameter_id=1, desired=20, min_value=50, max_value=250, tolerance=0.5, is_writable=True)


def attempt(value: float = 200.0, **fields: Any) -> Attempt:
    """An attempt that nothing speaks against, but for what the test says."""
    allowed = Attempt(
        device="plc",
        target=TARGET,
        value=value,
        limits=LIMITS,
        recipe=RecipeState.NONE,
        asks_during_recipe=False,
        since_last_s=None,
    )
    return replace(allowed, **fields)


def config(rule: WriteRule = RULE) -> WritesConfig:
    """Writing switched on for one rule."""
    return WritesConfig(enabled=True, allow=(rule,))


def test_what_every_rule_allows_may_be_written() -> None:
    """The limits themselves are within."""
    assert [refusal(config(), attempt(value)) for value in (50.0, 200.0, 250.0)] == [None] * 3


def test_by_default_nothing_may_be_written() -> None:
    """Off until somebody at the controller says otherwise, also where rules stand there."""
    for written in (WritesConfig(), WritesConfig(allow=(RULE,))):
        assert "switched off" in (refusal(written, attempt()) or "")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"device": "other"}, "on no allow-list"),
        ({"target": replace(TARGET, address=2001)}, "on no allow-list"),
        ({"target": replace(TARGET, kind=RegisterKind.COIL, data_type=DataType.BINARY)}, "on no allow-list"),
        ({"limits": replace(LIMITS, is_writable=False)}, "do not call it writable"),
        ({"value": 301.0}, "hard limits 0…300"),
        ({"value": -1.0}, "hard limits 0…300"),
        ({"value": 251.0}, "limits 50…250 of its definition"),
        ({"value": float("nan")}, "no number"),
        ({"value": float("inf")}, "no number"),
        ({"since_last_s": 1.0}, "wait another 4.0 s"),
        ({"recipe": RecipeState.RUNNING, "asks_during_recipe": True}, "its rule does not allow"),
        ({"recipe": RecipeState.UNKNOWN, "asks_during_recipe": True}, "whether a recipe runs is not known"),
    ],
)
def test_each_reason_is_told_in_one_line(fields: dict[str, Any], words: str) -> None:
    """A refusal names what stands in the way."""
    reason = refusal(config(), attempt(**fields))
    assert reason is not None
    assert words in reason
    assert "\n" not in reason


def test_limits_of_the_database_only_narrow_those_of_the_controller() -> None:
    """Whoever can write to the database cannot make the tool take more than config.toml allows."""
    wide = replace(LIMITS, min_value=None, max_value=1e9)
    assert refusal(config(), attempt(300.0, limits=wide)) is None
    assert "hard limits" in (refusal(config(), attempt(300.1, limits=wide)) or "")


@pytest.mark.parametrize(
    "changed",
    [{"scale": 0.001}, {"offset": 500.0}, {"data_type": DataType.INT32}, {"word_order": WordOrder.ABCD}],
)
def test_a_definition_that_would_write_other_words_than_its_rule_means_is_refused(changed: dict[str, Any]) -> None:
    """Hard limits in engineering units would mean nothing where the database decides how a value becomes words."""
    assert "its definition says" in (refusal(config(), attempt(target=replace(TARGET, **changed))) or "")


def test_a_write_during_a_recipe_is_asked_for_by_name_and_allowed_by_its_rule() -> None:
    """Both, and neither alone."""
    rule = RULE.model_copy(update={"during_recipe": True})
    for recipe in (RecipeState.RUNNING, RecipeState.UNKNOWN):
        assert "--during-recipe" in (refusal(config(rule), attempt(recipe=recipe)) or "")
        assert refusal(config(rule), attempt(recipe=recipe, asks_during_recipe=True)) is None


def test_integers_and_bits_take_nothing_in_between() -> None:
    """2.5 in a counter and 2 on a valve are mistakes, not roundings."""
    whole = RULE.model_copy(update={"data_type": DataType.UINT16})
    target = replace(TARGET, data_type=DataType.UINT16)
    assert "no whole number" in (refusal(config(whole), attempt(99.5, target=target)) or "")
    assert refusal(config(whole), attempt(99.0, target=target)) is None
    valve = replace(TARGET, kind=RegisterKind.COIL, data_type=DataType.BINARY)
    bit = RULE.model_copy(update={"addresses": "coil 2000", "data_type": DataType.BINARY})
    limits = replace(LIMITS, min_value=None, max_value=None)
    assert "neither 0 nor 1" in (refusal(config(bit), attempt(2.0, target=valve, limits=limits)) or "")
    assert refusal(config(bit), attempt(1.0, target=valve, limits=limits)) is None


@given(value=st.floats(), low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6))
def test_no_value_outside_of_the_hard_limits_is_ever_allowed(value: float, low: float, high: float) -> None:
    """Whatever the database and the operator say."""
    limits = replace(LIMITS, min_value=low, max_value=high)
    if refusal(config(), attempt(value, limits=limits)) is None:
        assert max(RULE.hard_min, low) <= value <= min(RULE.hard_max, high)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"addresses": "input_register 3"}, "cannot be written"),
        ({"addresses": "register 3"}, "no range of addresses"),
        ({"hard_min": 5, "hard_max": 4}, "exchange them"),
        ({"hard_max": float("nan")}, "finite"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_what_to_do(fields: dict[str, Any], words: str) -> None:
    """A wrong allow-list is found at the start and not at the first write."""
    with pytest.raises(ValidationError, match=words):
        WriteRule(**{**RULE.model_dump(), **fields})


def test_a_write_address_goes_before_the_address_that_is_read() -> None:
    """Tools keep set-value and read-back apart; a reading alone has no place to be written."""
    reading = replace(TARGET, kind=RegisterKind.INPUT_REGISTER, address=18, sentinels=(-1.0,), range_low=0.0)
    assert target_of(reading, None) is None
    target = target_of(reading, 2000)
    assert target is not None
    assert (target.kind, target.address, target.sentinels, target.range_low) == (TARGET.kind, 2000, (), None)
    contact = replace(TARGET, kind=RegisterKind.DISCRETE_INPUT, data_type=DataType.BINARY)
    switched = target_of(contact, 7)
    assert switched is not None
    assert (switched.kind, switched.address) == (RegisterKind.COIL, 7)
