"""Fixtures of the SQL tests: each test runs on the main server and on PostgreSQL 15."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import asyncpg
import pytest

from recorder.database import connect_once
from tests.postgres import TestServer

Connect = Callable[[], Awaitable[asyncpg.Connection]]


@pytest.fixture(params=["database_server", "postgres_15_server"])
def server(request: pytest.FixtureRequest) -> TestServer:
    """The main server, then the oldest supported one."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, TestServer)
    return server


@pytest.fixture
def url(server: TestServer) -> Iterator[str]:
    """The DSN of a fresh database with the whole schema."""
    with server.database(migrated=True) as url:
        yield url


@pytest.fixture
def empty_url(server: TestServer) -> Iterator[str]:
    """The DSN of a fresh database with nothing in it."""
    with server.database(migrated=False) as url:
        yield url


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Connect]:
    """Opens connections that look at the schema, and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def open_one() -> asyncpg.Connection:
            connection = await connect_once(url, schema="ald")
            stack.push_async_callback(connection.close)
            return connection

        yield open_one


@pytest.fixture
async def connection(connect: Connect) -> asyncpg.Connection:
    """One connection that looks at the schema."""
    return await connect()
