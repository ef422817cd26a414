"""The schema as a script: what those get who apply it by hand is what the migration makes."""

import asyncio
import subprocess
from pathlib import Path

import asyncpg
import pytest

from recorder.care.migration_script import migration_script
from recorder.database import connect_once
from recorder.database.migration import migrate, released_migrations, status
from tests.postgres import TestServer
from tests.recorder.cli.command import Commands
from tests.sql.migration_folder import migrations_until

CATALOGUE = Path(__file__).parents[2] / "sql" / "catalogue.sql"
FILL = """
    SELECT ensure_day_partition(date '2024-05-01' + n) FROM generate_series(0, 2) n;
    INSERT INTO process_data_points
    SELECT timestamptz '2024-05-01 00:00:00+00' + n * interval '1 hour', n, n, NULL, 1, 192
      FROM generate_series(0, 71) n
"""


async def catalogue(url: str) -> list[str]:
    """All that makes the schema, and its bookkeeping, one line an object."""
    connection = await connect_once(url, schema="ald")
    try:
        made = await connection.fetch(CATALOGUE.read_text(encoding="utf-8"), "ald")
        kept = await connection.fetch("SELECT name || ' ' || content_hash FROM schema_migrations ORDER BY name")
        return [row[0] for row in (*made, *kept)]
    finally:
        await connection.close()


async def run_psql(url: str, script: str) -> None:
    """Run a script by psql, as an administrator would."""
    process = await asyncio.create_subprocess_exec(
        *("psql", url, "--no-psqlrc", "--quiet"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, said = await process.communicate(script.encode())
    assert (process.returncode, said.decode()) == (0, "")


async def run_plain(url: str, script: str) -> None:
    """Run a script as one message, as an editor in a browser would."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


@pytest.mark.parametrize("concurrently", [True, False])
async def test_the_script_makes_what_the_migration_makes(database_server: TestServer, *, concurrently: bool) -> None:
    """On an empty database, object by object and with the same bookkeeping; then nothing is left to migrate."""
    script = migration_script(released_migrations(), schema="ald", concurrently=concurrently)
    with database_server.database(migrated=False) as by_hand, database_server.database(migrated=True) as migrated:
        await (run_psql if concurrently else run_plain)(by_hand, script)
        assert await catalogue(by_hand) == await catalogue(migrated)
        assert await migrate(by_hand) == []


@pytest.mark.parametrize("concurrently", [True, False])
async def test_the_script_takes_a_filled_database_on(
    database_server: TestServer, tmp_path: Path, *, concurrently: bool
) -> None:
    """From the middle of the migrations, with points in three days: their indexes too are as the migration's."""
    found = []
    part = migrations_until(tmp_path, "0003")
    for by_hand in (True, False):
        with database_server.database(migrated=False) as url:
            await migrate(url, folder=part)
            connection = await connect_once(url, schema="ald")
            await connection.execute(FILL)
            await connection.close()
            if by_hand:
                pending = (await status(url)).pending
                assert pending == released_migrations()[3:]
                script = migration_script(pending, schema="ald", concurrently=concurrently)
                await (run_psql if concurrently else run_plain)(url, script)
            else:
                await migrate(url)
            found.append(await catalogue(url))
    assert found[0] == found[1]


def test_the_command_prints_what_is_pending(commands: Commands, database_url: str) -> None:
    """Everything without a database to look into; nothing but the frame where the schema is up to date."""
    everything = commands.run("database", "migrate", "--sql").stdout
    assert all(f"\n-- {name}\n" in everything for name in released_migrations())
    assert "INDEX CONCURRENTLY" in everything
    plain = commands.run("database", "migrate", "--sql", "--no-concurrently").stdout
    assert "CREATE INDEX CONCURRENTLY IF NOT" not in plain
    assert "\\" not in plain.replace("\\d", "")
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    assert "-- 0001_schema\n" not in commands.run("database", "migrate", "--sql").stdout
