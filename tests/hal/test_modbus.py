"""The link over Modbus against bytes on a real socket."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from hal.errors import (
    DefinitionError,
    HalError,
    LinkError,
    MalformedError,
    NotConnectedError,
    RefusedError,
    RequestTimeoutError,
)
from hal.link import Block
from hal.modbus import ModbusLink, ModbusTcpSettings, connect, tcp_link
from hal.parameter import RegisterKind

COIL, INPUT = RegisterKind.COIL, RegisterKind.DISCRETE_INPUT
HOLDING, INPUT_REGISTER = RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER
TWO = Block(kind=HOLDING, address=0, count=2)

Script = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Served:
    """A listening script: what it received, and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []

    async def connect(self, *, unit: int = 1, request_timeout_s: float = 5.0) -> ModbusLink:
        """Open a link to it; the time-out is long, so that a test which runs into it is seen."""
        settings = ModbusTcpSettings(
            device="plc",
            host="127.0.0.1",
            port=self.port,
            unit=unit,
            request_timeout_s=request_timeout_s,
            connect_timeout_s=20,
        )
        return await connect(settings)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Served]:
    """Answer each request by a script; one that returns waits for the next request."""
    served: list[Served] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                header = await reader.readexactly(6)
                request = header + await reader.readexactly(int.from_bytes(header[4:], "big"))
                served[0].requests.append(request)
                await script(request, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    served.append(Served(server.sockets[0].getsockname()[1]))
    async with server:
        yield served[0]
        for _ in range(3):  # the handlers see the closed sockets, and end
            await asyncio.sleep(0)


def answering(
    pdu: str, *, unit: int = 1, transaction_shift: int = 0, length_shift: int = 0, protocol: int = 0
) -> Script:
    """Answer with these bytes behind a header that may be wrong."""

    async def script(request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = bytes((unit,)) + bytes.fromhex(pdu)
        transaction = int.from_bytes(request[:2], "big") + transaction_shift
        writer.write(
            b"".join(part.to_bytes(2, "big") for part in (transaction, protocol, len(body) + length_shift)) + body
        )
        await writer.drain()

    return script


@pytest.mark.parametrize(
    ("block", "request_pdu", "answer_pdu", "data"),
    [
        (
            Block(kind=COIL, address=19, count=19),
            "01 0013 0013",
            "01 03 CD 6B 05",
            [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1],
        ),
        (
            Block(kind=INPUT, address=196, count=22),
            "02 00C4 0016",
            "02 03 AC DB 35",
            [0, 0, 1, 1, 0, 1, 0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1],
        ),
        (Block(kind=HOLDING, address=107, count=3), "03 006B 0003", "03 06 022B 0000 0064", [555, 0, 100]),
        (Block(kind=INPUT_REGISTER, address=8, count=1), "04 0008 0001", "04 02 000A", [10]),
    ],
)
async def test_reads_of_the_specification(block: Block, request_pdu: str, answer_pdu: str, data: list[int]) -> None:
    """MODBUS Application Protocol Specification V1.1b3, examples of sections 6.1 to 6.4: sent and read as printed."""
    async with serving(answering(answer_pdu)) as served:
        link = await served.connect()
        reading = await link.read(block)
        assert reading.data.tolist() == data
        assert served.requests[0][7:] == bytes.fromhex(request_pdu)
        await link.close()


@pytest.mark.parametrize(
    ("kind", "address", "values", "request_pdu", "answer_pdu"),
    [
        (COIL, 172, [1], "05 00AC FF00", "05 00AC FF00"),
        (HOLDING, 1, [3], "06 0001 0003", "06 0001 0003"),
        (COIL, 19, [1, 0, 1, 1, 0, 0, 1, 1, 1, 0], "0F 0013 000A 02 CD01", "0F 0013 000A"),
        (HOLDING, 1, [10, 258], "10 0001 0002 04 000A 0102", "10 0001 0002"),
    ],
)
async def test_writes_of_the_specification(
    kind: RegisterKind, address: int, values: list[int], request_pdu: str, answer_pdu: str
) -> None:
    """The same document, sections 6.5, 6.6, 6.11 and 6.12."""
    async with serving(answering(answer_pdu)) as served:
        link = await served.connect()
        await link.write(kind, address, values)
        assert served.requests[0][7:] == bytes.fromhex(request_pdu)
        await link.close()


async def test_the_header_carries_a_new_transaction_for_each_request_and_the_unit() -> None:
    """MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3."""
    async with serving(answering("03 04 0000 0000", unit=17)) as served:
        link = await served.connect(unit=17)
        await link.read(TWO)
        await link.read(TWO)
        first, second = served.requests
        assert first[:2] != second[:2]
        assert first[2:7] == bytes.fromhex("0000 0006 11")
        await link.close()


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (answering("03 02 0001"), MalformedError),
        (answering("03 04 0001"), MalformedError),
        (answering("03 04 0001 0002 0003"), MalformedError),
        (answering("03 06 0001 0002 0003"), MalformedError),
        (answering("04 04 0001 0002"), MalformedError),
        (answering("03 04 0001 0002", unit=2), MalformedError),
        (answering("03 04 0001 0002", transaction_shift=1), MalformedError),
        (answering("03 04 0001 0002", transaction_shift=-1), MalformedError),
        (answering("03 04 0001 0002", protocol=7), MalformedError),
        (answering("03 04 0001 0002", length_shift=-1), MalformedError),
        (answering("03 04 0001 0002", length_shift=1), MalformedError),
        (answering("84 02"), MalformedError),
        (answering("83 02 00"), MalformedError),
        (answering("83"), MalformedError),
        (answering("00" * 300), MalformedError),
        (answering("83 02"), RefusedError),
        (answering("83 06"), RefusedError),
    ],
)
async def test_a_wrong_answer_is_the_right_error_and_never_data(script: Script, error: type[LinkError]) -> None:
    """Each is found at once, names the request, and leaves a fresh link to a right device unharmed."""
    async with serving(script) as served:
        link = await served.connect()
        with pytest.raises(error, match=r"plc: read holding_register 0\.\.1: ") as caught:
            async with asyncio.timeout(4):
                await link.read(TWO)
        assert type(caught.value) is error
        assert link.lost.is_set() is (error is not RefusedError)
        await link.close()
    async with serving(answering("03 04 0001 0002")) as served:
        fresh = await served.connect()
        assert (await fresh.read(TWO)).data.tolist() == [1, 2]
        await fresh.close()


