"""A line to PostgreSQL that takes a fixed time each way, and counts how often a client had to wait for it.

``async with slow_line(dsn, round_trip_ms=32) as line:`` gives a DSN that leads over it. What is under way at once stays
so: bytes are delayed, not slowed down.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(kw_only=True)
class Line:
    """One line with its connections.

    Attributes:
        dsn: leads over it.
        round_trips: times that an answer began to come after something was asked.
    """

    dsn: str
    round_trips: int = 0


@asynccontextmanager
async def slow_line(dsn: str, *, round_trip_ms: float) -> AsyncIterator[Line]:
    """Forward from a port of this machine to the server of a DSN, for as long as the block runs."""
    parts = urlsplit(dsn)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    host = parts.hostname or query["host"]
    port = parts.port or int(query.get("port", "5432"))
    connections: set[asyncio.Task[None]] = set()
    line = Line(dsn="")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        if host.startswith("/"):
            upstream, onward = await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            upstream, onward = await asyncio.open_connection(host, port)
        asked = [False]
        try:
            await _both_ways(
                _forward(reader, onward, round_trip_ms / 2000, line, asked, is_reply=False),
                _forward(upstream, writer, round_trip_ms / 2000, line, asked, is_reply=True),
            )
        except asyncio.CancelledError:
            # asyncio.streams would report a cancelled connection as an error of its own
            pass
        finally:
            connections.discard(task)
            onward.transport.abort()
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    line.dsn = (
        f"postgresql://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{server.sockets[0].getsockname()[1]}{parts.path}"
    )
    try:
        yield line
    finally:
        server.close()
        open_ones = tuple(connections)
        for task in open_ones:
            task.cancel()
        await asyncio.gather(*open_ones, return_exceptions=True)


async def _both_ways(*ways: "asyncio._CoroutineLike[None]") -> None:
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(way) for way in ways]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()


async def _forward(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    delay_s: float,
    line: Line,
    asked: list[bool],
    *,
    is_reply: bool,
) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while chunk := await reader.read(1 << 20):
            line.round_trips += is_reply and asked[0]
            asked[0] = not is_reply
            if delay_s > 0:
                # in order: each timer is due later than those before it
                loop.call_later(delay_s, _arrive, writer, chunk)
            else:
                writer.write(chunk)
                await writer.drain()


def _arrive(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    """What was under way when the line was cut is lost."""
    if not writer.is_closing():
        writer.write(chunk)
