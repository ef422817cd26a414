"""A parameter step: durable intent, write, read-back, durable outcome; and a plain word on whatever fails."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.config.writes import WritesConfig
from recorder.errors import SpoolError, UsageError
from recorder.set_values.step import StepOutcome
from recorder.set_values.write_rules import RecipeState
from tests.recorder.stepping import KIND, RULE, Bench, made


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Writing is allowed for the heater."""
    async with made(tmp_path, WritesConfig(enabled=True, allow=(RULE,))) as bench:
        yield bench


async def test_a_step_is_written_read_back_and_durable_before_and_after(bench: Bench) -> None:
    """Who, when, what and why stand in the spool, and the new value is desired at once."""
    [result] = await bench.set(chamber=200.0)
    assert (result.outcome, result.read_back, result.before) == (StepOutcome.DONE, 200.0, 19.5)
    assert result.message == "the tool reads 200 °C"
    assert bench.held() == 200.0
    intent, outcome = await bench.spooled()
    assert intent.header["event"] == "set_value_intended"
    assert intent.header["detail"] == {
        "parameter": "Heater/chamber",
        "value": 200.0,
        "before": 19.5,
        "changed_by": "ada",
        "reason": "test",
    }
    assert outcome.header["event"] == "set_value_changed"
    kept = ("parameter_id", "old_value", "new_value", "changed_by", "source", "reason", "read_back", "outcome")
    assert [outcome.header[name] for name in kept] == [1, 19.5, 200.0, "ada", "operator", "test", 200.0, "done"]
    assert outcome.header["process_id"] == 77
    assert (await bench.set_values.get(1)).value.desired == 200.0


async def test_neighbours_go_in_one_request_and_each_is_reported(bench: Bench) -> None:
    """Several set-values apply together as far as Modbus can."""
    results = await bench.set(line=31.0, chamber=30.0, far=32.0)
    assert [(r.parameter, r.outcome) for r in results] == [
        ("Heater/line", StepOutcome.DONE),
        ("Heater/chamber", StepOutcome.DONE),
        ("Heater/far", StepOutcome.DONE),
    ]
    assert [bench.held(address) for address in (2000, 2002, 2100)] == [30.0, 31.0, 32.0]
    assert bench.memory.addresses == [2000, 2000, 2100, 2100]


async def test_where_one_of_several_is_refused_none_is_sent(bench: Bench) -> None:
    """A half-made step is no step; each says why it was not made."""
    chamber, line = await bench.set(chamber=200.0, line=999.0)
    assert (chamber.outcome, line.outcome) == (StepOutcome.REFUSED, StepOutcome.REFUSED)
    assert "because another of this step cannot be" in chamber.message
    assert "hard limits 0…300" in line.message
    assert bench.memory.addresses == []
    assert await bench.spooled() == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("chamber", 251.0, "limits 10…250"),
        ("reading", 50.0, "set Heater/chamber"),
        ("other device", 50.0, "is not read by this recorder"),
        ("unconfigured", 50.0, "no address"),
        ("chamber", float("nan"), "no number"),
        ("chamber", float("inf"), "no number"),
    ],
)
async def test_what_may_not_be_written_is_refused_in_one_line(
    bench: Bench, name: str, value: float, words: str
) -> None:
    """Nothing was sent and nothing is spooled."""
    [result] = await bench.set({name: value})
    assert result.outcome is StepOutcome.REFUSED
    assert words in result.message
    assert bench.memory.addresses == []
    assert await bench.spooled() == []


async def test_writing_that_is_switched_off_asks_neither_tool_nor_database(tmp_path: Path) -> None:
    """By default a recorder records."""
    async with made(tmp_path, WritesConfig()) as bench:
        [result] = await bench.set(chamber=200.0)
        assert "switched off" in result.message
        assert bench.set_values.counts.queries == 0
        assert bench.memory.addresses == []


async def test_limits_that_are_stale_allow_nothing(bench: Bench) -> None:
    """The database is away, and somebody may have changed them."""
    await bench.set_values.refresh()
    bench.wanted.is_away = True
    bench.set_values.invalidate([1])
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.REFUSED
    assert "changed since" in result.message
    assert bench.memory.addresses == []


