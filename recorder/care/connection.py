"""One connection for care, which takes as long as it takes and tells what failed in one line."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from recorder.database import FOREIGN_ERRORS, connect_once, translate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg


@asynccontextmanager
async def care_connection(dsn: str, schema: str, *, operation: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own, outside of the pool, whose errors are translated.

    Raises:
        ConfigurationError: the DSN cannot be parsed.
        DatabaseError: no connection, no right, or a statement was refused; names the operation.
    """
    connection = await connect_once(dsn, schema=schema, application_name=f"ald-recorder {operation}")
    try:
        yield connection
    except FOREIGN_ERRORS as error:
        raise translate(error, operation=operation, dsn=dsn) from error
    finally:
        try:
            await connection.close(timeout=5)
        except FOREIGN_ERRORS:
            connection.terminate()
