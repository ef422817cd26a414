"""Writes of a device: values, single bits, and what is refused."""

import asyncio
import math

import pytest

from hal.errors import (
    DefinitionError,
    NotConnectedError,
    RefusedError,
)
from hal.parameter import DataType, RegisterKind
from tests.hal.device_bench import (
    FLOW,
    NAN,
    SET_PRESSURE,
    VALVE,
    Bench,
)
from tests.hal.parameters import holding, make


@pytest.fixture
async def bench() -> Bench:
    """A fresh one in the loop of the test."""
    return Bench()


async def test_a_written_value_reaches_the_device(bench: Bench) -> None:
    """Encoded by type, order and scale."""
    async with bench.connected():
        await bench.device.write(SET_PRESSURE, 2.5)
        await bench.device.write(FLOW, 12.3)
        await bench.device.write(VALVE, 0)
    assert bench.memory.get(SET_PRESSURE) == 2.5
    assert bench.memory.get(FLOW) == pytest.approx(12.3)
    assert bench.memory.get(VALVE) == 0.0


async def test_writing_one_bit_of_a_register_keeps_the_others(bench: Bench) -> None:
    """Two writers of two bits of one word do not undo each other."""
    bench.memory.put_raw(RegisterKind.HOLDING_REGISTER, 40, [0b1000_0000_0000_0101])
    bits = [holding(number, 40, DataType.BINARY, bit=number) for number in range(4)]
    async with bench.connected():
        await asyncio.gather(bench.device.write(bits[0], 0), bench.device.write(bits[3], 1))
    assert bench.memory.get_raw(RegisterKind.HOLDING_REGISTER, 40, 1).tolist() == [0b1000_0000_0000_1100]


async def test_a_refused_write_is_raised_and_noted(bench: Bench) -> None:
    """Whoever writes must know that it did not happen."""
    bench.memory.refuse(RegisterKind.COIL, range(15, 16))
    async with bench.connected():
        with pytest.raises(RefusedError):
            await bench.device.write(VALVE, 1)
        assert "write coil 15..15" in str(bench.device.health.last_error)


async def test_a_write_without_connection_is_raised(bench: Bench) -> None:
    """It is not kept for later: a late write could harm."""
    with pytest.raises(NotConnectedError, match=r"plc: write test/4: no connection"):
        await bench.device.write(VALVE, 1)


@pytest.mark.parametrize("value", [NAN, math.inf])
async def test_no_value_is_not_written(bench: Bench, value: float) -> None:
    """NaN in a set-value register could be taken for anything."""
    async with bench.connected():
        with pytest.raises(DefinitionError, match="no value to write"):
            await bench.device.write(SET_PRESSURE, value)


async def test_an_input_cannot_be_written(bench: Bench) -> None:
    """Two of the four kinds are read only."""
    with pytest.raises(DefinitionError, match="input_register cannot be written"):
        await bench.device.write(make(9, RegisterKind.INPUT_REGISTER, 0, DataType.INT16), 1)
