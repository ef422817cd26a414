"""A proxy before PostgreSQL that breaks off at the worst moment: amid a COPY, or before the reply to a commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Self
from urllib.parse import parse_qs, quote, urlsplit

from recorder.batch import SIGNATURE

READY_OUTSIDE_TRANSACTION: Final = b"Z\x00\x00\x00\x05I"
"""ReadyForQuery, status idle: PostgreSQL documentation, "Message Formats"."""
_PORT: Final = "5432"
_CHUNK_BYTES: Final = 1 << 16


def confirms_commit(reply: bytes) -> bool:
    """Whether this is the server's word of a commit: of a COMMIT, or of a COPY that is one by itself."""
    return (b"COMMIT\0" in reply or b"COPY " in reply) and READY_OUTSIDE_TRANSACTION in reply


class Proxy:
    """Forwards connections to a server on a Unix socket, until it is told to break one.

    Args:
        upstream: DSN of the server.
        folder: made, for the proxy's own socket.

    Attributes:
        url: where it listens, as a DSN.
    """

    def __init__(self, upstream: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        parts = urlsplit(upstream)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._upstream = f"{query['host']}/.s.PGSQL.{query['port']}"
        self._socket = folder / f".s.PGSQL.{_PORT}"
        user = parts.netloc.rpartition("@")[0]
        self.url = f"postgresql://{user}@{parts.path}?host={quote(str(folder), safe='')}&port={_PORT}"
        self._reply_to_lose: asyncio.Event | None = None
        self._copy_to_hold: asyncio.Event | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Forward for as long as the block runs."""
        server = await asyncio.start_unix_server(self._accept, self._socket)
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def lose_next_commit(self) -> asyncio.Event:
        """Cut the connection in place of the next reply to a commit; the event says that it is done."""
        self._reply_to_lose = asyncio.Event()
        return self._reply_to_lose

    def hold_next_copy(self) -> asyncio.Event:
        """Forward half of the rows of the next COPY and then no more; the event says that this is the moment."""
        self._copy_to_hold = asyncio.Event()
        return self._copy_to_hold

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._upstream)
        except OSError:
            writer.close()
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                ways = (
                    tasks.create_task(self._forward_requests(reader, server_writer)),
                    tasks.create_task(self._forward_replies(server_reader, writer)),
                )
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        except asyncio.CancelledError:
            pass  # asyncio.streams would report a cancelled connection as an error of its own
        finally:
            for each in (writer, server_writer):
                each.transport.abort()

    async def _forward_requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK_BYTES):
                moment = self._copy_to_hold
                if moment is not None and SIGNATURE in chunk:
                    self._copy_to_hold = None
                    writer.write(chunk[: chunk.index(SIGNATURE) + len(chunk) // 2])
                    await writer.drain()
                    moment.set()
                    await asyncio.Event().wait()  # until the server, and with it the connection, has gone
                writer.write(chunk)
                await writer.drain()

    async def _forward_replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self._reply_to_lose is not None and confirms_commit(chunk):
                    self._reply_to_lose.set()
                    self._reply_to_lose = None
                    return
                writer.write(chunk)
                await writer.drain()
