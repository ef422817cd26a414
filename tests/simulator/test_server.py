"""The Modbus server over a real socket: frames laid out by hand, pymodbus's client, pieces, floods and rubbish."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusTcpClient

from hal.parameter import RegisterKind
from simulator.array_memory import ArrayMemory
from simulator.errors import ListenError
from simulator.memory import Unit
from simulator.server import MOST_WAITING, serve
from tests.simulator.served import HOST, everything, exchange, opened, small_unit

READ_INPUT = "00 04 00 00 00 06 01 04 0b b8 00 01"
INPUT_READ = "00 04 00 00 00 05 01 04 02 00 07"


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port on which the device is served."""
    async with serve({1: small_unit()}, host=HOST, port=0) as port:
        yield port


@pytest.fixture
async def client(port: int) -> AsyncIterator[AsyncModbusTcpClient]:
    """A connected client."""
    client = AsyncModbusTcpClient(HOST, port=port, retries=0, timeout=5)
    assert await client.connect()
    yield client
    client.close()


@pytest.mark.parametrize(
    ("what", "request_frame", "answer_frame"),
    [
        ("read coils 0..4", "00 01 00 00 00 06 01 01 00 00 00 05", "00 01 00 00 00 04 01 01 01 15"),
        ("read discrete inputs 0..5", "00 02 00 00 00 06 01 02 00 00 00 06", "00 02 00 00 00 04 01 02 01 3f"),
        ("read holding 2000..2001", "00 03 00 00 00 06 01 03 07 d0 00 02", "00 03 00 00 00 07 01 03 04 07 d0 07 d1"),
        ("read input 3000", READ_INPUT, INPUT_READ),
        ("write coil 1", "00 05 00 00 00 06 01 05 00 01 ff 00", "00 05 00 00 00 06 01 05 00 01 ff 00"),
        ("write register 2120", "00 06 00 00 00 06 01 06 08 48 00 03", "00 06 00 00 00 06 01 06 08 48 00 03"),
        ("write coils 1..2", "00 07 00 00 00 08 01 0f 00 01 00 02 01 02", "00 07 00 00 00 06 01 0f 00 01 00 02"),
        (
            "write registers 2086..2087",
            "00 08 00 00 00 0b 01 10 08 26 00 02 04 00 00 41 a0",
            "00 08 00 00 00 06 01 10 08 26 00 02",
        ),
        ("an unknown address", "00 09 00 00 00 06 01 03 00 00 00 01", "00 09 00 00 00 03 01 83 02"),
        ("an unknown coil", "00 0a 00 00 00 06 01 01 00 2a 00 01", "00 0a 00 00 00 03 01 81 02"),
        ("an unknown unit", "00 0b 00 00 00 06 07 04 0b b8 00 01", "00 0b 00 00 00 03 07 84 0b"),
        ("read exception status, not served", "00 0c 00 00 00 02 01 07", "00 0c 00 00 00 03 01 87 01"),
    ],
)
async def test_a_frame_is_answered_as_the_specification_says(
    port: int, what: str, request_frame: str, answer_frame: str
) -> None:
    """Frames by the MODBUS Application Protocol V1.1b3, laid out by hand rather than by pymodbus's own client."""
    assert await exchange(port, request_frame, len(answer_frame.split())) == answer_frame, what


async def test_a_client_of_another_make_reads_and_writes_everything(client: AsyncModbusTcpClient) -> None:
    """Pymodbus's client takes every answer, of every function code it has for values."""
    assert (await client.read_coils(0, count=5, device_id=1)).bits[:5] == [True, False, True, False, True]
    assert (await client.read_discrete_inputs(0, count=6, device_id=1)).bits[:6] == [True] * 6
    assert (await client.read_holding_registers(2000, count=125, device_id=1)).registers == list(range(2000, 2125))
    assert (await client.read_input_registers(3000, count=1, device_id=1)).registers == [7]
    assert not (await client.write_coil(1, True, device_id=1)).isError()
    assert not (await client.write_coils(2, [False, True, False], device_id=1)).isError()
    assert (await client.read_coils(0, count=5, device_id=1)).bits[:5] == [True, True, False, True, False]
    assert not (await client.write_register(2000, 1, device_id=1)).isError()
    assert not (await client.write_registers(2001, [2, 3], device_id=1)).isError()
    assert not (await client.mask_write_register(address=2000, and_mask=0xF0, or_mask=0x05, device_id=1)).isError()
    written = await client.readwrite_registers(
        read_address=2000, read_count=4, write_address=2003, values=[9], device_id=1
    )
    assert written.registers == [5, 2, 3, 9]
    identity = await client.read_device_information(device_id=1)
    assert getattr(identity, "information", {})[1] == b"SIMALD"
    assert (await client.read_holding_registers(0, count=1, device_id=1)).exception_code == 2


async def test_requests_that_come_at_once_are_answered_in_their_order(port: int) -> None:
    """A hundred in one segment, each with its own transaction id."""
    frames = b"".join(
        number.to_bytes(2, "big") + bytes.fromhex("00 00 00 06 01 04 0b b8 00 01") for number in range(100)
    )
    async with opened(port) as (reader, writer):
        writer.write(frames)
        answers = await reader.readexactly(100 * 11)
    assert [int.from_bytes(answers[at : at + 2], "big") for at in range(0, 1100, 11)] == list(range(100))


