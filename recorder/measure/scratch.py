"""A schema of its own for measurements, which is gone afterwards."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from recorder.database import FOREIGN_ERRORS, connect_once, translate
from recorder.database.migration import migrate
from sql import load_query

_PREFIX: Final = "ald_bench_"


@asynccontextmanager
async def scratch_schema(server_dsn: str) -> AsyncIterator[str]:
    """The name of a fresh schema with all tables; it is dropped with all that is in it, whatever happens.

    Args:
        server_dsn: of the server itself, with a role that may create a schema.

    Raises:
        DatabaseError: it cannot be made; or dropped, and then the message names it.
    """
    schema = _PREFIX + secrets.token_hex(6)
    try:
        await migrate(server_dsn, schema=schema)
        yield schema
    finally:
        await _drop(server_dsn, schema)


async def _drop(server_dsn: str, schema: str) -> None:
    connection = await connect_once(server_dsn, application_name="ald-recorder bench")
    try:
        statement = await connection.fetchval(load_query("drop_schema_statement"), schema)
        await connection.execute(statement)
    except FOREIGN_ERRORS as error:
        raise translate(error, operation=f"drop schema {schema}", dsn=server_dsn) from error
    finally:
        connection.terminate()
