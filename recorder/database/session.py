"""One connection with the named statements of ``sql/queries``.

Behind a pooler in transaction mode a connection is another session of the server in each transaction, and takes no
settings as it opens. There each statement runs in a transaction that begins with its settings, and a commit carries
them in its message: at most three round trips more a statement, none more a commit.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from recorder.database.connection import connect_once
from recorder.database.slow_statement import SLOW_S, told_if_slow
from recorder.database.statement_times import StatementTimes
from recorder.database.translation import FOREIGN_ERRORS, translate
from recorder.errors import ContentRefusedError
from recorder.spool.entry import COLUMNS
from sql import QUERIES
from sql.literal import set_local, with_arguments

if TYPE_CHECKING:
    import asyncpg

_COPY_POINTS: Final = "COPY process_data_points ({}) FROM STDIN (FORMAT binary)".format(
    ", ".join(f'"{column}"' for column in COLUMNS)
)


class Session:
    """One connection, taken from the pool or opened alone, with the named statements of ``sql/queries``.

    Args:
        connection: an open one.
        dsn: that it goes to, for messages.
        slow_statement_s: a statement that takes longer is named in the log.
        settings: statements that each transaction begins with, as `settled_by` makes them; None where the connection
            keeps its own.
        times: counts how long each statement takes.
    """

    def __init__(
        self,
        connection: "asyncpg.Connection | asyncpg.pool.PoolConnectionProxy",
        dsn: str,
        *,
        slow_statement_s: float = SLOW_S,
        settings: str | None = None,
        times: StatementTimes | None = None,
    ) -> None:
        self._connection = connection
        self._dsn = dsn
        self._slow_s = slow_statement_s
        self._settings = settings
        self._times = times

    @contextmanager
    def _operation(self, name: str) -> Iterator[None]:
        """Name what is run, in errors and where it takes long."""
        with told_if_slow(name, slow_s=self._slow_s, times=self._times):
            try:
                yield
            except FOREIGN_ERRORS as error:
                raise translate(error, operation=name, dsn=self._dsn) from error

    @asynccontextmanager
    async def _settled(self) -> AsyncIterator[None]:
        """Run what is inside in a transaction that begins with our settings, where the connection keeps none."""
        if self._settings is None or self._connection.is_in_transaction():
            yield
            return
        await self._connection.execute(f"BEGIN;\n{self._settings}")
        try:
            yield
        except BaseException:
            with suppress(*FOREIGN_ERRORS):  # the connection is gone, and the transaction with it
                await self._connection.execute("ROLLBACK")
            raise
        await self._connection.execute("COMMIT")

    async def fetch(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        """Run a named statement and return its rows.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            async with self._settled():
                return [dict(row) for row in await self._connection.fetch(QUERIES[query].text, *arguments)]

    async def stream(
        self, query: str, *arguments: object, batch_rows: int
    ) -> AsyncGenerator[Sequence[tuple[Any, ...]], None]:
        """Run a named statement and yield its rows, so many at a time, of which no more are in memory.

        The server keeps its place in a portal, for which this must be inside of a `transaction`. Each batch counts as
        one statement, and is given the time of one.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            cursor = await self._connection.cursor(QUERIES[query].text, *arguments)
        is_more = True
        while is_more:
            with self._operation(query):
                rows = await cursor.fetch(batch_rows)
            is_more = len(rows) == batch_rows
            if rows:
                yield [tuple(row) for row in rows]

    async def fetch_one(self, query: str, *arguments: object) -> Mapping[str, Any] | None:
        """Run a named statement and return its first row, or None.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            async with self._settled():
                row = await self._connection.fetchrow(QUERIES[query].text, *arguments)
        return None if row is None else dict(row)

    async def execute(self, query: str, *arguments: object) -> None:
        """Run a named statement for its effect.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            async with self._settled():
                await self._connection.execute(QUERIES[query].text, *arguments)

    async def execute_many(self, query: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a named statement once a row, pipelined.

        Raises:
            DatabaseError: naming the statement and the place.
        """
        with self._operation(query):
            async with self._settled():
                await self._connection.executemany(QUERIES[query].text, rows)

    async def commit(self, statements: Sequence[tuple[str, Sequence[object]]], payload: bytearray | None) -> None:
        """Run named statements and then COPY in one round trip, in one transaction or as part of the one that is open.

        PostgreSQL runs all statements of one simple query message as one transaction, and asyncpg sends the payload
        of a COPY without waiting; BEGIN, each statement, COPY and COMMIT one after the other take a round trip each.

        Args:
            statements: name and arguments of each.
            payload: header, rows and trailer of PostgreSQL's binary COPY format, with the columns
                `recorder.spool.entry.COLUMNS`; None where there are no rows.

        Raises:
            DatabaseError: nothing was committed; after a lost connection nobody knows.
        """
        texts = [] if self._settings is None else [self._settings]
        texts += [with_arguments(QUERIES[name].text, arguments) for name, arguments in statements]
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
            is_outermost = not self._connection.is_in_transaction()
            await transaction.start()
            if self._settings is not None and is_outermost:
                await self._connection.execute(self._settings)
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


def settled_by(schema: str, *, statement_timeout_s: float | None = None, lock_timeout_s: float | None = None) -> str:
    """The settings of a transaction, as statements: where to look, and how long to wait for what."""
    settings: dict[str, object] = {"search_path": schema, "timezone": "UTC"}
    if statement_timeout_s is not None:
        settings["statement_timeout"] = settings["idle_in_transaction_session_timeout"] = round(
            statement_timeout_s * 1000
        )
    if lock_timeout_s is not None:
        settings["lock_timeout"] = round(lock_timeout_s * 1000)
    return set_local(settings)


@asynccontextmanager
async def single_session(dsn: str, schema: str, *, prepared_statements: bool = True) -> AsyncIterator[Session]:
    """One connection for a command that asks a question or two and ends.

    Args:
        dsn: of the server, or of a pooler.
        schema: that holds all tables.
        prepared_statements: false behind a pooler in transaction mode.

    Raises:
        DatabaseError: no connection.
    """
    connection = await connect_once(dsn, schema=schema, prepared_statements=prepared_statements)
    try:
        yield Session(connection, dsn, settings=None if prepared_statements else settled_by(schema))
    finally:
        try:
            await connection.close(timeout=5)
        except FOREIGN_ERRORS:
            connection.terminate()
