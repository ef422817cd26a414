"""The PostgreSQL servers of a test run, and the fresh databases on them.

The order for the main server: the DSN in ``ALD_TEST_DATABASE_URL``, Docker by testcontainers, the embedded server.
PostgreSQL 15 comes from the system's packages where they are installed.
"""

import asyncio
import gc
import os
import secrets
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from recorder.embedded import EmbeddedPostgres
from tests.folders import server_directory

DSN_VARIABLE: Final = "ALD_TEST_DATABASE_URL"
DOCKER_IMAGE: Final = "postgres:18"
PREFIX: Final = "ald_test"
LEFTOVER_AGE_S: Final = 3 * 3600
"""Databases of a run that was killed are dropped by a later run on the same server once they are this old."""

T = TypeVar("T")


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run async work to its end in a loop and thread of its own, so that no test's loop is touched."""
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(lambda: asyncio.run(work())).result()


def with_database(dsn: str, database: str) -> str:
    """The same DSN for another database."""
    parts = urlsplit(dsn)
    # urlunsplit drops an empty host, which a DSN for a Unix socket has.
    return urlunsplit(parts._replace(netloc=parts.netloc or "@", path="/" + quote(database, safe="")))


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(kw_only=True)
class TestServer:
    """A PostgreSQL server that gives each test a database of its own, cloned from a migrated template.

    Args:
        dsn: a role there that may create databases, and the database to do it from.
        description: what the report says about it.
    """

    __test__ = False  # pytest takes it for a class of tests otherwise

    dsn: str
    description: str
    run: str = field(default_factory=lambda: f"{PREFIX}_{int(time.time())}_{secrets.token_hex(4)}")
    _template: str | None = None
    _made: int = 0

    @contextmanager
    def database(self, *, migrated: bool) -> Iterator[str]:
        """The DSN of a fresh database; it is dropped afterwards, whoever is still connected."""
        template = self._migrated_template() if migrated else None
        self._made += 1
        name = f"{self.run}_{self._made}"
        self._create(name, template)
        try:
            yield with_database(self.dsn, name)
        finally:
            self._execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    def _migrated_template(self) -> str:
        if self._template is None:
            from recorder.database.migration import migrate  # noqa: PLC0415  (tests without a schema do without it)

            name = f"{self.run}_template"
            self._create(name, None)
            apart(lambda: migrate(with_database(self.dsn, name)))
            self._template = name
        return self._template

    def _create(self, name: str, template: str | None) -> None:
        # template0 beside our own: somebody may be connected to template1 of a shared server.
        source = _quoted(template or "template0")
        self._execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {source}")

    def drop_leftovers(self) -> None:
        """Drop databases that a killed run left here."""

        async def work() -> None:
            connection = await asyncpg.connect(self.dsn)
            try:
                names = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE $1", f"{PREFIX}_%")
                for (name,) in names:
                    begun = name.removeprefix(f"{PREFIX}_").partition("_")[0]
                    if begun.isdecimal() and time.time() - int(begun) > LEFTOVER_AGE_S:
                        await connection.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")
            finally:
                await connection.close()

        apart(work)

    def drop_template(self) -> None:
        """Drop the template, after the last test."""
        if self._template is not None:
            self._execute(f"DROP DATABASE IF EXISTS {_quoted(self._template)} WITH (FORCE)")
            self._template = None

    def _execute(self, statement: str) -> None:
        async def work() -> None:
            connection = await asyncpg.connect(self.dsn)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        apart(work)


@contextmanager
def main_server(own_process: Callable[[int], None]) -> Iterator[TestServer]:
    """The server that the tests run against.

    Args:
        own_process: told each process that lives as long as the test run.
    """
    dsn = os.environ.get(DSN_VARIABLE)
    if dsn:
        server = TestServer(dsn=dsn, description=f"PostgreSQL {_version(dsn)} of {DSN_VARIABLE}")
        server.drop_leftovers()
        try:
            yield server
        finally:
            server.drop_template()
        return
    with _docker() as container:
        if container.dsn:
            yield TestServer(
                dsn=container.dsn, description=f"PostgreSQL {_version(container.dsn)} in Docker ({DOCKER_IMAGE})"
            )
            return
    with embedded_server(None, own_process, because=f"no {DSN_VARIABLE}; {container.refusal}") as server:
        yield server


@contextmanager
def embedded_server(binaries: Path | None, own_process: Callable[[int], None], *, because: str) -> Iterator[TestServer]:
    """An embedded server for the whole test run, without fsync."""
    # Some tests hold several pools of 20 connections.
    settings = {"max_connections": "200", "max_wal_size": "512MB"}
    with (
        server_directory() as folder,
        EmbeddedPostgres(folder / "pg", binaries=binaries, durable=False, settings=settings) as postgres,
    ):
        own_process(postgres.pid)
        kind = "embedded PostgreSQL" if binaries is None else f"PostgreSQL of {binaries},"
        yield TestServer(dsn=postgres.url(), description=f"{kind} {postgres.version} ({because})")


@dataclass(kw_only=True)
class _Container:
    dsn: str | None = None
    refusal: str = ""


@contextmanager
def _docker() -> Iterator[_Container]:
    """A container, or the reason why there is none."""
    # Without Docker its client leaves a socket open, which the collector would blame on some later test.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        container, refusal = _start_container()
        gc.collect()
    if container is None:
        yield _Container(refusal=refusal)
        return
    try:
        yield _Container(dsn=container.get_connection_url())
    finally:
        container.stop()


def _start_container() -> tuple[Any, str]:
    try:
        docker_error = import_module("docker.errors").DockerException
        postgres_container = import_module("testcontainers.community.postgres").PostgresContainer
    except ImportError as error:
        return None, f"no testcontainers: {error}"
    try:
        container = postgres_container(DOCKER_IMAGE, driver=None).with_command(
            "postgres -c fsync=off -c max_connections=200 -c shared_preload_libraries=pg_stat_statements"
        )
        return container.start(), ""
    except docker_error:
        return None, "no Docker"


def _version(dsn: str) -> str:
    async def work() -> str:
        connection = await asyncpg.connect(dsn)
        try:
            return str(await connection.fetchval("SELECT split_part(current_setting('server_version'), ' ', 1)"))
        finally:
            await connection.close()

    return apart(work)


def postgres_15_binaries() -> Path | None:
    """The folder with PostgreSQL 15's programs, as Debian and Red Hat place them or as pg_config says."""
    candidates = [Path("/usr/lib/postgresql/15/bin"), Path("/usr/pgsql-15/bin")]
    if program := shutil.which("pg_config"):
        said = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)
        candidates.append(Path(said.stdout.strip() or "/nonexistent"))
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
            if ") 15." in said.stdout:
                return folder
    return None
