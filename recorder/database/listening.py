"""Notices of the server, over a connection of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import asyncpg

from recorder.database.connection import connect_once
from recorder.database.translation import FOREIGN_ERRORS, translate


class Listening:
    """A connection on which notices arrive; made by `listening`.

    Attributes:
        lost: set once the connection is gone, as far as that is noticed; a silent loss is found by `check` alone.
    """

    def __init__(self, connection: asyncpg.Connection, dsn: str) -> None:
        self._connection = connection
        self._dsn = dsn
        self.lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: self.lost.set())

    async def check(self, *, within_s: float) -> None:
        """Ask the server for a sign of life.

        Raises:
            DatabaseUnreachableError: it gave none.
        """
        try:
            await self._connection.execute("SELECT", timeout=within_s)
        except FOREIGN_ERRORS as error:
            raise translate(error, operation="listen", dsn=self._dsn) from error


@asynccontextmanager
async def listening(
    dsn: str, channel: str, tell: Callable[[str], None], *, application_name: str, timeout_s: float = 10
) -> AsyncIterator[Listening]:
    """Hear notices of a channel for as long as the block runs, over a connection of its own.

    Args:
        dsn: of the server itself: a pooler in transaction mode passes no notices on.
        channel: as NOTIFY names it.
        application_name: as the server shows the connection.
        timeout_s: longest wait for the connection.
        tell: called in the event loop with the payload of each notice; must not block.

    Raises:
        DatabaseError: no connection.
    """
    connection = await connect_once(dsn, application_name=application_name, timeout_s=timeout_s)
    try:
        heard = Listening(connection, dsn)
        try:
            await connection.add_listener(channel, lambda _connection, _process, _channel, payload: tell(str(payload)))
        except FOREIGN_ERRORS as error:
            raise translate(error, operation="listen", dsn=dsn) from error
        yield heard
    finally:
        connection.terminate()