async def test_a_database_that_is_away_does_not_hold_up_a_step_whose_limits_are_known(bench: Bench) -> None:
    """No query is made on the way."""
    await bench.set_values.refresh()
    bench.wanted.is_away = True
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.DONE
    assert bench.set_values.counts.queries == 1


async def test_a_tool_that_is_not_there_is_a_failure_that_moved_nothing(bench: Bench) -> None:
    """The PLC not being there is no success, and the record says that it was tried."""
    bench.memory.become_unreachable()
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.FAILED
    assert "neither the tool nor the database has moved" in result.message
    assert await bench.told() == [("set_value_intended", ""), ("set_value_changed", "failed")]
    assert (await bench.set_values.get(1)).value.desired == 20.0


async def test_a_tool_that_refuses_is_a_failure_that_moved_nothing(bench: Bench) -> None:
    """An exception of the device is its word that it did nothing."""
    bench.memory.refuse(KIND, range(2000, 2002))
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.FAILED
    assert "exception 2" in result.message


async def test_two_writes_of_one_parameter_keep_their_distance(tmp_path: Path) -> None:
    """Some memories last 100,000 writes; another parameter need not wait."""
    rule = RULE.model_copy(update={"min_interval_s": 10.0})
    async with made(tmp_path, WritesConfig(enabled=True, allow=(rule,))) as bench:
        assert (await bench.set(chamber=200.0))[0].outcome is StepOutcome.DONE
        bench.now_s += 4
        [early] = await bench.set(chamber=201.0)
        assert early.outcome is StepOutcome.REFUSED
        assert "wait another 6.0 s" in early.message
        assert (await bench.set(line=50.0))[0].outcome is StepOutcome.DONE
        bench.now_s += 6
        assert (await bench.set(chamber=201.0))[0].outcome is StepOutcome.DONE


async def test_during_a_recipe_nothing_is_written_unless_asked_for_by_name(tmp_path: Path) -> None:
    """Neither while one runs nor while nobody knows."""
    rule = RULE.model_copy(update={"during_recipe": True})
    async with made(tmp_path, WritesConfig(enabled=True, allow=(rule,))) as bench:
        for state in (RecipeState.RUNNING, RecipeState.UNKNOWN):
            bench.recipe = state
            [refused] = await bench.set(chamber=200.0)
            assert "--during-recipe" in refused.message
            [done] = await bench.set(during_recipe=True, chamber=200.0)
            assert done.outcome is StepOutcome.DONE


@pytest.mark.parametrize(("reason", "values"), [("", {"chamber": 1.0}), ("x" * 501, {"chamber": 1.0}), ("why", {})])
async def test_a_step_without_a_reason_or_a_value_is_wrong_use(
    bench: Bench, reason: str, values: dict[str, float]
) -> None:
    """The change log must say why."""
    with pytest.raises(UsageError):
        await bench.set(values, reason=reason)
    assert bench.memory.addresses == []


async def test_a_parameter_that_is_not_there_is_wrong_use(bench: Bench) -> None:
    """A misspelt name writes nothing, also where the others are right."""
    with pytest.raises(UsageError, match="no such parameter"):
        await bench.set(chamber=50.0, chambre=50.0)
    assert bench.memory.addresses == []


async def test_a_disk_that_refuses_the_intent_stops_the_step_before_the_tool(bench: Bench) -> None:
    """What cannot be recorded is not done."""
    bench.spool._store.close()
    with pytest.raises(SpoolError):
        await bench.set(chamber=200.0)
    assert bench.memory.addresses == []


async def test_steps_take_turns(bench: Bench) -> None:
    """Two operators at once never mix their writes and read-backs."""
    first, second = await asyncio.gather(bench.set(chamber=100.0), bench.set(chamber=150.0))
    assert (first[0].read_back, second[0].read_back) == (100.0, 150.0)
    assert bench.held() == 150.0
