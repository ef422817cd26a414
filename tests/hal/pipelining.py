"""A Modbus TCP device on a real socket that collects requests, and answers as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from hal.link import Block
from hal.modbus import ModbusTcpSettings
from hal.parameter import RegisterKind
from tests.hal.streams import serving_streams


@dataclass(frozen=True)
class Request:
    """A read of holding registers that arrived."""

    frame: bytes

    @property
    def address(self) -> int:
        return int.from_bytes(self.frame[8:10], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.frame[10:12], "big")

    def answer(self, *, transaction: bytes | None = None) -> bytes:
        """Each register holds the number of its address."""
        data = b"".join(at.to_bytes(2, "big") for at in range(self.address, self.address + self.count))
        body = bytes((1, 3, len(data))) + data
        return (transaction or self.frame[:2]) + b"\0\0" + len(body).to_bytes(2, "big") + body

    def refusal(self) -> bytes:
        """Exception 2."""
        return self.frame[:2] + bytes.fromhex("0000 0003 01 83 02")


class Peer:
    """One connection, as the script of a test sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def requests(self, count: int) -> list[Request]:
        """Take so many requests."""
        return [Request(await self._reader.readexactly(12)) for _ in range(count)]

    async def sends_no_more(self) -> bool:
        """Whether nothing comes for a while; what comes is lost."""
        try:
            async with asyncio.timeout(0.05):
                await self._reader.readexactly(1)
        except TimeoutError:
            return True
        return False


Script = Callable[[Peer], Awaitable[None]]


@dataclass(frozen=True)
class Place:
    """Where a script is served."""

    port: int

    def settings(
        self, in_flight: int, *, connections: int = 1, timeout_s: float = 5.0, delay_s: float = 0.0
    ) -> ModbusTcpSettings:
        """The time-out is long, so that a test which runs into it is seen."""
        return ModbusTcpSettings(
            device="plc",
            host="127.0.0.1",
            port=self.port,
            connect_timeout_s=20,
            connections=connections,
            requests_in_flight=in_flight,
            request_timeout_s=timeout_s,
            inter_request_delay_s=delay_s,
        )


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[Place]:
    """Serve each connection by a script; one that returns leaves its connection open."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await script(Peer(reader, writer))
        await reader.read()

    async with serving_streams(serve) as port:
        yield Place(port)


async def answering(peer: Peer) -> None:
    """Answer each request by itself, for ever."""
    while True:
        (request,) = await peer.requests(1)
        peer.writer.write(request.answer())


def block(address: int, count: int = 1) -> Block:
    """Holding registers."""
    return Block(kind=RegisterKind.HOLDING_REGISTER, address=address, count=count)
