"""The tool's own set-values against the desired ones."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace

import pytest

from hal.device import Device
from hal.memory import MemoryDevice
from hal.parameter import DataType, RegisterKind
from hal.plan import ReadPlan, plan_reads
from recorder.definitions.definitions import Definition
from recorder.set_values.cache import SetValue, SetValues
from recorder.set_values.drift import Drift, DriftWatch

SECOND_NS = 1_000_000_000


def definition(parameter_id: int, name: str, kind: RegisterKind, address: int, **fields: object) -> Definition:
    """A float32 of the plc."""
    base = {"id": parameter_id, "component": "Heater", "name": name, "register_kind": kind, "address": address}
    return Definition.model_validate({**base, "data_type": DataType.FLOAT32, **fields})


SET = definition(1, "set", RegisterKind.HOLDING_REGISTER, 2000, is_writable=True)
READ = definition(
    2, "read", RegisterKind.INPUT_REGISTER, 18, set_value_parameter="Heater/set", set_value_parameter_id=1
)
PLAIN = definition(3, "plain", RegisterKind.INPUT_REGISTER, 20)


class Wanted:
    """What is desired of each parameter."""

    def __init__(self) -> None:
        self.desired: dict[int, float | None] = {1: 200.0, 2: None, 3: 200.0}
        self.tolerance: float | None = None

    async def all(self) -> Sequence[SetValue]:
        """Of all."""
        return await self.some(list(self.desired))

    async def some(self, parameter_ids: Sequence[int]) -> Sequence[SetValue]:
        """Of some."""
        return [
            SetValue(
                parameter_id=i,
                desired=self.desired[i],
                min_value=None,
                max_value=None,
                tolerance=self.tolerance,
                is_writable=True,
            )
            for i in parameter_ids
        ]


class Bench:
    """A tool in memory, scanned second by second."""

    def __init__(self, device: Device, memory: MemoryDevice) -> None:
        self.device = device
        self.memory = memory
        self.wanted = Wanted()
        self.values = SetValues(self.wanted)
        self.told: list[Drift] = []
        self.is_busy = False
        self.plan: ReadPlan = plan_reads([d.to_parameter() for d in (SET, READ, PLAIN)])
        self.watch = DriftWatch(
            (SET, READ, PLAIN), self.values, after_s=2, tell=self.told.append, is_busy=lambda: self.is_busy
        )
        self.now_ns = 10 * SECOND_NS

    def holds(self, value: float) -> None:
        """Let the tool hold a set-value."""
        self.memory.put(SET.to_parameter(), value)

    async def scan(self, seconds: int = 1) -> list[tuple[str, float, float]]:
        """Scan so often; what was told in all."""
        await self.values.refresh()
        for _ in range(seconds):
            scan = await self.device.scan(self.plan)
            self.now_ns += SECOND_NS
            self.watch.look(self.plan, replace(scan, started_ns=self.now_ns))
        return [(drift.name, drift.desired, drift.tool) for drift in self.told]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A connected bench, whose tool holds what is desired."""
    memory = MemoryDevice("plc")
    device = Device("plc", memory.connect)
    task = asyncio.create_task(device.run())
    await device.wait_connected()
    bench = Bench(device, memory)
    bench.holds(200.0)
    yield bench
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_tool_that_holds_what_is_desired_says_nothing(bench: Bench) -> None:
    """A reading that is no set-value is compared with nothing, whatever the database wants of it."""
    assert await bench.scan(5) == []


async def test_a_set_value_changed_at_the_tool_is_told_once_after_its_time(bench: Bench) -> None:
    """Each new value of the tool is one change, and not one a scan; agreement ends it."""
    bench.holds(180.0)
    assert await bench.scan(2) == []
    assert await bench.scan(5) == [("Heater/set", 200.0, 180.0)]
    assert [drift.tool for drift in bench.watch.drifting.values()] == [180.0]
    bench.holds(170.0)
    assert (await bench.scan(3))[1:] == [("Heater/set", 200.0, 170.0)]
    bench.holds(200.0)
    await bench.scan()
    assert bench.watch.drifting == {}
    bench.holds(170.0)
    assert len(await bench.scan(4)) == 3


async def test_the_set_value_beside_a_reading_is_compared_too(bench: Bench) -> None:
    """Where the reading names the register of its set-value, what is desired of the reading is compared with that."""
    bench.wanted.desired = {1: None, 2: 150.0, 3: None}
    assert await bench.scan(4) == [("Heater/read", 150.0, 200.0)]


@pytest.mark.parametrize(("tolerance", "told"), [(None, 1), (0.4, 1), (0.6, 0)])
async def test_what_is_within_the_tolerance_is_no_drift(bench: Bench, tolerance: float | None, told: int) -> None:
    """A controller may round; what a float32 cannot hold is never told."""
    bench.wanted.tolerance = tolerance
    bench.holds(200.5)
    assert len(await bench.scan(5)) == told
    bench.wanted.desired[1] = 200.1
    bench.holds(200.1)
    assert len(await bench.scan(5)) == told


async def test_a_device_that_cannot_be_read_has_no_drift(bench: Bench) -> None:
    """A value that was not read is not a value, and a gap does not make a difference of before end."""
    bench.holds(180.0)
    await bench.scan(1)
    bench.memory.refuse(RegisterKind.HOLDING_REGISTER, range(2000, 2002))
    assert await bench.scan(1) == []
    bench.memory.accept_all()
    assert bench.watch.drifting == {}


async def test_a_new_desired_value_has_its_time_too(bench: Bench) -> None:
    """Somebody sets a value in the database first and at the tool then: that is no drift of the tool."""
    bench.wanted.desired[1] = 220.0
    assert await bench.scan(2) == []
    bench.holds(220.0)
    assert await bench.scan(5) == []


async def test_what_was_set_here_is_desired_in_the_very_next_scan(bench: Bench) -> None:
    """The tool and the desired value moved together: the old one must not be compared with the tool's new one."""
    await bench.scan(3)
    bench.holds(180.0)
    await bench.values.put(1, 180.0, is_stored=lambda: False)
    for _ in range(10):
        scan = await bench.device.scan(bench.plan)
        bench.now_ns += SECOND_NS // 10
        bench.watch.look(bench.plan, replace(scan, started_ns=bench.now_ns))
    assert await bench.scan(4) == []


async def test_during_a_parameter_step_nothing_is_compared(bench: Bench) -> None:
    """The tool moves first and the desired value then."""
    bench.is_busy = True
    bench.holds(180.0)
    assert await bench.scan(5) == []


async def test_a_stale_desired_value_makes_no_drift(bench: Bench) -> None:
    """What is desired is not known, so nobody can say that the tool differs."""
    await bench.scan()
    bench.values.invalidate()
    bench.holds(180.0)
    for _ in range(4):
        scan = await bench.device.scan(bench.plan)
        bench.now_ns += SECOND_NS
        bench.watch.look(bench.plan, replace(scan, started_ns=bench.now_ns))
    assert bench.told == []
