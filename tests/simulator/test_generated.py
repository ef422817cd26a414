"""A generated map: any number of parameters, an image that moves, all of it read over a socket."""

import asyncio
import struct
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient

from hal.parameter import RegisterKind
from simulator import parameter_map
from simulator.errors import MapError, OptionError, RequestRefusedError
from simulator.generated import MOST_PARAMETERS, GeneratedTool, SineMemory, generated_parameters
from simulator.station import ServeOptions
from tests.simulator.served import HOST


async def test_ten_thousand_parameters_are_served_and_their_map_is_read(tmp_path: Path) -> None:
    """160 requests read them all, and every value is a number near its level."""
    path = tmp_path / "map.csv"
    options = ServeOptions(port=0)
    async with GeneratedTool(10_000, options, map_path=path) as tool:
        assert tool.description.parameters == 10_000
        client = AsyncModbusTcpClient(HOST, port=tool.description.port, retries=0, timeout=5)
        assert await client.connect()
        words: list[int] = []
        for address in range(0, 20_000, 125):
            words += (await client.read_input_registers(address, count=125, device_id=1)).registers
        client.close()
    values = struct.unpack(">10000f", struct.pack(">20000H", *words))
    assert all(0.89 * (number % 1000 + 10) < value < 1.11 * (number % 1000 + 10) for number, value in enumerate(values))


def test_a_generated_map_has_addresses_for_all_and_no_two_on_one() -> None:
    """The largest one fills input registers, then holding registers."""
    places = {(each.kind, each.address) for each in generated_parameters(MOST_PARAMETERS)}
    assert len(places) == MOST_PARAMETERS
    assert {kind for kind, _ in places} == {RegisterKind.INPUT_REGISTER, RegisterKind.HOLDING_REGISTER}


async def test_values_move_from_image_to_image_and_not_within_one() -> None:
    """Two images that are 20 ms apart differ."""
    memory = SineMemory(50)
    first = list(memory.read(RegisterKind.INPUT_REGISTER, 0, 100))
    await asyncio.sleep(0.03)
    assert list(memory.read(RegisterKind.INPUT_REGISTER, 0, 100)) != first


def test_what_is_not_there_is_refused() -> None:
    """An address past the last, another kind, any write."""
    memory = SineMemory(10)
    for kind, address, count in ((RegisterKind.INPUT_REGISTER, 19, 2), (RegisterKind.COIL, 0, 1)):
        with pytest.raises(RequestRefusedError):
            memory.read(kind, address, count)
    with pytest.raises(RequestRefusedError):
        memory.write(RegisterKind.HOLDING_REGISTER, 0, [1])


@pytest.mark.parametrize("count", [0, -1, MOST_PARAMETERS + 1])
def test_a_number_of_parameters_that_cannot_be_is_refused(count: int) -> None:
    """With the limits."""
    with pytest.raises(OptionError, match=f"1 to {MOST_PARAMETERS}"):
        generated_parameters(count)


def test_a_map_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(MapError, match="none"):
        GeneratedTool(10, ServeOptions(), map_path=tmp_path / "none" / "map.csv")


def test_the_tool_s_own_map_is_not_touched(tmp_path: Path) -> None:
    """A generated map is a file of its own."""
    before = parameter_map.definitions_path().read_bytes()
    GeneratedTool(10, ServeOptions(), map_path=tmp_path / "map.csv")
    assert parameter_map.definitions_path().read_bytes() == before
