"""Fixtures of every test: databases on a real PostgreSQL, and the watch for what a test leaves behind."""

import logging
from collections.abc import AsyncIterator, Iterator
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import folders, leaks, pgbouncer, postgres

SERVERS_USED = pytest.StashKey[list[str]]()
SESSION_PROCESSES: set[int] = set()
"""Processes that live as long as the test run, and are no leak of a test."""

# how long an example takes says more of what else the machine does than of the test, which has a time limit of its own
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of servers used."""
    config.stash[SERVERS_USED] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell the process that started this one, where it is one of several, which servers were used."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["servers"] = session.config.stash[SERVERS_USED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in which servers one of several processes used."""
    node.config.stash[SERVERS_USED].extend(getattr(node, "workeroutput", {}).get("servers", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which servers the tests ran against."""
    servers = config.stash[SERVERS_USED]
    for description in dict.fromkeys(servers):
        terminalreporter.write_line(f"database: {description}")


@pytest.fixture(scope="session")
def database_server(pytestconfig: pytest.Config) -> Iterator[postgres.TestServer]:
    """The server of the test run: a DSN from the environment, else Docker, else the embedded one."""
    with postgres.main_server(SESSION_PROCESSES.add) as server:
        pytestconfig.stash[SERVERS_USED].append(server.description)
        yield server


@pytest.fixture(scope="session")
def postgres_15_server(pytestconfig: pytest.Config) -> Iterator[postgres.TestServer]:
    """A server of PostgreSQL 15, the oldest that is supported; the test is skipped where there is none."""
    binaries = postgres.postgres_15_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL 15 on this machine (on Debian 12: apt-get install postgresql-15)")
    with postgres.embedded_server(binaries, SESSION_PROCESSES.add, because="the oldest supported") as server:
        pytestconfig.stash[SERVERS_USED].append(server.description)
        yield server


@pytest.fixture
def database_url(database_server: postgres.TestServer) -> Iterator[str]:
    """The DSN of a fresh database with the whole schema."""
    with database_server.database(migrated=True) as url:
        yield url


@pytest.fixture
def empty_database_url(database_server: postgres.TestServer) -> Iterator[str]:
    """The DSN of a fresh database with nothing in it."""
    with database_server.database(migrated=False) as url:
        yield url


@pytest.fixture
def postgres_15_url(postgres_15_server: postgres.TestServer) -> Iterator[str]:
    """The DSN of a fresh database with the whole schema, on PostgreSQL 15."""
    with postgres_15_server.database(migrated=True) as url:
        yield url


@pytest.fixture
def pooler_url(database_url: str) -> Iterator[str]:
    """The DSN of the fresh database behind a PgBouncer in transaction mode; the test is skipped where there is none."""
    if pgbouncer.PROGRAM is None:
        pytest.skip(pgbouncer.MISSING)
    with folders.short_directory() as folder, pgbouncer.transaction_pooler(database_url, folder) as url:
        yield url


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A fresh folder with a path short enough for Unix sockets."""
    with folders.short_directory() as folder:
        yield folder


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a task or a child process; first of all fixtures, so last to look."""
    if iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left_behind")
    before = leaks.child_processes()
    yield
    left = leaks.leaked_children(before, SESSION_PROCESSES)
    assert not left, f"the test leaves child processes: {', '.join(left)}"


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Undo what a command in this process made of logging: a logger that it kept would be heard by no later test."""
    configure, root = structlog.configure, logging.getLogger()
    handlers = root.handlers[:]
    levels = [(logger, logger.level) for logger in (root, *map(logging.getLogger, ("asyncio", "asyncpg")))]

    def configured(**options: Any) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(structlog, "configure", configured)
            yield
    finally:
        structlog.reset_defaults()
        root.handlers = [handler for handler in root.handlers if handler in handlers]
        for logger, level in levels:
            logger.setLevel(level)


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    """Fail a test whose event loop still has tasks of it after its own fixtures are gone."""
    yield
    left = leaks.leaked_tasks()
    assert not left, f"the test leaves tasks: {', '.join(left)}"
