"""Units on one line in a test: each does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from hal import rtu
from hal.modbus import Framing, Place, TcpPlace
from tests.hal.streams import serving_streams

SILENT = None
Act = Callable[[bytes], bytes | None]
"""From the request behind the unit to the answer behind the unit; None is silence."""


def words(*values: int) -> Act:
    """Always answer a read of registers with these."""
    data = b"".join(value.to_bytes(2, "big") for value in values)
    return lambda request: bytes((request[0], len(data))) + data


class UnitServer:
    """Several units behind one port, asked one at a time, by RTU or MBAP."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self.units: dict[int, Act] = {}
        self.order: list[int] = []
        """Units in the order in which they were asked."""
        self.connections = 0
        self.port = 0
        self.asked = asyncio.Condition()
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def place(self) -> Place:
        return TcpPlace(host="127.0.0.1", port=self.port, framing=self.framing, connect_timeout_s=20)

    async def wait_asked(self, unit: int, times: int) -> None:
        """Wait until a unit was asked so many times."""
        async with self.asked:
            await self.asked.wait_for(lambda: self.order.count(unit) >= times)

    def send(self, data: bytes) -> None:
        """Send on every connection, asked or not."""
        for writer in self._writers:
            writer.write(data)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head, request = await self._next(reader)
                async with self.asked:
                    self.order.append(request[0])
                    self.asked.notify_all()
                answer = self.units[request[0]](request[1:]) if request[0] in self.units else SILENT
                if answer is not None:
                    writer.write(self.frame(head, request[0], answer))
                    await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            self._writers.remove(writer)

    def frame(self, head: bytes, unit: int, answer: bytes) -> bytes:
        body = bytes((unit,)) + answer
        if self.framing is Framing.RTU:
            return body + rtu.crc(body)
        return head + len(body).to_bytes(2, "big") + body

    async def _next(self, reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        if self.framing is Framing.RTU:
            return b"", (await reader.readexactly(8))[:-2]  # a read, or a write of one
        header = await reader.readexactly(6)
        return header[:4], await reader.readexactly(int.from_bytes(header[4:], "big"))


@asynccontextmanager
async def serving(framing: Framing) -> AsyncIterator[UnitServer]:
    """Serve for the length of a test."""
    units = UnitServer(framing)
    async with serving_streams(units.serve) as units.port:
        yield units
