"""A connection for the length of a block, for tests that look at a database from outside."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from recorder.database import connect_once


@asynccontextmanager
async def session(url: str, schema: str = "ald") -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks at a schema."""
    connection = await connect_once(url, schema=schema)
    try:
        yield connection
    finally:
        await connection.close()
