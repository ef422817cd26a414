"""PostgreSQL: the pool, its prepared statements and COPY. The only file that knows asyncpg."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import asyncpg

from recorder.dsn import describe_dsn, wrong_dsn
from recorder.entry import COLUMNS
from recorder.errors import (
    ContentRefusedError,
    DatabaseError,
    DatabaseUnreachableError,
    StreamFencedError,
    StreamOutOfStepError,
)
from recorder.keepalive import keep_alive, server_keepalives
from recorder.slow_statement import SLOW_S, told_if_slow
from sql import QUERIES
from sql.literal import with_arguments

_UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.ConnectionFailureError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,
)
_COPY_POINTS: Final = "COPY process_data_points ({}) FROM STDIN (FORMAT binary)".format(
    ", ".join(f'"{column}"' for column in COLUMNS)
)
_STREAM_ERRORS: Final = {"AL001": StreamFencedError, "AL002": StreamOutOfStepError}


def translate(error: BaseException, *, operation: str, dsn: str) -> DatabaseError:
    """Turn what asyncpg raised into one of our own errors, naming the operation and the place."""
    where = describe_dsn(dsn)
    said = " ".join(str(error).split())
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return DatabaseError(f"{operation}: {where} does not exist; create it with CREATE DATABASE")
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return DatabaseError(f"{operation}: {where} refused the login: {said}; check user and password of the DSN")
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedFunctionError | asyncpg.UndefinedColumnError):
        return DatabaseError(
            f"{operation}: {where}: the schema is not that of this release ({said}); run: ald-recorder database migrate"
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return DatabaseError(f"{operation}: {where}: {said}; grant the right or use another role")
    # a lost connection that the pool took back is an InterfaceError, like any wrong use of a live one
    is_released = isinstance(error, asyncpg.InterfaceError) and "released back to the pool" in said
    is_closed = isinstance(error, asyncpg.InterfaceError) and "clos" in said
    # rows that end in the middle are a "protocol violation" too, but one that leaves the connection as it is
    is_cut_off = isinstance(error, asyncpg.ProtocolViolationError) and getattr(error, "severity", "") == "ERROR"
    if (isinstance(error, _UNREACHABLE) and not is_cut_off) or is_released or is_closed:
        reason = "the connection was lost" if is_released else said or type(error).__name__
        return DatabaseUnreachableError(
            f"{operation}: {where} is not reachable ({reason}); check that it runs and that [database] dsn is right"
        )
    return _by_state(error, f"{operation}: {where}: {said}")


def _by_state(error: BaseException, message: str) -> DatabaseError:
    state = str(getattr(error, "sqlstate", None))
    if state[:2] in {*ContentRefusedError.CLASSES, "08"}:
        # without PostgreSQL's DETAIL: it shows the whole row, and so no two would be of the same reason
        return ContentRefusedError(message, sqlstate=state, said=str(getattr(error, "message", error)))
    return _STREAM_ERRORS.get(state, DatabaseError)(message)


FOREIGN_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    # a connection that ends in the middle of a COPY may leave asyncpg's own bookkeeping behind
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises for anything that is not our own mistake."""


async def connect_once(
    dsn: str, *, schema: str | None = None, application_name: str = "ald-recorder", timeout_s: float = 10
) -> asyncpg.Connection:
    """Open one connection outside the pool, for migrations and commands.

    Raises:
        ConfigurationError: the DSN cannot be parsed.
        DatabaseError: no connection; the message names host, port and database.
    """
    settings = {"application_name": application_name}
    if schema is not None:
        settings["search_path"] = quote_identifier(schema)
    try:
        return await asyncpg.connect(dsn, timeout=timeout_s, server_settings=settings, connection_class=_Connection)
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise wrong_dsn(error) from error
    except FOREIGN_ERRORS as error:
        raise translate(error, operation="connect", dsn=dsn) from error


