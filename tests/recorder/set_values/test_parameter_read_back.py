"""What was written is read back: the same, another, later, or not to be had."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from hal.device import Device
from hal.errors import RefusedError
from hal.link import Block, Reading
from hal.memory import MemoryDevice
from hal.parameter import DataType, Parameter, WordOrder
from recorder.config.writes import WritesConfig
from recorder.set_values.step import StepOutcome
from tests.recorder.stepping import KIND, RULE, Bench, made


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """Writing is allowed for the heater."""
    async with made(tmp_path, WritesConfig(enabled=True, allow=(RULE,))) as bench:
        yield bench


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
