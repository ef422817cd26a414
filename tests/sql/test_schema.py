"""The tables, trigger and view as a reader meets them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from hal.quality import MEANING
from recorder.database import connect_once
from tests.postgres import TestServer

STARTED = datetime(2024, 5, 1, 23, 30, tzinfo=UTC)
OFFSETS_US = [0, 100_001, 7_200_000_003, 200_000_000_007]
"""Into the next day and beyond 32 bits."""

POINTS = [(1.5, 2.0, 192), (None, 2.0, 24), (float("inf"), None, 192), (-0.1, 3.0, 84)]
TABLES = {
    "acquisition_minutes",
    "component_parameter_versions",
    "component_parameters",
    "guarded_points",
    "machine_access",
    "machine_components",
    "machines",
    "process_data",
    "process_data_chunks",
    "process_data_points",
    "process_data_times",
    "process_run_summaries",
    "process_runs",
    "process_steps",
    "quality_codes",
    "recipe_statistics",
    "recipe_statistics_stored",
    "recorder_events",
    "recorder_quarantine",
    "recorder_streams",
    "recorders",
    "set_value_changes",
}


async def add_parameter(connection: asyncpg.Connection) -> int:
    """Store one parameter, and return its id."""
    return int(
        await connection.fetchval(
            "WITH m AS (INSERT INTO machines (name) VALUES ('ald-1') RETURNING id),"
            " c AS (INSERT INTO machine_components (machine_id, name) SELECT id, 'reactor' FROM m RETURNING id)"
            " INSERT INTO component_parameters (component_id, name, unit, set_value)"
            " SELECT id, 'temperature', 'degC', 200 FROM c RETURNING id"
        )
    )


async def test_a_changed_definition_keeps_the_old_one(connection: asyncpg.Connection) -> None:
    """Each change of a definition bumps its version and keeps what it was, and from when to when."""
    parameter = await add_parameter(connection)
    before = await connection.fetchval("SELECT updated_at FROM component_parameters")
    await connection.execute("UPDATE component_parameters SET unit = 'K', scale = 0.1, set_value = 250")
    await connection.execute("UPDATE component_parameters SET is_active = false")
    assert await connection.fetchval("SELECT version FROM component_parameters") == 3
    kept = await connection.fetch(
        "SELECT parameter_id, version, definition ->> 'unit' AS unit, definition ->> 'scale' AS scale,"
        " definition ? 'set_value' AS has_set_value, valid_from, valid_to"
        " FROM component_parameter_versions ORDER BY version"
    )
    assert [tuple(row)[:5] for row in kept] == [(parameter, 1, "degC", "1", False), (parameter, 2, "K", "0.1", False)]
    assert kept[0]["valid_from"] == before
    assert kept[0]["valid_from"] < kept[0]["valid_to"] <= kept[1]["valid_from"] < kept[1]["valid_to"]


async def test_a_new_set_value_is_no_new_definition(connection: asyncpg.Connection) -> None:
    """The live set-value moves without a version; so does an update that changes nothing."""
    await add_parameter(connection)
    await connection.execute("UPDATE component_parameters SET set_value = 250")
    await connection.execute("UPDATE component_parameters SET unit = unit, version = 99")
    assert await connection.fetchval("SELECT version FROM component_parameters") == 1
    assert await connection.fetchval("SELECT count(*) FROM component_parameter_versions") == 0


async def test_a_definition_may_be_changed_by_a_session_that_looks_elsewhere(connection: asyncpg.Connection) -> None:
    """An UPDATE in psql, with its usual search_path, keeps the old definition too."""
    await add_parameter(connection)
    await connection.execute("SET search_path TO public")
    await connection.execute("UPDATE ald.component_parameters SET unit = 'K'")
    assert await connection.fetchval("SELECT count(*) FROM ald.component_parameter_versions") == 1


async def test_hot_and_sealed_points_read_the_same(connection: asyncpg.Connection) -> None:
    """The view gives the same rows of a run before and after it is sealed, to the microsecond, NULLs too."""
    for days in range(4):
        await connection.execute("SELECT ensure_day_partition($1)", STARTED.date() + timedelta(days=days))
    times = [STARTED + timedelta(microseconds=offset) for offset in OFFSETS_US]
    hot = [
        (time, 7, value, set_value, parameter, quality)
        for parameter in (1, 2)
        for time, (value, set_value, quality) in zip(times, POINTS, strict=True)
    ]
    # the second parameter has no set-value of the tool at all
    hot = [(*row[:3], None if row[4] == 2 else row[3], *row[4:]) for row in hot]
    await connection.executemany("INSERT INTO process_data_points VALUES ($1, $2, $3, $4, $5, $6)", hot)
    read = "SELECT * FROM process_data WHERE process_id = 7 ORDER BY parameter_id, timestamp"
    before = [tuple(row) for row in await connection.fetch(read)]
    assert before == hot
    await connection.execute("INSERT INTO process_data_times VALUES (7, 1, $1, $2)", STARTED, OFFSETS_US)
    values, set_values, qualities = (list(column) for column in zip(*POINTS, strict=True))
    for parameter, kept in ((1, set_values), (2, None)):
        await connection.execute(
            "INSERT INTO process_data_chunks VALUES (7, $1, 1, $2, $3, $4, $5)",
            *(parameter, STARTED, values, kept, qualities),
        )
    await connection.execute("DELETE FROM process_data_points WHERE process_id = 7")
    assert [tuple(row) for row in await connection.fetch(read)] == before


async def test_a_run_of_either_kind_is_found_by_its_key(connection: asyncpg.Connection) -> None:
    """A reader's condition on process_id goes below the view, so that no other run is unpacked."""
    plan = await connection.fetchval("EXPLAIN (FORMAT JSON) SELECT * FROM process_data WHERE process_id = 7")
    assert "process_data_chunks_pkey" in plan
    assert '"Filter": "(c.process_id' not in plan


async def test_quality_codes_say_what_the_program_says(connection: asyncpg.Connection) -> None:
    """Code, name and meaning in the database are those of hal.quality."""
    rows = await connection.fetch("SELECT code, name, meaning FROM quality_codes ORDER BY code")
    assert [tuple(row) for row in rows] == [(code, code.name.lower(), MEANING[code]) for code in sorted(MEANING)]


async def test_the_catalogue_is_the_same_on_both_versions(
    database_server: TestServer, postgres_15_server: TestServer
) -> None:
    """Columns, defaults, constraints, indexes, functions and comments do not depend on the server's version."""
    statement = (Path(__file__).parent / "catalogue.sql").read_text(encoding="utf-8")
    catalogues = []
    for server in (database_server, postgres_15_server):
        with server.database(migrated=True) as url:
            connection = await connect_once(url, schema="ald")
            try:
                catalogues.append([row["line"] for row in await connection.fetch(statement, "ald")])
            finally:
                await connection.close()
    newer, older = catalogues
    assert newer == older
    assert not [line for line in newer if "INVALID" in line]
    columns = {line.split(" ")[1].split(".")[0] for line in newer if line.startswith("column ")}
    assert columns == TABLES | {"schema_migrations"}
