"""The Modbus server over a real socket: every function code, refusals, and frames laid out by hand."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.pdu import ModbusPDU

from simulator.errors import ListenError
from simulator.parameter_map import definitions_path, load
from simulator.plc import Plc
from simulator.process import standby
from simulator.recipe import al2o3
from simulator.server import serve

HOST = "127.0.0.1"


@pytest.fixture
def plc() -> Plc:
    """A tool whose time stands still, so that registers do not move between two requests."""
    return Plc(load(definitions_path()), standby(seed=1, recipe=al2o3()))


@pytest.fixture
async def port(plc: Plc) -> AsyncIterator[int]:
    """The port on which the tool is served."""
    async with serve(plc, host=HOST, port=0, unit=1) as port:
        yield port


@pytest.fixture
async def client(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    """A connected client."""
    client = AsyncModbusTcpClient(HOST, port=port, retries=0, timeout=5)
    assert await client.connect()
    yield client
    client.close()


def registers(response: ModbusPDU) -> list[int]:
    """Registers of an answer that must not be an exception."""
    assert not response.isError(), response
    return list(response.registers)


async def exchange(port: int, frame: str, answer_bytes: int) -> str:
    """Send a frame given in hexadecimal and return the answer likewise."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(bytes.fromhex(frame))
        return (await reader.readexactly(answer_bytes)).hex(" ")
    finally:
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    ("what", "request_frame", "answer_frame"),
    [
        ("read coils 0..4", "00 01 00 00 00 06 01 01 00 00 00 05", "00 01 00 00 00 04 01 01 01 15"),
        ("read discrete inputs 0..5", "00 02 00 00 00 06 01 02 00 00 00 06", "00 02 00 00 00 04 01 02 01 3f"),
        ("read holding 2000..2001", "00 03 00 00 00 06 01 03 07 d0 00 02", "00 03 00 00 00 07 01 03 04 00 00 43 48"),
        ("read input 3000", "00 04 00 00 00 06 01 04 0b b8 00 01", "00 04 00 00 00 05 01 04 02 00 00"),
        ("write coil 40", "00 05 00 00 00 06 01 05 00 28 ff 00", "00 05 00 00 00 06 01 05 00 28 ff 00"),
        ("write register 2120", "00 06 00 00 00 06 01 06 08 48 00 03", "00 06 00 00 00 06 01 06 08 48 00 03"),
        ("write coils 40..41", "00 07 00 00 00 08 01 0f 00 28 00 02 01 02", "00 07 00 00 00 06 01 0f 00 28 00 02"),
        (
            "write registers 2086..2087",
            "00 08 00 00 00 0b 01 10 08 26 00 02 04 00 00 41 a0",
            "00 08 00 00 00 06 01 10 08 26 00 02",
        ),
        ("an unknown address", "00 09 00 00 00 06 01 03 00 00 00 01", "00 09 00 00 00 03 01 83 02"),
        ("an unknown coil", "00 0a 00 00 00 06 01 01 00 2a 00 01", "00 0a 00 00 00 03 01 81 02"),
        ("an unknown unit", "00 0b 00 00 00 06 07 04 0b b8 00 01", "00 0b 00 00 00 03 07 84 0b"),
        ("mask write, not served", "00 0c 00 00 00 08 01 16 08 48 00 00 00 01", "00 0c 00 00 00 03 01 96 01"),
    ],
)
async def test_a_frame_is_answered_as_the_specification_says(
    port: int, what: str, request_frame: str, answer_frame: str
) -> None:
    """Frames by the MODBUS Application Protocol V1.1b3, laid out by hand rather than by pymodbus's own client."""
    assert await exchange(port, request_frame, len(answer_frame.split())) == answer_frame, what


async def test_every_parameter_of_the_map_is_served(client: AsyncModbusTcpClient, plc: Plc) -> None:
    """Each alone, by the function code of its kind, as the image has it."""
    read = {
        1: client.read_coils,
        2: client.read_discrete_inputs,
        3: client.read_holding_registers,
        4: client.read_input_registers,
    }
    for definition in load(definitions_path()):
        parameter = definition.parameter
        response = await read[parameter.kind.function_code](parameter.address, count=parameter.words, device_id=1)
        assert not response.isError(), parameter.name
        words = response.bits[:1] if parameter.kind.is_bit else response.registers
        assert [int(word) for word in words] == plc.read(parameter.kind, parameter.address, parameter.words)


async def test_the_whole_map_is_read_by_five_requests(client: AsyncModbusTcpClient) -> None:
    """All coils, all discrete inputs, all holding registers, both areas of input registers: one request each."""
    assert not (await client.read_coils(0, count=42, device_id=1)).isError()
    assert not (await client.read_discrete_inputs(0, count=6, device_id=1)).isError()
    assert len(registers(await client.read_holding_registers(2000, count=121, device_id=1))) == 121
    assert len(registers(await client.read_input_registers(2002, count=116, device_id=1))) == 116
    assert len(registers(await client.read_input_registers(3000, count=20, device_id=1))) == 20


async def test_a_write_beyond_its_limits_is_exception_3_and_changes_nothing(client: AsyncModbusTcpClient) -> None:
    """401 C on a heater that takes 0 to 400 C."""
    high, low = struct.unpack(">HH", struct.pack(">f", 401.0))
    response = await client.write_registers(2000, [low, high], device_id=1)
    assert response.exception_code == 3
    assert registers(await client.read_holding_registers(2000, count=2, device_id=1)) == [0x0000, 0x4348]


async def test_a_start_while_running_is_exception_6(client: AsyncModbusTcpClient, plc: Plc) -> None:
    """The coil is refused as busy, by both function codes that can write it."""
    assert not (await client.write_coil(40, True, device_id=1)).isError()
    plc.step()
    assert (await client.write_coil(40, True, device_id=1)).exception_code == 6
    assert (await client.write_coils(40, [True], device_id=1)).exception_code == 6


async def test_a_port_in_use_is_one_clear_error(port: int, plc: Plc, caplog: pytest.LogCaptureFixture) -> None:
    """It names the address, the reason and what to do, and nothing else is logged."""
    with pytest.raises(ListenError, match=rf"cannot serve on 127.0.0.1:{port}: .*in use.*; choose another port"):
        async with serve(plc, host=HOST, port=port, unit=1):
            pass
    assert not caplog.records


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no-such-host.invalid", 0), ("192.0.2.1", 0)])
async def test_an_address_that_cannot_be_is_one_clear_error(plc: Plc, host: str, port: int) -> None:
    """A port past 65535, a name that does not resolve, an address of another machine."""
    with pytest.raises(ListenError, match=f"cannot serve on {host}:{port}: "):
        async with serve(plc, host=host, port=port, unit=1):
            pass


async def test_open_connections_are_closed_at_the_end(plc: Plc) -> None:
    """A client sees the end of its connection, and the port is free again."""
    async with serve(plc, host=HOST, port=0, unit=1) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        assert await exchange(port, "00 01 00 00 00 06 01 04 0b b8 00 01", 11)
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    async with serve(plc, host=HOST, port=port, unit=1) as again:
        assert again == port