async def test_a_request_that_comes_byte_by_byte_is_answered_once_it_is_whole(port: int) -> None:
    """And the one behind it, whose first bytes came with its last."""
    async with opened(port) as (reader, writer):
        for byte in bytes.fromhex(READ_INPUT)[:-1]:
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(bytes.fromhex(READ_INPUT)[-1:] + bytes.fromhex(READ_INPUT)[:5])
        assert (await reader.readexactly(11)).hex(" ") == INPUT_READ
        writer.write(bytes.fromhex(READ_INPUT)[5:])
        assert (await reader.readexactly(11)).hex(" ") == INPUT_READ


@pytest.mark.parametrize(
    ("what", "frame"),
    [
        ("another protocol", "00 01 00 01 00 06 01 04 0b b8 00 01"),
        ("a length without a function", "00 01 00 00 00 01 01 04 0b b8 00 01"),
        ("a length past any frame", "00 01 00 00 01 2c 01 04 0b b8 00 01"),
        ("a request of the web", b"GET / HTTP/1.1\r\n\r\n".hex()),
    ],
)
async def test_rubbish_ends_its_own_connection_and_no_other(port: int, what: str, frame: str) -> None:
    """What came before it is answered, the connection is closed, and the server serves on."""
    async with opened(port) as (reader, writer):
        assert await everything(port, f"{READ_INPUT} {frame}") == INPUT_READ, what
        writer.write(bytes.fromhex(READ_INPUT))
        assert (await reader.readexactly(11)).hex(" ") == INPUT_READ


async def test_no_bytes_whatever_kill_the_server(port: int) -> None:
    """Two hundred connections with drawn bytes, then a good request."""

    async def throw(rubbish: bytes) -> None:
        async with opened(port) as (_, writer):
            writer.write(rubbish)
            writer.write_eof()

    @settings(max_examples=1, suppress_health_check=list(HealthCheck), deadline=None, database=None)
    @given(st.lists(st.binary(min_size=1, max_size=600), min_size=200, max_size=200))
    def draw(drawn: list[bytes]) -> None:
        rubbish.extend(drawn)

    rubbish: list[bytes] = []
    await asyncio.to_thread(draw)
    for piece in rubbish:
        await throw(piece)
    assert await exchange(port, READ_INPUT, 11) == INPUT_READ


async def test_a_client_that_reads_no_answers_is_read_no_further() -> None:
    """Its requests wait in its own buffers; another client is served meanwhile."""
    big = ArrayMemory({RegisterKind.HOLDING_REGISTER: (0, range(125))})
    async with serve({1: Unit(memory=big)}, host=HOST, port=0) as port, opened(port) as (_, greedy):
        request = bytes.fromhex("00 01 00 00 00 06 01 03 00 00 00 7d")
        greedy.transport.set_write_buffer_limits(high=1 << 16)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while True:
                    greedy.write(request * 1000)
                    await greedy.drain()
        assert len(await exchange(port, "00 01 00 00 00 06 01 03 00 00 00 7d", 259)) == 259 * 3 - 1
        greedy.transport.abort()


@pytest.mark.alone
async def test_a_slow_unit_delays_only_its_own_answers() -> None:
    """Unit 2 takes 150 ms for each; unit 1, asked later on the same connection, has answered long before."""
    loop = asyncio.get_running_loop()
    units = {1: small_unit(), 2: small_unit(answer_delay_s=0.15)}
    async with serve(units, host=HOST, port=0) as port, opened(port) as (reader, writer):
        begin_s = loop.time()
        for frame in ("00 01 00 00 00 06 02 04 0b b8 00 01", "00 02 00 00 00 06 02 04 0b b8 00 01", READ_INPUT):
            writer.write(bytes.fromhex(frame))
        assert (await reader.readexactly(11)).hex(" ") == INPUT_READ
        assert loop.time() - begin_s < 0.15
        assert (await reader.readexactly(11))[:2] == b"\x00\x01"
        assert (await reader.readexactly(11))[:2] == b"\x00\x02"
        assert loop.time() - begin_s >= 0.3 - 0.01


async def test_more_requests_than_a_slow_unit_can_hold_are_answered_all_the_same() -> None:
    """They wait in the client's buffers, not in the server's memory."""
    count = 4 * MOST_WAITING
    units = {2: small_unit(answer_delay_s=0.001)}
    async with serve(units, host=HOST, port=0) as port, opened(port) as (reader, writer):
        for number in range(count):
            writer.write(number.to_bytes(2, "big") + bytes.fromhex("00 00 00 06 02 04 0b b8 00 01"))
        answers = await reader.readexactly(11 * count)
    assert [int.from_bytes(answers[at : at + 2], "big") for at in range(0, 11 * count, 11)] == list(range(count))


async def test_a_port_in_use_is_one_clear_error(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """It names the address, the reason and what to do, and nothing else is logged."""
    with pytest.raises(ListenError, match=rf"cannot serve on 127.0.0.1:{port}: .*in use.*; choose another port"):
        async with serve({1: small_unit()}, host=HOST, port=port):
            pass
    assert not caplog.records


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no-such-host.invalid", 0), ("192.0.2.1", 0)])
async def test_an_address_that_cannot_be_is_one_clear_error(host: str, port: int) -> None:
    """A port past 65535, a name that does not resolve, an address of another machine."""
    with pytest.raises(ListenError, match=f"cannot serve on {host}:{port}: "):
        async with serve({1: small_unit()}, host=host, port=port):
            pass


async def test_open_connections_are_closed_at_the_end() -> None:
    """A client sees the end of its connection, and the port is free again."""
    async with serve({1: small_unit()}, host=HOST, port=0) as port:
        reader, writer = await asyncio.open_connection(HOST, port)
        assert await exchange(port, READ_INPUT, 11) == INPUT_READ
    assert await reader.read() == b""
    writer.close()
    async with serve({1: small_unit()}, host=HOST, port=port) as again:
        assert again == port
