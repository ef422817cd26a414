"""docs/rollback.md carried out as far as the database goes: the release before runs on the schema of this one.

``release_0_1`` holds the statements of the release before, as they were; a statement that is taken from there must work
on every later schema until that release is no longer one that anybody goes back to.
"""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from recorder.database.migration import MigrationError, migrate, released_migrations
from sql.named_query import load_queries
from tests.sql.migration_folder import RELEASED, migrations_until
from tests.sql.sessions import session

BEFORE = load_queries(Path(__file__).parent / "release_0_1")
LAST_BEFORE = "0006"
STREAM = UUID("5e3f1f8e-0000-4000-8000-000000000001")
STARTED_US = 1_710_028_800_000_000
RUN = 7
COLUMNS = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'ald'"


async def ask(connection: asyncpg.Connection, name: str, *arguments: object) -> list[dict[str, Any]]:
    """Run a statement of the release before."""
    return [dict(row) for row in await connection.fetch(BEFORE[name].text, *arguments)]


async def define(connection: asyncpg.Connection) -> None:
    """Import a definition, as that release did."""
    [machine] = await ask(connection, "upsert_machine", "ald-1")
    await ask(connection, "upsert_components", machine["id"], ["reactor"])
    parameter = ("temperature", "K", "plc", "holding_register", 1, "float32", "CDAB", None, 0, 1.0, 0.0)
    limits: tuple[object, ...] = (None, 200.0, 0.0, 300.0, None, None, [], 1.0, 100, True, "", "")
    await ask(connection, "upsert_parameter", machine["id"], "reactor", *parameter, *limits)
    assert [row["name"] for row in await ask(connection, "load_definitions", "ald-1")] == ["temperature"]


async def record(connection: asyncpg.Connection, process: int, first: int) -> None:
    """Record a run of one point from its claim to its end, as that release did."""
    [claimed] = await ask(connection, "claim_recorder", 1, "ald-1", "controller")
    assert claimed["is_claimed"]
    [stream] = await ask(connection, "claim_stream", STREAM, 1)
    assert stream["last_sequence"] == first
    await ask(connection, "ensure_day_partition", date(2024, 3, 10))
    counted = {"process_id": process, "device": "plc", "interval_ms": 100, "minute": STARTED_US // 1_000_000}
    accounting = json.dumps([counted | {"outcome": "completed", "cause": "", "slots": 1, "rows": 1}])
    async with connection.transaction():
        await ask(connection, "advance_stream", STREAM, stream["epoch"], first, first + 1, accounting)
        start = (process, "ald-1", "recipe", "Al2O3", "", "", "", "", 1, STARTED_US, "hash", 1.0, True)
        await ask(connection, "start_process_run", *start)
        await ask(connection, "start_process_step", process, "step", STARTED_US, 1)
        row = (datetime.fromtimestamp(STARTED_US / 1e6, UTC), process, 1.5, None, 1, 192)
        await connection.copy_records_to_table("process_data_points", records=[row])
        await ask(connection, "end_process_step", process, "step", STARTED_US, STARTED_US + 10)
        await ask(connection, "end_process_run", process, "completed", STARTED_US + 10)
        await ask(connection, "insert_recorder_event", 1, STARTED_US, "test", process, "", "{}")
    [shown] = await ask(connection, "show_run", process)
    assert (shown["status"], shown["points"]) == ("completed", 1)
    assert len(await ask(connection, "run_slots", process)) == 1
    assert len(await ask(connection, "run_trace", process, 1)) == 1
    assert len(await ask(connection, "run_qualities", process)) == 1


async def test_the_release_before_records_on_this_schema_and_this_one_goes_on(empty_url: str, tmp_path: Path) -> None:
    """The whole of docs/rollback.md: record, migrate, go back, record, come forward; nothing is lost."""
    await migrate(empty_url, folder=migrations_until(tmp_path, LAST_BEFORE))
    async with session(empty_url) as connection:
        await define(connection)
        await record(connection, RUN, 0)
        applied = await migrate(empty_url)
        assert applied == list(released_migrations()[int(LAST_BEFORE) :])
        # back: another connection, as a daemon of that release would open it
    async with session(empty_url) as connection:
        await record(connection, RUN + 1, 1)
        await ask(connection, "drop_day_partition", date(2020, 1, 1))
        assert [row["id"] for row in await ask(connection, "list_runs", False, 20)] == [RUN + 1, RUN]
        # and forward again: what was recorded meanwhile is there and is summarised like any other
        assert await migrate(empty_url) == []
        assert await connection.fetchval("SELECT count(*) FROM process_data") == 2
        assert [await connection.fetchval("SELECT summarise_run($1)", run) for run in (RUN, RUN + 1)] == [2, 2]


async def test_the_release_before_says_that_a_newer_one_migrated(empty_url: str, tmp_path: Path) -> None:
    """Its `database migrate` is the one command that refuses; it changes nothing."""
    await migrate(empty_url)
    with pytest.raises(MigrationError, match=r"migrated by a newer release .* install that release"):
        await migrate(empty_url, folder=migrations_until(tmp_path, LAST_BEFORE))


async def test_no_migration_takes_away_what_the_release_before_uses(empty_url: str, tmp_path: Path) -> None:
    """Every column is still there, of its type, and what is new needs no value from who does not know it."""
    await migrate(empty_url, folder=migrations_until(tmp_path, LAST_BEFORE))
    async with session(empty_url) as connection:
        before = {tuple(row) for row in await connection.fetch(COLUMNS)}
        await migrate(empty_url)
        assert before - {tuple(row) for row in await connection.fetch(COLUMNS)} == set()
        demanding = await connection.fetch(
            COLUMNS + " AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
            " AND table_name = ANY ($1::text[])",
            list({name for name, *_ in before}),
        )
        assert {tuple(row) for row in demanding} <= before
    assert not any(
        "DROP COLUMN" in path.read_text().split("-- migrate: rollback")[0] for path in RELEASED.glob("0*.sql")
    )
