"""A parameter step: durable intent, write, read-back, durable outcome; and a plain word on whatever fails."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hal.backoff import Backoff
from hal.device import Device
from hal.errors import RefusedError
from hal.link import Block, Reading
from hal.memory import MemoryDevice
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from recorder.definitions import Definition, DefinitionSet
from recorder.entry import Entry
from recorder.errors import DatabaseUnreachableError, SpoolError, UsageError
from recorder.parameter_step import ParameterSteps, Surroundings, WritableDevice
from recorder.set_values import SetValue, SetValues
from recorder.spool import Spool
from recorder.step import Step, StepOutcome, StepResult
from recorder.write_rules import RecipeState, WriteRule, WritesConfig

KIND = RegisterKind.HOLDING_REGISTER


def definition(parameter_id: int, name: str, address: int | None, **fields: object) -> Definition:
    """A float32 in a holding register."""
    return Definition.model_validate(
        {
            "id": parameter_id,
            "component": "Heater",
            "name": name,
            "unit": "°C",
            "register_kind": KIND,
            "address": address,
            "data_type": DataType.FLOAT32,
            "is_writable": True,
            **fields,
        }
    )


DEFINITIONS = DefinitionSet(
    machine="tool",
    definitions=(
        definition(1, "chamber", 2000),
        definition(2, "line", 2002),
        definition(3, "far", 2100),
        definition(4, "reading", 18, register_kind=RegisterKind.INPUT_REGISTER, set_value_parameter="Heater/chamber"),
        definition(5, "other device", 2000, device="gone"),
        definition(6, "unconfigured", None, register_kind=None),
    ),
)
RULE = WriteRule(
    device="plc",
    addresses="holding_register 2000..2199",
    data_type=DataType.FLOAT32,
    hard_min=0,
    hard_max=300,
    min_interval_s=0,
    read_back_within_ms=200,
)


class Wanted:
    """What a database would say, and whether it is there."""

    is_away = False
    tolerance: float | None = None

    async def all(self) -> Sequence[SetValue]:
        """Of every parameter."""
        return await self.some([1, 2, 3, 4, 5])

    async def some(self, parameter_ids: Sequence[int]) -> Sequence[SetValue]:
        """Of some."""
        if self.is_away:
            raise DatabaseUnreachableError("the database is away")
        return [
            SetValue(
                parameter_id=i, desired=20.0, min_value=10, max_value=250, tolerance=self.tolerance, is_writable=True
            )
            for i in parameter_ids
        ]


@dataclass(kw_only=True)
class Bench:
    """A tool in memory and all that a step needs."""

    memory: MemoryDevice
    device: Device
    spool: Spool
    wanted: Wanted
    set_values: SetValues
    steps: ParameterSteps
    devices: dict[str, WritableDevice]
    recipe: RecipeState = RecipeState.NONE
    now_s: float = 100.0
    is_stored: bool = False

    async def set(
        self,
        values: Mapping[str, float] | None = None,
        *,
        during_recipe: bool = False,
        reason: str = "test",
        **more: float,
    ) -> list[StepResult]:
        """Make a step of the heater's parameters."""
        named = {f"Heater/{name}": value for name, value in {**(values or {}), **more}.items()}
        step = Step(values=named, changed_by="ada", reason=reason, during_recipe=during_recipe)
        return await self.steps.apply(step)

    def held(self, address: int = 2000) -> float | str:
        """What the tool holds."""
        return self.memory.get(
            Parameter(
                parameter_id=1,
                name="held",
                kind=KIND,
                address=address,
                data_type=DataType.FLOAT32,
                word_order=WordOrder.CDAB,
            )
        )

    async def spooled(self) -> list[Entry]:
        """Everything that was made durable."""
        return [one.entry for one in await self.spool.peek(after=0, max_rows=10**6)]

    async def told(self) -> list[tuple[str, str]]:
        """Events and outcomes, in order."""
        return [(e.header["event"], e.header.get("outcome", "")) for e in await self.spooled()]


