"""Several connections to one device, and devices that allow fewer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hal.device import Device
from hal.errors import NotConnectedError, RequestTimeoutError
from hal.link import Block
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.parameter import RegisterKind
from hal.plan import plan_reads
from tests.hal.parameters import holding
from tests.hal.streams import serving_streams


def block(address: int) -> Block:
    """One register."""
    return Block(kind=RegisterKind.HOLDING_REGISTER, address=address, count=1)


class Allowing:
    """A device that serves so many connections, and answers each read with its address, when it is let."""

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.port = 0
        self.go = asyncio.Event()
        self.open = 0
        self.most_waiting = 0
        self.waiting = asyncio.Condition()
        self._waiting = 0
        self.writers: list[asyncio.StreamWriter] = []

    def settings(self, connections: int) -> ModbusTcpSettings:
        return ModbusTcpSettings(
            device="plc",
            host="127.0.0.1",
            port=self.port,
            connections=connections,
            request_timeout_s=5,
            connect_timeout_s=20,
        )

    async def wait_waiting(self, count: int) -> None:
        async with self.waiting:
            await self.waiting.wait_for(lambda: self._waiting >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.open >= self.allowed:
            return
        self.open += 1
        self.writers.append(writer)
        try:
            while True:
                request = await reader.readexactly(12)
                async with self.waiting:
                    self._waiting += 1
                    self.most_waiting = max(self.most_waiting, self._waiting)
                    self.waiting.notify_all()
                await self.go.wait()
                self._waiting -= 1
                writer.write(request[:4] + bytes.fromhex("0005 01 03 02") + request[8:10])
        finally:
            self.open -= 1
            self.writers.remove(writer)


@asynccontextmanager
async def serving(allowed: int) -> AsyncIterator[Allowing]:
    """Serve for the length of a test."""
    device = Allowing(allowed)
    async with serving_streams(device.serve) as device.port:
        yield device


async def test_as_many_requests_are_under_way_as_there_are_connections() -> None:
    """Ten requests over four connections; each answer finds its own."""
    async with serving(8) as device:
        link = await tcp_link(device.settings(4))()
        assert link.parallel == 4
        reads = [asyncio.create_task(link.read(block(at))) for at in range(10)]
        await device.wait_waiting(4)
        device.go.set()
        assert [int(reading.data[0]) for reading in await asyncio.gather(*reads)] == list(range(10))
        assert device.most_waiting == 4
        await link.close()


async def test_a_scan_uses_them_all() -> None:
    """Its blocks go out side by side."""
    async with serving(8) as device:
        plan = plan_reads([holding(number, 100 * number) for number in range(1, 9)])
        recorder = Device("plc", tcp_link(device.settings(8)))
        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(recorder.run())
            await recorder.wait_connected()
            scanning = tasks.create_task(recorder.scan(plan))
            await device.wait_waiting(8)
            device.go.set()
            assert (await scanning).values.tolist() == [100.0 * number for number in range(1, 9)]
            owner.cancel()


@pytest.mark.parametrize("allowed", [1, 3])
async def test_a_device_that_closes_what_is_too_many_is_read_over_the_rest(allowed: int) -> None:
    """Whether that is noticed before the first request or by it."""
    async with serving(allowed) as device:
        device.go.set()
        link = await tcp_link(device.settings(6))()
        readings = await asyncio.gather(*(link.read(block(at)) for at in range(40)))
        assert [int(reading.data[0]) for reading in readings] == list(range(40))
        assert link.parallel == allowed
        assert not link.lost.is_set()
        await link.close()


async def test_the_loss_of_one_that_has_answered_ends_them_all() -> None:
    """The device has gone; whoever waits for a turn hears of it at once."""
    async with serving(8) as device:
        device.go.set()
        link = await tcp_link(device.settings(2))()
        await asyncio.gather(*(link.read(block(at)) for at in range(4)))
        device.go.clear()
        reads = [asyncio.create_task(link.read(block(at))) for at in range(6)]
        await device.wait_waiting(2)
        for writer in list(device.writers):
            writer.transport.abort()
        results = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(result) for result in results] == [NotConnectedError] * 6
        assert link.lost.is_set()
        with pytest.raises(NotConnectedError):
            await link.read(block(1))
        await link.close()


async def test_a_request_without_an_answer_ends_them_all() -> None:
    """As on a single connection: a new one is trusted, this one is not."""
    async with serving(8) as device:
        settings = ModbusTcpSettings(
            device="plc", host="127.0.0.1", port=device.port, connections=2, request_timeout_s=0.5, connect_timeout_s=20
        )
        device.go.set()
        link = await tcp_link(settings)()
        await asyncio.gather(*(link.read(block(at)) for at in range(2)))
        device.go.clear()
        with pytest.raises(RequestTimeoutError):
            await link.read(block(1))
        assert link.lost.is_set()
        await link.close()


async def test_a_device_that_is_not_there_is_said_once() -> None:
    """The first connection decides."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = ModbusTcpSettings(device="plc", host="127.0.0.1", port=unused.getsockname()[1], connections=8)
        with pytest.raises(NotConnectedError, match="plc: connect to"):
            await tcp_link(settings)()
