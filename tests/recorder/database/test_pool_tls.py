"""TLS to the database: verify-full takes the server that was meant, and no other."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from recorder.database import Database, DatabaseSettings, connect_once, listening, single_session
from recorder.database.migration import migrate
from recorder.errors import ConfigurationError, DatabaseError
from tests.postgres import postgres_15_binaries
from tests.tls_postgres import TlsServer, tls_server, write_authority


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    """A PostgreSQL that takes TLS alone."""
    binaries = postgres_15_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL that was built with TLS (on Debian 12: apt-get install postgresql-15)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tls_server(binaries, port, tmp_path) as server:
        yield server


async def test_everything_goes_by_tls_where_the_dsn_asks_for_it(server: TlsServer) -> None:
    """Migrations, the pool with its settings, a command's session and notices."""
    await migrate(server.url())
    settings = DatabaseSettings(dsn=server.url(), pool_min=2, pool_max=3)
    async with Database(settings) as database, database.session() as session:
        encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_port > 0"
        assert await session._connection.fetchval(encrypted) is True
        assert await session.fetch("load_definitions", "tool") == []
    async with single_session(server.url(), "ald") as session:
        assert await session.fetch("load_definitions", "tool") == []
    async with listening(server.url(), "channel", lambda _payload: None, application_name="test") as connection:
        await connection.check(within_s=5)


async def test_a_server_that_is_not_the_one_that_was_meant_is_refused(server: TlsServer, tmp_path: Path) -> None:
    """A name that is not on its certificate, an authority that did not sign it, and no TLS at all: one line each."""
    stranger = write_authority(trustme.CA(), tmp_path / "stranger.pem")
    for dsn, said in (
        (server.url(host="127.0.0.1"), "is not whom the DSN means: .*IP address mismatch"),
        (server.url(authority=stranger), "is not whom the DSN means: .*unable to get local issuer"),
        (server.url(mode="disable"), "pg_hba"),
    ):
        with pytest.raises(DatabaseError, match=said) as caught:
            await Database(DatabaseSettings(dsn=dsn, connect_timeout_s=5)).ensure_open()
        assert "\n" not in str(caught.value)
    connection = await connect_once(server.url(host="127.0.0.1", mode="verify-ca"))
    await connection.close()


async def test_a_file_that_the_dsn_names_and_is_not_there_is_named(server: TlsServer, tmp_path: Path) -> None:
    """Not "no such file" alone."""
    missing = server.url(authority=tmp_path / "none.pem")
    for connecting in (connect_once(missing), Database(DatabaseSettings(dsn=missing)).ensure_open()):
        with pytest.raises(ConfigurationError, match=r"sslrootcert: .*none\.pem: no such file"):
            await connecting
