"""A block is read through the daemon's socket as if by a link, and nothing else can be asked of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hal.device import Device
from hal.errors import NotConnectedError, RefusedError, RequestTimeoutError
from hal.limits import AddressRange, PlanLimits
from hal.link import Block, Connect
from hal.memory import MemoryDevice
from hal.modbus import Framing, ModbusTcpSettings, tcp_link
from hal.parameter import RegisterKind
from recorder.acquisition.probe import DaemonReader, identify_handler, probe_handler
from recorder.control import ask, serve
from recorder.errors import UsageError
from simulator.server import serve as serve_modbus
from tests.hal.rtu_server import SILENT, serving, words
from tests.simulator.served import small_unit

HOLDING, COIL = RegisterKind.HOLDING_REGISTER, RegisterKind.COIL


@asynccontextmanager
async def daemon(folder: Path, connect: Connect) -> AsyncIterator[Path]:
    """What the daemon has of this: a device that it keeps connected, and its socket."""
    device = Device("plc", connect)
    limits = PlanLimits(forbidden=(AddressRange(kind=HOLDING, first=50, last=59),))
    socket = folder / "control.sock"
    running = asyncio.create_task(device.run())

    def found() -> list[tuple[Device, PlanLimits]]:
        return [(device, limits)]

    try:
        await device.wait_connected()
        async with serve(socket, {"probe": probe_handler(found), "identify": identify_handler(found)}):
            yield socket
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_words_bits_and_refusals_arrive_as_over_a_link(short_directory: Path) -> None:
    """Whoever surveys a device need not know who holds it."""
    memory = MemoryDevice("plc")
    memory.put_raw(HOLDING, 7, [1, 65_535])
    memory.put_raw(COIL, 0, [1, 0, 1])
    memory.refuse(HOLDING, range(100, 200), 3)
    async with daemon(short_directory, memory.connect) as socket:
        reader = DaemonReader(socket, "plc", rate_per_s=1e6)
        words = await reader.read(Block(kind=HOLDING, address=7, count=2))
        assert words.data.tolist() == [1, 65_535]
        assert words.responded_ns >= words.requested_ns
        assert (await reader.read(Block(kind=COIL, address=0, count=3))).data.tolist() == [True, False, True]
        with pytest.raises(RefusedError) as refused:
            await reader.read(Block(kind=HOLDING, address=100, count=1))
        assert refused.value.exception_code == 3


async def test_a_device_or_a_daemon_that_is_away_is_not_connected(short_directory: Path) -> None:
    """And says which of both."""
    memory = MemoryDevice("plc")
    block = Block(kind=HOLDING, address=0, count=1)
    async with daemon(short_directory, memory.connect) as socket:
        memory.become_unreachable()
        with pytest.raises(NotConnectedError, match="no connection"):
            await DaemonReader(socket, "plc").read(block)
    with pytest.raises(NotConnectedError, match="no recorder answers"):
        await DaemonReader(socket, "plc").read(block)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"device": "gauge", "kind": "coil", "address": 0, "count": 1}, "no device 'gauge'"),
        ({"device": "plc", "kind": "holding_register", "address": 45, "count": 10}, "forbids"),
        ({"device": "plc", "kind": "holding_register", "address": 0, "count": 126}, "at most 125"),
        ({"device": "plc", "kind": "holding_register", "address": 65_535, "count": 2}, "not a block"),
        ({"device": "plc", "kind": "valve", "address": 0, "count": 1}, "not a block"),
        ({"device": "plc"}, "not a block"),
    ],
)
async def test_what_is_no_block_of_a_device_is_refused_before_it_is_asked(
    short_directory: Path, request_: dict[str, object], said: str
) -> None:
    """Also what the configuration forbids to touch."""
    memory = MemoryDevice("plc")
    async with daemon(short_directory, memory.connect) as socket:
        with pytest.raises(UsageError, match=said):
            await ask(socket, "probe", **request_)
    assert memory.addresses == []


async def test_a_device_is_asked_who_it_is_through_the_daemon(short_directory: Path) -> None:
    """Over a real socket to a simulated unit; what says nothing of itself says nothing."""
    async with serve_modbus({1: small_unit()}, host="127.0.0.1", port=0) as port:
        connect = tcp_link(ModbusTcpSettings(device="plc", host="127.0.0.1", port=port, connect_timeout_s=20))
        async with daemon(short_directory, connect) as socket:
            objects = await DaemonReader(socket, "plc", rate_per_s=1e6).identify()
    assert objects["vendor"]
    memory = MemoryDevice("plc")
    async with daemon(short_directory, memory.connect) as socket:
        assert await DaemonReader(socket, "plc").identify() == {}
        memory.become_unreachable()
        with pytest.raises(NotConnectedError, match="no connection"):
            await DaemonReader(socket, "plc").identify()
        with pytest.raises(UsageError, match="no device 'gauge'"):
            await ask(socket, "identify", device="gauge")


async def test_a_device_that_is_silent_when_asked_who_it_is_is_asked_once(short_directory: Path) -> None:
    """The silence may have cost the recording its connection, which the next block finds open again."""
    asked: list[int] = []

    def act(request: bytes) -> bytes | None:
        asked.append(request[0])
        return SILENT if request[0] == 43 else words(7)(request)

    async with serving(Framing.MBAP) as server:
        server.units = {1: act}
        connect = tcp_link(ModbusTcpSettings(device="plc", host="127.0.0.1", port=server.port, request_timeout_s=0.1))
        async with daemon(short_directory, connect) as socket:
            reader = DaemonReader(socket, "plc", rate_per_s=1e6)
            block = Block(kind=HOLDING, address=0, count=1)
            assert (await reader.read(block)).data.tolist() == [7]
            for _ in range(2):
                with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.1 s"):
                    await reader.identify()
            assert asked == [3, 43]
            async with asyncio.timeout(5):
                while not asked[2:]:
                    with suppress(NotConnectedError):
                        assert (await reader.read(block)).data.tolist() == [7]
