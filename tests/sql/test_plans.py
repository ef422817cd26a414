"""Plans on tables that are large enough for PostgreSQL to want an index."""

import json
from datetime import date
from typing import Any

import asyncpg
import pytest

from sql import QUERIES

PARAMETERS = 5_000

FILL_DEFINITIONS = """
    INSERT INTO machines (name) SELECT 'ald-' || n FROM generate_series(1, 50) n;
    INSERT INTO machine_components (machine_id, name, is_activated)
    SELECT m.id, 'component-' || n, n % 10 = 0 FROM machines m, generate_series(1, 100) n;
    INSERT INTO component_parameters (component_id, name, is_active, set_value, min_value, max_value)
    SELECT (SELECT min(id) FROM machine_components) + n % 100, 'parameter-' || n, n / 100 % 5 = 0, n, 0, 10000
      FROM generate_series(0, 4999) n;
"""
FILL_POINTS = """
    SELECT ensure_day_partition(date '2024-05-01' + n) FROM generate_series(0, 2) n;
    INSERT INTO process_data_points
    SELECT timestamptz '2024-05-01 00:00:00+00' + n * interval '5 seconds', n / 1000, n, NULL, n % 10, 192
      FROM generate_series(0, 51839) n;
"""


@pytest.fixture
async def filled(connection: asyncpg.Connection) -> asyncpg.Connection:
    """5,000 parameters and three days of points, vacuumed and analysed."""
    # VACUUM calls no page all-visible before the commit of its rows is flushed, and test servers flush later
    await connection.execute("SET synchronous_commit TO on")
    await connection.execute(FILL_DEFINITIONS)
    await connection.execute(FILL_POINTS)
    for table in ("machine_components", "component_parameters", "process_data_points"):
        await connection.execute(f"VACUUM (ANALYZE) {table}")
    assert await connection.fetchval("SELECT count(*) FROM component_parameters") == PARAMETERS
    return connection


async def nodes(connection: asyncpg.Connection, statement: str, *, analyze: bool = False) -> list[dict[str, Any]]:
    """All nodes of a statement's plan, from the top down."""
    options = "ANALYZE, FORMAT JSON" if analyze else "FORMAT JSON"
    found: list[dict[str, Any]] = []
    waiting = [json.loads(await connection.fetchval(f"EXPLAIN ({options}) {statement}"))[0]["Plan"]]
    while waiting:
        node = waiting.pop(0)
        found.append(node)
        waiting.extend(node.get("Plans", []))
    return found


def indexes(plan: list[dict[str, Any]]) -> set[str]:
    """Names of the indexes that a plan uses."""
    return {node["Index Name"] for node in plan if "Index Name" in node}


async def test_parameters_of_a_component_come_by_index(filled: asyncpg.Connection) -> None:
    """No scan of all definitions for one component."""
    plan = await nodes(filled, "SELECT * FROM component_parameters WHERE component_id = 3")
    assert indexes(plan) == {"idx_component_parameters_component_id"}


async def test_active_parameters_of_a_component_come_by_the_partial_index(filled: asyncpg.Connection) -> None:
    """The load of the definitions touches active parameters alone."""
    plan = await nodes(filled, "SELECT * FROM component_parameters WHERE component_id = 3 AND is_active")
    assert indexes(plan) == {"idx_component_parameters_component_active"}


async def test_activated_components_of_a_machine_come_by_the_partial_index(filled: asyncpg.Connection) -> None:
    """The load of the definitions touches activated components alone."""
    plan = await nodes(filled, "SELECT id FROM machine_components WHERE machine_id = 7 AND is_activated")
    assert indexes(plan) == {"idx_machine_components_machine_activated"}


async def test_set_values_and_limits_come_from_indexes_alone(filled: asyncpg.Connection) -> None:
    """The statement that the cache asks for what has changed reads no page of a table."""
    await filled.execute(f"PREPARE some_set_values AS {QUERIES['set_values_by_id'].text}")
    plan = await nodes(filled, "EXECUTE some_set_values('{17,1234,4021}')", analyze=True)
    read = [node for node in plan if "Relation Name" in node]
    assert {node["Node Type"] for node in read} == {"Index Only Scan"}
    assert indexes(plan) == {"idx_component_parameters_active_set_value", "idx_machine_components_activated"}
    assert sum(node["Heap Fetches"] for node in read) == 0


async def test_points_of_a_run_come_by_index_from_its_days_alone(filled: asyncpg.Connection) -> None:
    """Process and time together touch one partition, by its index."""
    plan = await nodes(
        filled,
        "SELECT value FROM process_data_points WHERE process_id = 20 AND timestamp >= '2024-05-02 03:00:00+00'"
        " AND timestamp < '2024-05-02 05:30:00+00'",
    )
    assert {node["Relation Name"] for node in plan if "Relation Name" in node} == {"process_data_points_20240502"}
    assert indexes(plan) == {"process_data_points_20240502_process_id_timestamp_idx"}


async def test_a_day_that_nobody_asks_for_is_pruned_for_a_view_too(filled: asyncpg.Connection) -> None:
    """The bound on time goes below the view of hot and sealed points."""
    plan = await nodes(
        filled, "SELECT value FROM process_data WHERE process_id = 20 AND timestamp < '2024-05-01 05:00:00+00'"
    )
    hot = {node["Relation Name"] for node in plan if node.get("Relation Name", "").startswith("process_data_points_")}
    assert hot == {f"process_data_points_{date(2024, 5, 1):%Y%m%d}"}


async def test_the_newest_run_of_a_machine_comes_by_index(filled: asyncpg.Connection) -> None:
    """A page of the list of runs neither scans nor sorts."""
    await filled.execute(
        "INSERT INTO process_runs (id, machine_id, kind, started_at)"
        " SELECT n, 1 + n % 50, 'recipe', timestamptz '2024-05-01 00:00:00+00' + n * interval '1 minute'"
        " FROM generate_series(1, 5000) n"
    )
    await filled.execute("VACUUM (ANALYZE) process_runs")
    plan = await nodes(filled, "SELECT id FROM process_runs WHERE machine_id = 3 ORDER BY started_at DESC LIMIT 20")
    assert indexes(plan) == {"idx_process_runs_machine_started_id"}
    assert "Sort" not in {node["Node Type"] for node in plan}
