"""A block is read through the daemon's socket as if by a link, and nothing else can be asked of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal.device import Device
from hal.errors import NotConnectedError, RefusedError
from hal.limits import AddressRange, PlanLimits
from hal.link import Block
from hal.memory import MemoryDevice
from hal.parameter import RegisterKind
from recorder.control import ask, serve
from recorder.errors import UsageError
from recorder.probe import DaemonReader, probe_handler

HOLDING, COIL = RegisterKind.HOLDING_REGISTER, RegisterKind.COIL


@asynccontextmanager
async def daemon(folder: Path, memory: MemoryDevice) -> AsyncIterator[Path]:
    """What the daemon has of this: a device that it keeps connected, and its socket."""
    device = Device("plc", memory.connect)
    limits = PlanLimits(forbidden=(AddressRange(kind=HOLDING, first=50, last=59),))
    socket = folder / "control.sock"
    running = asyncio.create_task(device.run())
    try:
        await device.wait_connected()
        async with serve(socket, {"probe": probe_handler(lambda: [(device, limits)])}):
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
    async with daemon(short_directory, memory) as socket:
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
    async with daemon(short_directory, memory) as socket:
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
    async with daemon(short_directory, memory) as socket:
        with pytest.raises(UsageError, match=said):
            await ask(socket, "probe", **request_)
    assert memory.addresses == []