@asynccontextmanager
async def made(folder: Path, config: WritesConfig) -> AsyncIterator[Bench]:
    """A bench, connected."""
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(Spool(folder / "spool.sqlite3", max_bytes=10_000_000))
        memory = MemoryDevice("plc", request_timeout_s=0.1)
        device = Device("plc", memory.connect, backoff=Backoff(first_s=0.01, longest_s=0.01))
        wanted = Wanted()
        set_values = SetValues(wanted)
        devices: dict[str, WritableDevice] = {"plc": device}
        bench: Bench

        async def sleep(seconds: float) -> None:
            bench.now_s += seconds
            await asyncio.sleep(0)

        around = Surroundings(
            device_of=devices.get,
            recipe=lambda: bench.recipe,
            process_id=lambda: 77,
            before=lambda _parameter_id: 19.5,
            spool=spool.append,
            is_stored=lambda _sequence: bench.is_stored,
            now_us=lambda: 1_700_000_000_000_000,
            monotonic_s=lambda: bench.now_s,
            sleep=sleep,
        )
        steps = ParameterSteps(config, definitions=DEFINITIONS, set_values=set_values, around=around)
        bench = Bench(
            memory=memory,
            device=device,
            spool=spool,
            wanted=wanted,
            set_values=set_values,
            steps=steps,
            devices=devices,
        )
        task = asyncio.create_task(device.run())
        stack.push_async_callback(_end, task)
        await device.wait_connected()
        yield bench


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


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


async def test_a_device_failure_is_settled_by_reading_back(bench: Bench) -> None:
    """Exception 4 says that something went wrong on the way: what the tool then holds decides."""
    bench.memory.fail_next(RefusedError(operation="write", device="plc", exception_code=4))
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.READ_BACK_DIFFERS
    assert "the tool reads 0 °C, not 200" in result.message
    assert "the database has not moved" in result.message


async def test_an_answer_that_does_not_come_leaves_it_unknown_and_says_so(bench: Bench) -> None:
    """After a time-out the connection is gone, so nobody can ask what the tool holds."""
    bench.memory.delay_next(5.0)
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.UNKNOWN
    assert "whether the tool took it is not known" in result.message
    assert (await bench.told())[-1] == ("set_value_changed", "unknown")
    assert (await bench.set_values.get(1)).value.desired == 20.0


class Stubborn:
    """A device that takes a write and shows another value, for so many readings or for ever."""

    def __init__(self, device: Device, *, shows: Sequence[int], readings: int) -> None:
        self._device = device
        self._shows = shows
        self.left = readings

    async def write_together(self, parameters: Sequence[Parameter], values: Sequence[float]) -> None:
        """Take it."""
        await self._device.write_together(parameters, values)

    async def read(self, block: Block) -> Reading:
        """Show the other value."""
        reading = await self._device.read(block)
        if self.left:
            self.left -= 1
            reading.data[: len(self._shows)] = self._shows
        return reading


async def test_a_read_back_that_differs_is_told_and_not_desired(bench: Bench) -> None:
    """What the tool says is what counts."""
    bench.devices["plc"] = Stubborn(bench.device, shows=[0, 0], readings=10**6)
    [result] = await bench.set(chamber=200.0)
    assert (result.outcome, result.read_back) == (StepOutcome.READ_BACK_DIFFERS, 0.0)
    assert "the tool reads 0 °C, not 200; the database has not moved" in result.message
    assert (await bench.set_values.get(1)).value.desired == 20.0
    assert (await bench.told())[-1] == ("set_value_changed", "read_back_differs")


async def test_a_tool_that_takes_its_time_is_waited_for(bench: Bench) -> None:
    """A PLC copies a new set-value in its next cycle: that is no failure."""
    bench.devices["plc"] = stubborn = Stubborn(bench.device, shows=[0, 0], readings=3)
    [result] = await bench.set(chamber=200.0)
    assert result.outcome is StepOutcome.DONE
    assert stubborn.left == 0


@pytest.mark.parametrize(("tolerance", "outcome"), [(0.5, "done"), (0.1, "read_back_differs"), (None, "done")])
async def test_read_back_and_value_are_compared_within_the_tolerance(
    bench: Bench, tolerance: float | None, outcome: str
) -> None:
    """Tenths of a degree that a controller rounds away are no difference; what float32 cannot hold never is."""
    bench.wanted.tolerance = tolerance
    if tolerance is None:
        [result] = await bench.set(chamber=200.1)
    else:
        memory = MemoryDevice("rounding")
        rounded = Parameter(
            parameter_id=1,
            name="rounded",
            kind=KIND,
            address=0,
            data_type=DataType.FLOAT32,
            word_order=WordOrder.CDAB,
        )
        memory.put(rounded, 200.0)
        shows = memory.get_raw(KIND, 0, 2).tolist()
        bench.devices["plc"] = Stubborn(bench.device, shows=shows, readings=10**6)
        [result] = await bench.set(chamber=200.3)
    assert result.outcome == outcome


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