async def test_the_words_of_a_refusal_say_what_it_means() -> None:
    """Whoever reads the log need not know the codes by heart."""
    async with serving(answering("83 06")) as served:
        link = await served.connect()
        with pytest.raises(RefusedError, match=r"exception 6 \(server device busy\)"):
            await link.read(TWO)
        await link.close()


async def test_rubbish_is_malformed_at_once() -> None:
    """A web server on the port does not cost a time-out."""

    async def script(_request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        await writer.drain()

    async with serving(script) as served:
        link = await served.connect()
        with pytest.raises(MalformedError):
            async with asyncio.timeout(4):
                await link.read(TWO)
        await link.close()


async def test_an_answer_in_single_bytes_is_read() -> None:
    """A slow gateway may send each byte in a segment of its own."""

    async def script(request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in request[:2] + bytes.fromhex("0000 0007 01 03 04 1234 5678"):
            writer.write(bytes((byte,)))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(script) as served:
        link = await served.connect()
        assert (await link.read(TWO)).data.tolist() == [0x1234, 0x5678]
        await link.close()


@pytest.mark.parametrize("lingering", [True, False])
async def test_a_peer_that_goes_in_mid_request_is_noticed_at_once(lingering: bool) -> None:
    """Whether it closes or resets, and with half an answer sent."""

    async def script(request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request[:2] + b"\0\0")
        if not lingering:
            reset = b"\x01\0\0\0\0\0\0\0"
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            writer.transport.abort()
        writer.close()
        await asyncio.sleep(0)

    async with serving(script) as served:
        link = await served.connect()
        with pytest.raises(NotConnectedError, match=r"closed by the device|reset by peer"):
            async with asyncio.timeout(4):
                await link.read(TWO)
        assert link.lost.is_set()
        await link.close()


async def test_a_late_answer_is_not_taken_for_the_next_request() -> None:
    """The link that timed out is closed, so what comes late meets a closed socket; the next link is clean."""
    late = asyncio.Event()
    answered = asyncio.Event()

    async def script(request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not late.is_set():
            await late.wait()
            writer.write(request[:2] + bytes.fromhex("0000 0007 01 03 04 DEAD DEAD"))
            answered.set()
            return
        writer.write(request[:2] + bytes.fromhex("0000 0007 01 03 04 0001 0002"))

    async with serving(script) as served:
        link = await served.connect(request_timeout_s=0.05)
        with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.05 s"):
            await link.read(TWO)
        fresh = await served.connect()
        late.set()
        await answered.wait()
        assert (await fresh.read(TWO)).data.tolist() == [1, 2]
        with pytest.raises(NotConnectedError, match="closed because an earlier request was not answered"):
            await link.read(TWO)
        await link.close()
        await fresh.close()


async def test_what_nobody_asked_for_ends_the_link() -> None:
    """A device that answers twice cannot be told from one that answers late."""

    async def script(request: bytes, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(request[:2] + bytes.fromhex("0000 0007 01 03 04 0001 0002"))
        await writer.drain()
        await asyncio.sleep(0.01)  # so that it is a segment of its own
        writer.write(request[:2] + bytes.fromhex("0000 0007 01 03 04 DEAD DEAD"))

    async with serving(script) as served:
        link = await served.connect()
        assert (await link.read(TWO)).data.tolist() == [1, 2]
        async with asyncio.timeout(4):
            await link.lost.wait()
        with pytest.raises(NotConnectedError, match="nobody asked for"):
            await link.read(TWO)
        await link.close()


async def test_a_refused_connection_names_host_port_and_reason() -> None:
    """The reason is the system's own."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(NotConnectedError, match=rf"plc: connect to 127\.0\.0\.1:{port}: .*refused|Connect call"):
            await connect(ModbusTcpSettings(device="plc", host="127.0.0.1", port=port))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid"])
async def test_a_host_that_cannot_be_found_is_named(host: str) -> None:
    """The name is what the person has to correct."""
    with pytest.raises(NotConnectedError, match=rf"plc: connect to {host}:502: \w+"):
        await connect(ModbusTcpSettings(device="plc", host=host, connect_timeout_s=5.0))


async def test_a_connection_that_does_not_open_ends_at_its_deadline() -> None:
    """A listener whose queue is full answers nothing at all."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            with pytest.raises(NotConnectedError, match=r"no connection within 0\.05 s"):
                await connect(ModbusTcpSettings(device="plc", host="127.0.0.1", port=port, connect_timeout_s=0.05))
        finally:
            for one in waiting:
                one.close()


async def test_small_requests_are_sent_without_delay() -> None:
    """TCP_NODELAY is on: Nagle's algorithm would hold requests back."""
    async with serving(answering("03 04 0000 0000")) as served:
        link = await served.connect()
        own = link._channel.wire.transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        await link.close()


async def test_each_link_of_a_factory_is_a_connection_of_its_own() -> None:
    """A device connects again and again by one factory."""
    async with serving(answering("03 04 0001 0002")) as served:
        factory = tcp_link(ModbusTcpSettings(device="plc", host="127.0.0.1", port=served.port, connect_timeout_s=20))
        first, second = await factory(), await factory()
        await first.close()
        assert (await second.read(TWO)).data.tolist() == [1, 2]
        await second.close()


async def test_pymodbus_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Faults are raised here; its dumps of frames at ERROR are noise."""
    caplog.set_level(logging.INFO)
    async with serving(answering("03 02 0001")) as served:
        link = await served.connect()
        with pytest.raises(MalformedError):
            await link.read(TWO)
        await link.close()
    assert [record for record in caplog.records if record.name.startswith("pymodbus")] == []


@pytest.mark.parametrize("count", [0, 126])
async def test_a_block_that_no_request_can_ask_for_is_not_sent(count: int) -> None:
    """It is an error of the definition, and leaves the link open."""
    async with serving(answering("03 04 0001 0002")) as served:
        link = await served.connect()
        with pytest.raises(DefinitionError):
            await link.read(Block(kind=HOLDING, address=0, count=count))
        assert (await link.read(TWO)).data.tolist() == [1, 2]
        assert len(served.requests) == 1
        await link.close()


@pytest.mark.parametrize(
    "fields",
    [{"host": ""}, {"port": 0}, {"port": 65_536}, {"unit": 256}, {"unit": -1}, {"request_timeout_s": 0.0}],
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, str | int | float]) -> None:
    """Before any connection is tried."""
    with pytest.raises(HalError, match="plc: "):
        ModbusTcpSettings(**{"device": "plc", "host": "127.0.0.1", **fields})  # type: ignore[arg-type]
