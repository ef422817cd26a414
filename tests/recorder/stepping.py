"""Parameter steps on a device in memory, with limits, a spool and a wanted value that tests may move."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hal.backoff import Backoff
from hal.device import Device
from hal.memory import MemoryDevice
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from recorder.config.writes import WriteRule, WritesConfig
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import DatabaseUnreachableError
from recorder.set_values.cache import SetValue, SetValues
from recorder.set_values.parameter_step import ParameterSteps, Surroundings, WritableDevice
from recorder.set_values.step import Step, StepResult
from recorder.set_values.write_rules import RecipeState
from recorder.spool.entry import Entry
from recorder.spool.spool import Spool

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
        stack.push_async_callback(end, task)
        await device.wait_connected()
        yield bench


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
