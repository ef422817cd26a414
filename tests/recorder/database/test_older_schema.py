"""A recorder of this release on a schema of an older one: it says what to run, and loses nothing until that is done."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from recorder.database import Database, DatabaseSettings
from recorder.database.migration import migrate
from recorder.errors import DatabaseError
from recorder.writer.statements import PREPARED
from recorder.writer.writer import WriterState
from tests.recorder.entries import points, run_started
from tests.recorder.writing import desk
from tests.sql.migration_folder import migrations_until

RELEASE_0_1 = "0006"
BEFORE_LAST = "0010"
"""The oldest schema on which this release can write."""


async def test_a_schema_of_release_0_1_is_said_with_the_command_and_migrated_while_entries_come(
    tmp_path: Path, empty_database_url: str
) -> None:
    """Once in the log, however often it is tried; the writer goes on by itself when the command was run."""
    await migrate(empty_database_url, folder=migrations_until(tmp_path, RELEASE_0_1))
    async with desk(tmp_path, empty_database_url) as d:
        await d.spool.append([run_started(), points(0)])
        with capture_logs() as logs:
            d.start()
            await d.away()
            await d.spool.append([points(1)])
            assert "run: ald-recorder database migrate" in (d.writer.last_error or "")
            migrating = asyncio.create_task(migrate(empty_database_url))
            number = 2
            while not migrating.done():
                await d.spool.append([points(number)])
                number += 1
            await migrating
            await d.until(lambda: d.writer.state is WriterState.WRITING)
            await d.drained()
        assert await d.values() == list(range(number))
        told = [entry["error"] for entry in logs if entry["event"] == "database_away"]
        assert len(told) == len(set(told))


async def test_migrating_under_a_recorder_that_writes_costs_no_row(tmp_path: Path, empty_database_url: str) -> None:
    """It records on the schema before, while it is changed, and on the new one: every entry, once, over one stream."""
    await migrate(empty_database_url, folder=migrations_until(tmp_path, BEFORE_LAST))
    async with desk(tmp_path, empty_database_url) as d:
        d.start()
        await d.spool.append([run_started(), points(0)])
        await d.drained()
        assert d.writer.state is WriterState.WRITING
        migrating = asyncio.create_task(migrate(empty_database_url))
        number = 1
        while not migrating.done():
            await d.spool.append([points(number)])
            number += 1
        assert await migrating != []
        await d.spool.append([points(number)])
        await d.drained()
        assert await d.values() == list(range(number + 1))


async def test_a_statement_that_the_schema_does_not_know_holds_up_no_other(
    tmp_path: Path, empty_database_url: str
) -> None:
    """What reads runs cannot be prepared before 0011; whoever asks it is told what to run, and recording goes on."""
    await migrate(empty_database_url, folder=migrations_until(tmp_path, BEFORE_LAST))
    settings = DatabaseSettings(dsn=empty_database_url, pool_min=1, pool_max=1, prepared=PREPARED)
    async with Database(settings) as database:
        assert await database.read("set_values_of_machine", "tool") == []
        with pytest.raises(DatabaseError, match=r"get_process_run: .* run: ald-recorder database migrate"):
            await database.read("get_process_run", 1)
