"""Plans of what the api asks, on tables that are large enough for PostgreSQL to want an index."""

import asyncpg
import pytest

from sql import load_query
from tests.sql.test_plans import FILL_POINTS, indexes, nodes

RUNS = """
    INSERT INTO machines (name) SELECT 'ald-' || n FROM generate_series(1, 3) n;
    INSERT INTO process_runs (id, machine_id, kind, recipe, lot, status, started_at, ended_at)
    SELECT n, 1 + n % 3, 'recipe', 'Al2O3', 'lot' || n, 'completed',
           timestamptz '2024-05-01 00:00:00+00' + n * interval '1 minute',
           timestamptz '2024-05-01 00:00:00+00' + n * interval '1 minute'
      FROM generate_series(1, 20000) n;
"""


@pytest.fixture
async def filled(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Three days of points and thousands of runs, vacuumed and analysed."""
    await connection.execute(RUNS)
    await connection.execute(FILL_POINTS)
    for table in ("process_runs", "process_data_points"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    return connection


async def prepared(connection: asyncpg.Connection, query: str, arguments: str) -> str:
    """A statement of ours as EXPLAIN takes it, planned once for all arguments."""
    await connection.execute("SET plan_cache_mode TO force_generic_plan")
    await connection.execute(f"PREPARE asked AS {load_query(query)}")
    return f"EXECUTE asked({arguments})"


async def test_points_of_a_run_are_streamed_in_the_order_of_the_index(filled: asyncpg.Connection) -> None:
    """The first of millions comes at once: whole runs are not sorted, but the few points of one moment."""
    statement = await prepared(filled, "api_points", "20, '2024-05-02 03:00+00', '2024-05-02 05:30+00', NULL")
    plan = await nodes(filled, statement, analyze=True)
    assert "process_data_points_20240502_process_id_timestamp_idx" in indexes(plan)
    sorted_rows = [node["Actual Rows"] for node in plan if node["Node Type"] == "Sort"]
    assert not any(sorted_rows)


async def test_a_page_of_runs_neither_scans_nor_sorts(filled: asyncpg.Connection) -> None:
    """Wherever it begins."""
    arguments = (
        "'ald-2', '2024-05-05 00:00+00', 9223372036854775807, '{manual,recipe}', NULL, NULL, NULL, "
        "'0001-01-02 00:00+00', '9999-12-30 00:00+00', 21"
    )
    statement = await prepared(filled, "api_runs", arguments)
    plan = await nodes(filled, statement, analyze=True)
    assert "idx_process_runs_machine_started_id" in indexes(plan)
    assert not {"Sort", "Incremental Sort"} & {node["Node Type"] for node in plan}
