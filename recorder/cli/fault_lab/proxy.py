"""A proxy before PostgreSQL, for the laboratory, the tests and the benchmarks.

It cuts a connection at the worst moment, seen from either side, holds a COPY half way, falls silent as a pulled cable
does, or takes its time as a server far away does: bytes are delayed, not slowed down.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, cast
from urllib.parse import parse_qs, quote, urlsplit

from recorder.spool.batch import SIGNATURE

READY_OUTSIDE_TRANSACTION: Final = b"Z\x00\x00\x00\x05I"
"""ReadyForQuery, status idle: PostgreSQL documentation, "Message Formats"."""
_SOCKET: Final = ".s.PGSQL.{port}"
_PORT: Final = 5432
_CHUNK_BYTES: Final = 1 << 16

Chosen = Callable[[bytes], bool]


def confirms_commit(reply: bytes) -> bool:
    """Whether this is the server's word that rows are committed: of a COMMIT, or of a COPY that is one by itself."""
    return (b"COMMIT\0" in reply or b"COPY " in reply) and READY_OUTSIDE_TRANSACTION in reply


@dataclass(kw_only=True, eq=False)
class _Connection:
    """One that was accepted."""

    task: asyncio.Task[None]
    writers: Sequence[asyncio.StreamWriter] = ()
    is_silent: bool = False
    has_asked: bool = False


class Proxy:
    """Forwards connections to a server until it is told to lose them.

    Args:
        upstream: DSN of the server, on a Unix socket or by TCP.
        folder: of the proxy's own Unix socket, made if need be; without it the proxy listens on a TCP port of this
            machine, which is known as soon as it listens.
        round_trip_ms: how far away the server is, half of it each way.

    Attributes:
        url: where it listens, as a DSN.
        round_trip_ms: as above; what is sent from then on takes the new time.
        lose_reply: a reply for which this is true is not forwarded, and its connection is cut; reset by the first.
        lose_request: the same of a request, which does not reach the server.
        lost: connections that were cut so.
        round_trips: times that an answer began to come after something was asked.
    """

    def __init__(self, upstream: str, folder: Path | None = None, *, round_trip_ms: float = 0.0) -> None:
        self._parts = urlsplit(upstream)
        query = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        self._host = self._parts.hostname or query["host"]
        self._port = self._parts.port or int(query.get("port", _PORT))
        self._folder = folder
        self.round_trip_ms = round_trip_ms
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.url = f"{self._url_of('')}?host={quote(str(folder), safe='')}&port={_PORT}"
        self.lose_reply: Chosen | None = None
        self.lose_request: Chosen | None = None
        self.lost = 0
        self.round_trips = 0
        self._next_loss = asyncio.Event()
        self._copy_to_hold: asyncio.Event | None = None
        self._connections: set[_Connection] = set()

    def _url_of(self, place: str) -> str:
        return f"postgresql://{self._parts.netloc.rpartition('@')[0]}@{place}{self._parts.path}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Forward for as long as the block runs."""
        if self._folder is None:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.url = self._url_of(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
        else:
            server = await asyncio.start_unix_server(self._accept, self._folder / _SOCKET.format(port=_PORT))
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await asyncio.gather(*(each.task for each in self._connections), return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection."""
        for connection in self._connections:
            connection.task.cancel()

    def fall_silent(self) -> None:
        """Forward nothing more for the connections that there are, and close none: a cable that was pulled."""
        for connection in self._connections:
            connection.is_silent = True
            for writer in connection.writers:
                # not read either: else the kernel may widen its window until all fits into it, and nothing is missing
                cast("asyncio.Transport", writer.transport).pause_reading()

    def lose_next_commit(self) -> asyncio.Event:
        """Cut the connection in place of the next reply to a commit; the event says that it is done."""
        self.lose_reply = confirms_commit
        self._next_loss = asyncio.Event()
        return self._next_loss

    def hold_next_copy(self) -> asyncio.Event:
        """Forward half of the rows of the next COPY and then no more; the event says that this is the moment."""
        self._copy_to_hold = asyncio.Event()
        return self._copy_to_hold

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = _Connection(task=task)
        self._connections.add(connection)
        task.add_done_callback(lambda _: self._connections.discard(connection))
        try:
            server_reader, server_writer = await self._open()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        connection.writers = (writer, server_writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                ways = (
                    tasks.create_task(self._forward(connection, reader, server_writer, is_reply=False)),
                    tasks.create_task(self._forward(connection, server_reader, writer, is_reply=True)),
                )
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        except asyncio.CancelledError:
            pass  # asyncio.streams would report a cancelled connection as an error of its own
        finally:
            for each in (writer, server_writer):
                each.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self._host}/{_SOCKET.format(port=self._port)}")
        return await asyncio.open_connection(self._host, self._port)

    async def _forward(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_reply: bool
    ) -> None:
        with suppress(ConnectionError):
            while True:
                chunk = await reader.read(_CHUNK_BYTES)
                if connection.is_silent:
                    await asyncio.Event().wait()  # until it is cancelled
                if not chunk or self._is_lost(chunk, is_reply=is_reply):
                    return
                self.round_trips += is_reply and connection.has_asked
                connection.has_asked = not is_reply
                if not is_reply and self._copy_to_hold is not None and SIGNATURE in chunk:
                    await self._hold(chunk, writer, self._copy_to_hold)
                await self._send(chunk, writer)

    def _is_lost(self, chunk: bytes, *, is_reply: bool) -> bool:
        chosen = self.lose_reply if is_reply else self.lose_request
        if chosen is None or not chosen(chunk):
            return False
        self.lose_reply = self.lose_request = None
        self.lost += 1
        self._next_loss.set()
        return True

    async def _hold(self, chunk: bytes, writer: asyncio.StreamWriter, moment: asyncio.Event) -> None:
        self._copy_to_hold = None
        await self._send(chunk[: chunk.index(SIGNATURE) + len(chunk) // 2], writer)
        moment.set()
        await asyncio.Event().wait()  # until the server, and with it the connection, has gone

    async def _send(self, chunk: bytes, writer: asyncio.StreamWriter) -> None:
        if self.round_trip_ms > 0:
            # in order: each timer is due later than those before it
            asyncio.get_running_loop().call_later(self.round_trip_ms / 2000, _arrive, writer, chunk)
        else:
            writer.write(chunk)
            await writer.drain()


def _arrive(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    """What was under way when the line was cut is lost."""
    if not writer.is_closing():
        writer.write(chunk)