def quote_identifier(name: str) -> str:
    """Quote a name for use as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class _Connection(asyncpg.Connection):
    """What asyncpg can do but does not offer."""

    @property
    def wire(self) -> socket.socket:
        """What the connection goes over."""
        found: socket.socket = self._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        return found

    async def warm(self, texts: Iterable[str]) -> None:
        """Put statements into the cache before anyone asks for them.

        `Connection.prepare` makes statements that end with the next release to the pool; the cache stays.
        """
        for text in texts:
            await self._prepare(text, use_cache=True)  # type: ignore[attr-defined]

    async def query_and_copy(self, text: str, payload: bytearray) -> None:
        """Send statements without parameters, of which the last is a COPY, and its payload, all at once."""
        await self._copy_in(text, payload, None)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """How to reach PostgreSQL and how to use it.

    Attributes:
        dsn: ``postgresql://user:password@host:port/database``.
        schema: the schema that holds all tables.
        dead_after_s: silence after which either side takes a connection over TCP for dead.
        prepared: names of the statements that each connection prepares as it opens.
        prepared_statements: false behind a pooler in transaction mode.
    """

    dsn: str
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


class Session:
    """One connection, taken from the pool or opened alone, with the named statements of ``sql/queries``."""

    def __init__(
        self,
        connection: "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy",
        dsn: str,
        *,
        slow_statement_s: float = SLOW_S,
    ) -> None:
        self._connection = connection
        self._dsn = dsn
        self._slow_s = slow_statement_s

    @contextmanager
    def _operation(self, name: str) -> Iterator[None]:
        """Name what is run, in errors and where it takes long."""
        with told_if_slow(name, slow_s=self._slow_s):
            try:
                yield
            except FOREIGN_ERRORS as error:
                raise translate(error, operation=name, dsn=self._dsn) from error

    async def fetch(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        """Run a named statement and return its rows.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            return [dict(row) for row in await self._connection.fetch(QUERIES[query].text, *arguments)]

    async def fetch_one(self, query: str, *arguments: object) -> Mapping[str, Any] | None:
        """Run a named statement and return its first row, or None.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            row = await self._connection.fetchrow(QUERIES[query].text, *arguments)
        return None if row is None else dict(row)

    async def execute(self, query: str, *arguments: object) -> None:
        """Run a named statement for its effect.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            await self._connection.execute(QUERIES[query].text, *arguments)

    async def execute_many(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once a row, pipelined.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            await self._connection.executemany(QUERIES[query].text, rows)

    async def commit(self, statements: Sequence[tuple[str, Sequence[object]]], payload: bytearray | None) -> None:
        """Run named statements and then COPY in one round trip, in one transaction or as part of the one that is open.

        PostgreSQL runs all statements of one simple query message as one transaction, and asyncpg sends the payload
        of a COPY without waiting; BEGIN, each statement, COPY and COMMIT one after the other take a round trip each.

        Args:
            statements: name and arguments of each.
            payload: header, rows and trailer of PostgreSQL's binary COPY format, columns `recorder.entry.COLUMNS`; None
                where there are no rows.

        Raises:
            DatabaseError: nothing was committed; after a lost connection nobody knows.
        """
        texts = [with_arguments(QUERIES[name].text, arguments) for name, arguments in statements]
        try:
            with self._operation("commit"):
                if payload is None:
                    await self._connection.execute(";\n".join(texts))
                else:
                    # raises where the pool has taken a lost connection back; a method that is not asyncpg's cannot know
                    self._connection.is_closed()
                    await self._connection.query_and_copy(  # type: ignore[union-attr]  # each is a _Connection
                        ";\n".join([*texts, _COPY_POINTS]), payload
                    )
        except UnicodeEncodeError as error:
            said = f"text that is no Unicode: {error.reason}"
            raise ContentRefusedError(f"commit: {said}", said=said) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Everything inside is committed together or not at all.

        Raises:
            DatabaseError: from BEGIN or COMMIT; after a lost COMMIT reply the outcome is unknown.
        """
        try:
            # refused at once, not at start(), where the pool has taken a lost connection back
            transaction = self._connection.transaction()
            await transaction.start()
        except FOREIGN_ERRORS as error:
            raise translate(error, operation="begin", dsn=self._dsn) from error
        try:
            yield
        except BaseException:
            with suppress(*FOREIGN_ERRORS):  # the connection is gone, and the transaction with it
                await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except FOREIGN_ERRORS as error:
            raise translate(error, operation="commit", dsn=self._dsn) from error


class Database:
    """A pool of connections to one database; an async context manager."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self._pool: asyncpg.Pool | None = None
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
        try:
            self._pool = await asyncpg.create_pool(
                settings.dsn,
                min_size=settings.pool_min,
                max_size=settings.pool_max,
                timeout=settings.connect_timeout_s,
                command_timeout=settings.statement_timeout_s,
                connection_class=_Connection,
                init=self._prepare,
                # a statement prepared at the start must still be there after a quiet night
                max_cached_statement_lifetime=0,
                statement_cache_size=200 if settings.prepared_statements else 0,
                server_settings={
                    "application_name": settings.application_name,
                    "search_path": quote_identifier(settings.schema),
                    "timezone": "UTC",
                    "statement_timeout": str(round(settings.statement_timeout_s * 1000)),
                    "lock_timeout": str(round(settings.lock_timeout_s * 1000)),
                    "idle_in_transaction_session_timeout": str(round(settings.statement_timeout_s * 1000)),
                    **server_keepalives(settings.dead_after_s),
                },
            )
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
        assert isinstance(connection, _Connection)
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
            yield Session(connection, self.settings.dsn, slow_statement_s=self.settings.slow_statement_s)
        finally:
            try:
                await pool.release(connection, timeout=self.settings.connect_timeout_s)
            except FOREIGN_ERRORS:
                with suppress(asyncpg.InterfaceError):  # the pool took it back in spite of its error
                    connection.terminate()

    @property
    def size(self) -> tuple[int, int]:
        """Open connections, and how many of them are idle."""
        return (0, 0) if self._pool is None else (self._pool.get_size(), self._pool.get_idle_size())


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


@asynccontextmanager
async def single_session(dsn: str, schema: str) -> AsyncIterator[Session]:
    """One connection for a command that asks a question or two and ends.

    Raises:
        DatabaseError: no connection.
    """
    connection = await connect_once(dsn, schema=schema)
    try:
        yield Session(connection, dsn)
    finally:
        try:
            await connection.close(timeout=5)
        except FOREIGN_ERRORS:
            connection.terminate()
