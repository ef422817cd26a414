"""The harness itself: what it gives each test, and what it finds that a test left behind."""

import asyncio
import logging
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
import structlog
from structlog.testing import capture_logs

from recorder.logs import configure
from tests import leaks
from tests.folders import short_directory as make_short_directory
from tests.postgres import DSN_VARIABLE, PREFIX, TestServer, with_database

LOG = structlog.get_logger()


@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_is_logged_is_captured_whatever_a_test_before_made_of_logging(turn: str) -> None:
    """A command that runs in this process sets logging up for good; here for as long as its test."""
    before = logging.getLogger().level
    with capture_logs() as logs:
        LOG.warning("heard", turn=turn)
    assert [line["event"] for line in logs] == ["heard"]
    configure(level="critical", form="json")
    LOG.warning("kept")
    assert before != logging.CRITICAL


async def test_each_test_has_a_database_of_its_own(database_url: str, empty_database_url: str) -> None:
    """One with the schema, one with nothing; both go away afterwards."""
    for url, expected in ((database_url, True), (empty_database_url, False)):
        connection = await asyncpg.connect(url)
        try:
            assert await connection.fetchval("SELECT to_regnamespace('ald') IS NOT NULL") is expected
        finally:
            await connection.close()


def test_postgres_15_is_tested_as_well(postgres_15_url: str) -> None:
    """The schema is migrated there too."""
    assert PREFIX in postgres_15_url


def test_a_task_that_goes_on_is_found() -> None:
    """By its name, so that its owner can be found."""

    async def leak() -> list[str]:
        task = asyncio.create_task(asyncio.Event().wait(), name="the leak")
        found = leaks.leaked_tasks()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return found + leaks.leaked_tasks()

    (found,) = asyncio.run(leak())
    assert "the leak" in found


def test_a_child_that_goes_on_is_found() -> None:
    """By its command line; one that lives as long as the test run may stay."""
    before = leaks.child_processes()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        (found,) = leaks.leaked_children(before, set())
        assert f"{child.pid} (" in found
        assert leaks.leaked_children(before, {child.pid}) == []
    assert leaks.leaked_children(before, set()) == []


def test_the_database_of_a_dsn_is_replaced() -> None:
    """In DSNs with a host, and in those for a socket, which have none."""
    assert with_database("postgresql://me:pw@host:5/old?sslmode=require", "new") == (
        "postgresql://me:pw@host:5/new?sslmode=require"
    )
    assert with_database("postgresql://postgres@/old?host=%2Frun", "n w") == "postgresql://postgres@/n%20w?host=%2Frun"
    assert with_database("postgresql:///old?host=%2Frun", "new") == "postgresql://@/new?host=%2Frun"


async def test_what_a_killed_run_left_is_dropped(empty_database_url: str) -> None:
    """Databases by their age, since another run may be using its own; folders by the process that made them."""
    connection = await asyncpg.connect(empty_database_url)
    try:
        old, new = f"{PREFIX}_1000000000_{os.getpid()}_1", f"{PREFIX}_9000000000_{os.getpid()}_1"
        for name in (old, new):
            await connection.execute(f'CREATE DATABASE "{name}"')
        TestServer(dsn=empty_database_url, description=DSN_VARIABLE).drop_leftovers()
        left = await connection.fetch("SELECT datname FROM pg_database WHERE datname = ANY ($1)", [old, new])
        assert [row["datname"] for row in left] == [new]
        await connection.execute(f'DROP DATABASE "{new}"')
    finally:
        await connection.close()


def test_the_folder_of_a_killed_run_is_dropped(tmp_path: Path) -> None:
    """A process number above Linux's limit, 2^22, belongs to nobody."""
    left = tmp_path / "ald-4194305-x"
    left.mkdir()
    with make_short_directory(tmp_path) as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert not folder.exists()
