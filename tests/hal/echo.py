"""Adapters of a test that hear what they send, as many of RS-485 do: a serial port and a gateway."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hal.modbus import Framing, Parity, Place, SerialPlace, TcpPlace
from tests.hal.streams import serving_streams
from tests.hal.terminal import MOST, Terminal


class EchoingTerminal(Terminal):
    """A serial port whose adapter hears what it sends."""

    def _read(self) -> None:
        data = os.read(self._controller, MOST)
        self.received += data
        os.write(self._controller, data)
        self._writer.write(data)


@asynccontextmanager
async def echoing_gateway(port: int) -> AsyncIterator[int]:
    """The port of a gateway in front of a server: what is sent comes back in two pieces, then what the server says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)

        async def answers() -> None:
            while data := await behind_reader.read(MOST):
                writer.write(data)

        passing = asyncio.create_task(answers())
        try:
            while data := await reader.read(MOST):
                writer.write(data[:3])
                await writer.drain()
                await asyncio.sleep(0)
                writer.write(data[3:])
                behind_writer.write(data)
        finally:
            behind_writer.transport.abort()
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    async with serving_streams(serve) as its:
        yield its


@asynccontextmanager
async def lagging_gateway(port: int) -> AsyncIterator[int]:
    """The port of a gateway that echoes, and keeps its first answer until the next request, on whatever connection.

    Then that answer comes alone, and the echo only with that of the request behind.
    """
    late: list[bytes] = []
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        echo = b""
        try:
            while data := await reader.read(MOST):
                echo += data
                behind_writer.write(data)
                answer = await behind_reader.read(MOST)
                answered += 1
                if late:
                    writer.write(late.pop())
                    continue
                writer.write(echo)
                echo = b""
                if answered == 1:
                    late.append(answer)
                else:
                    writer.write(answer)
        finally:
            behind_writer.transport.abort()

    async with serving_streams(serve) as its:
        yield its


@asynccontextmanager
async def echoing(kind: str, port: int, *, echo: bool) -> AsyncIterator[Place]:
    """Where a server of RTU is reached through an adapter that echoes.

    Args:
        kind: ``rtu`` for a serial port, ``rtu_over_tcp`` for a gateway.
        port: of the server.
        echo: whether the place says so.
    """
    if kind == "rtu_over_tcp":
        async with echoing_gateway(port) as its:
            yield TcpPlace(host="127.0.0.1", port=its, framing=Framing.RTU, echo=echo, connect_timeout_s=20)
        return
    terminal = await EchoingTerminal.open(port)
    try:
        yield SerialPlace(path=terminal.path, baud=115_200, parity=Parity.NONE, echo=echo)
    finally:
        await terminal.close()
