"""A small device on a real socket, and frames laid out by hand: what tests of the wire have in common."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hal.parameter import RegisterKind
from simulator.array_memory import ArrayMemory
from simulator.memory import Unit

HOST = "127.0.0.1"


def small_unit(*, answer_delay_s: float = 0.0) -> Unit:
    """Coils 0..4, discrete inputs 0..5, holding registers 2000..2124 that hold their address, input register 3000."""
    return Unit(
        memory=ArrayMemory(
            {
                RegisterKind.COIL: (0, [1, 0, 1, 0, 1]),
                RegisterKind.DISCRETE_INPUT: (0, [1] * 6),
                RegisterKind.HOLDING_REGISTER: (2000, range(2000, 2125)),
                RegisterKind.INPUT_REGISTER: (3000, [7]),
            }
        ),
        answer_delay_s=answer_delay_s,
        double_words={RegisterKind.HOLDING_REGISTER: frozenset({2000, 2004})},
    )


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is closed at the end."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(port: int, frame: str, answer_bytes: int) -> str:
    """Send a frame given in hexadecimal and return the answer likewise."""
    async with opened(port) as (reader, writer):
        writer.write(bytes.fromhex(frame))
        return (await reader.readexactly(answer_bytes)).hex(" ")


async def everything(port: int, frame: str) -> str:
    """Send a frame and return all that comes until the connection is closed."""
    async with opened(port) as (reader, writer):
        writer.write(bytes.fromhex(frame))
        try:
            return (await reader.read(-1)).hex(" ")
        except ConnectionResetError:
            return "reset"
