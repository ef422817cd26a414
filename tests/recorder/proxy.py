"""A proxy before PostgreSQL that loses a connection at a chosen moment, seen from either side."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

READY_OUTSIDE_TRANSACTION = b"Z\x00\x00\x00\x05I"
"""ReadyForQuery, status idle: PostgreSQL documentation, "Message Formats"."""


def confirms_commit(reply: bytes) -> bool:
    """Whether this is the server's word that rows are committed: of a COMMIT, or of a COPY that is one by itself."""
    return (b"COMMIT\0" in reply or b"COPY " in reply) and READY_OUTSIDE_TRANSACTION in reply


class Proxy:
    """Forwards connections to a server until it is told to lose them.

    Attributes:
        url: where it listens, as a DSN.
        lose_reply: a reply for which this is true is not forwarded, and its connection is cut; reset by the first.
        lose_request: the same of a request, which does not reach the server.
        lost: connections that were cut so.
        round_trips: times that the server was done with what it was asked.
    """

    def __init__(self, upstream: str, folder: Path) -> None:
        parts = urlsplit(upstream)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        port = str(parts.port or query.get("port", "5432"))
        self._upstream = (parts.hostname or query["host"], port)
        self._socket = folder / ".s.PGSQL.5432"
        netloc = parts.netloc.rpartition("@")[0]
        self.url = f"postgresql://{netloc}@{parts.path}?host={quote(str(folder), safe='')}&port=5432"
        self.lose_reply: Callable[[bytes], bool] | None = None
        self.lose_request: Callable[[bytes], bool] | None = None
        self.lost = 0
        self.round_trips = 0
        self._connections: set[asyncio.Task[None]] = set()
        self._silent: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self, *, over_tcp: bool = False) -> AsyncIterator["Proxy"]:
        """Forward for as long as the block runs, from a Unix socket or from a TCP port of this machine."""
        if over_tcp:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            parts = urlsplit(self.url)
            port = server.sockets[0].getsockname()[1]
            self.url = f"postgresql://{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}{parts.path}"
        else:
            server = await asyncio.start_unix_server(self._accept, self._socket)
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection."""
        for task in self._connections:
            task.cancel()

    def fall_silent(self) -> None:
        """Forward nothing more for the connections that there are, and close none: a cable that was pulled."""
        self._silent |= self._connections

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        host, port = self._upstream
        if host.startswith("/"):
            opened = asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        else:
            opened = asyncio.open_connection(host, int(port))
        try:
            server_reader, server_writer = await opened
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        try:
            await self._forward_both(reader, writer, server_reader, server_writer)
        except asyncio.CancelledError:
            # asyncio.streams would report a cancelled connection as an error of its own
            pass
        finally:
            for each in (writer, server_writer):
                each.transport.abort()

    async def _forward_both(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        async with asyncio.TaskGroup() as tasks:
            ways = (
                tasks.create_task(self._forward(connection, reader, server_writer, is_reply=False)),
                tasks.create_task(self._forward(connection, server_reader, writer, is_reply=True)),
            )
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()

    async def _forward(
        self,
        connection: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        is_reply: bool,
    ) -> None:
        with suppress(ConnectionError):
            while True:
                chunk = await reader.read(1 << 16)
                if connection in self._silent:
                    await asyncio.Event().wait()  # until it is cancelled
                if not chunk:
                    return
                is_lost = self.lose_reply if is_reply else self.lose_request
                if is_lost is not None and is_lost(chunk):
                    self.lose_reply = self.lose_request = None
                    self.lost += 1
                    return
                self.round_trips += is_reply and READY_OUTSIDE_TRANSACTION[:5] in chunk
                writer.write(chunk)
                await writer.drain()
