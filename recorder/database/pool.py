"""The pool: connections that are opened before they are needed, with their statements prepared."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import asyncpg

from recorder.database.connection import Connection, cache_size, quote_identifier
from recorder.database.dsn import check_files, wrong_dsn
from recorder.database.keepalive import keep_alive, server_keepalives
from recorder.database.session import Session, settled_by
from recorder.database.single_flight import SingleFlight
from recorder.database.slow_statement import SLOW_S
from recorder.database.statement_times import StatementTimes
from recorder.database.translation import FOREIGN_ERRORS, translate
from sql import QUERIES


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """How to reach PostgreSQL and how to use it.

    Attributes:
        dsn: ``postgresql://user:password@host:port/database``, of the server or of a pooler.
        direct_dsn: of the server itself where `dsn` leads to a pooler; empty where they are the same.
        schema: the schema that holds all tables.
        dead_after_s: silence after which either side takes a connection over TCP for dead.
        prepared: names of the statements that each connection prepares as it opens.
        read_only: let the server refuse to change anything; not asked for behind a pooler in transaction mode.
        prepared_statements: false behind a pooler in transaction mode: then nothing is asked of a connection that lasts
            longer than a transaction.
    """

    dsn: str
    direct_dsn: str = ""
    schema: str = "ald"
    application_name: str = "ald-recorder"
    pool_min: int = 5
    pool_max: int = 20
    connect_timeout_s: float = 10
    acquire_timeout_s: float = 30
    statement_timeout_s: float = 60
    lock_timeout_s: float = 10
    dead_after_s: float = 10
    prepared: Sequence[str] = ()
    prepared_statements: bool = True
    slow_statement_s: float = SLOW_S
    read_only: bool = False

    @property
    def server_dsn(self) -> str:
        """The way to the server itself, for what needs a session of its own."""
        return self.direct_dsn or self.dsn

    def session_settings(self) -> dict[str, str]:
        """What each connection asks for as it opens."""
        if not self.prepared_statements:
            return {"application_name": self.application_name}
        return {
            "application_name": self.application_name,
            "search_path": quote_identifier(self.schema),
            "timezone": "UTC",
            "statement_timeout": str(round(self.statement_timeout_s * 1000)),
            "lock_timeout": str(round(self.lock_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": str(round(self.statement_timeout_s * 1000)),
            **({"default_transaction_read_only": "on"} if self.read_only else {}),
            **server_keepalives(self.dead_after_s),
        }

    def transaction_settings(self) -> str | None:
        """What each transaction begins with where connections keep nothing."""
        if self.prepared_statements:
            return None
        return settled_by(self.schema, statement_timeout_s=self.statement_timeout_s, lock_timeout_s=self.lock_timeout_s)


class Database:
    """A pool of connections to one database; an async context manager.

    Attributes:
        times: how long each statement took since this was made.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self.times = StatementTimes()
        self._pool: asyncpg.Pool | None = None
        self._transaction_settings = settings.transaction_settings()
        self._reading: SingleFlight[tuple[object, ...], list[Mapping[str, Any]]] = SingleFlight()
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.ensure_open()
        return self

    async def ensure_open(self) -> None:
        """Open the pool unless it is open; afterwards asyncpg replaces lost connections by itself.

        Raises:
            ConfigurationError: the DSN cannot be parsed.
            DatabaseError: no connection.
        """
        async with self._opening:
            if self._pool is None:
                await self._open()

    async def _open(self) -> None:
        settings = self.settings
        check_files(settings.dsn)
        try:
            self._pool = await asyncpg.create_pool(
                settings.dsn,
                min_size=settings.pool_min,
                max_size=settings.pool_max,
                timeout=settings.connect_timeout_s,
                command_timeout=settings.statement_timeout_s,
                connection_class=Connection,
                init=self._prepare,
                # what is kept open stays so: opening takes several round trips, in the middle of something
                max_inactive_connection_lifetime=0,
                # a statement prepared at the start must still be there after a quiet night
                max_cached_statement_lifetime=0,
                statement_cache_size=cache_size(prepared_statements=settings.prepared_statements),
                server_settings=settings.session_settings(),
            )
        except ssl.SSLError as error:  # one of a certificate is a ValueError too, and says nothing of the DSN
            raise translate(error, operation="connect", dsn=settings.dsn) from error
        except (ValueError, asyncpg.ClientConfigurationError) as error:
            raise wrong_dsn(error) from error
        except FOREIGN_ERRORS as error:
            raise translate(error, operation="connect", dsn=settings.dsn) from error

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections at once; what was not committed is rolled back by the server."""
        pool, self._pool = self._pool, None
        if pool is not None:
            # asyncpg cancels the task that replaces lost connections, and does not wait for its end
            replacing = pool._maintenance_task  # type: ignore[attr-defined]  # noqa: SLF001
            pool.terminate()
            if replacing is not None:
                await asyncio.wait([replacing], timeout=1)

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        assert isinstance(connection, Connection)
        keep_alive(connection.wire, self.settings.dead_after_s)
        if self.settings.prepared_statements:
            await connection.warm(QUERIES[name].text for name in self.settings.prepared)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A connection of the pool for as long as the block runs.

        Raises:
            DatabaseUnreachableError: none could be had within the time limit.
        """
        pool = self._pool
        assert pool is not None, "the pool is not open"
        try:
            connection = await pool.acquire(timeout=self.settings.acquire_timeout_s)
        except FOREIGN_ERRORS as error:
            raise translate(error, operation="acquire", dsn=self.settings.dsn) from error
        try:
            yield Session(
                connection,
                self.settings.dsn,
                slow_statement_s=self.settings.slow_statement_s,
                settings=self._transaction_settings,
                times=self.times,
            )
        finally:
            try:
                await pool.release(connection, timeout=self.settings.connect_timeout_s)
            except FOREIGN_ERRORS:
                with suppress(asyncpg.InterfaceError):  # the pool took it back in spite of its error
                    connection.terminate()

    async def read(self, query: str, *arguments: Hashable) -> list[Mapping[str, Any]]:
        """Run a named statement that only reads; whoever asks the same while it runs gets the same answer.

        An answer may have been on its way already when it is asked for: not for what must be newer than the question.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        return await self._reading.run((query, *arguments), lambda: self._read(query, arguments))

    async def _read(self, query: str, arguments: Sequence[object]) -> list[Mapping[str, Any]]:
        await self.ensure_open()
        async with self.session() as session:
            return await session.fetch(query, *arguments)

    @property
    def size(self) -> tuple[int, int]:
        """Open connections, and how many of them are idle."""
        return (0, 0) if self._pool is None else (self._pool.get_size(), self._pool.get_idle_size())
