"""What readers ask most, each in one round trip and by an index, whatever plan the server has made of it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import Database, DatabaseSettings, Session
from sql import QUERIES
from tests.sql.conftest import Connect
from tests.sql.test_plans import indexes

STARTED = datetime(2024, 5, 1, 12, tzinfo=UTC)
RUNS = 5_000
FILL_RUNS = """
    INSERT INTO machines (name) SELECT 'ald-' || n FROM generate_series(1, 50) n;
    INSERT INTO process_runs (id, machine_id, kind, started_at, ended_at, status, sealed_at)
    SELECT n, 1 + n % 50, CASE WHEN n % 10 = 0 THEN 'idle' ELSE 'recipe' END,
           -- several begin at one moment
           timestamptz '2024-05-01 00:00:00+00' + n / 4 * interval '1 minute',
           CASE WHEN n < 4990 THEN timestamptz '2024-06-01 00:00:00+00' END,
           CASE WHEN n < 4990 THEN 'completed' ELSE 'running' END, CASE WHEN n < 4900 THEN now() END
      FROM generate_series(1, 5000) n;
    UPDATE process_runs SET summarised_at = now() WHERE id < 4900;
"""
FILL_RUN = """
    INSERT INTO machines (name) VALUES ('ald-1');
    INSERT INTO machine_components (machine_id, name) SELECT id, 'reactor' FROM machines;
    INSERT INTO component_parameters (component_id, name, scan_interval_ms)
    SELECT id, parameter, 100 FROM machine_components, unnest('{temperature,pressure}'::text[]) AS parameter;
    INSERT INTO process_runs (id, machine_id, kind, recipe, started_at, ended_at, status)
    SELECT 7, id, 'recipe', 'Al2O3', '2024-05-01 12:00:00+00', '2024-05-01 12:10:00+00', 'completed' FROM machines;
    SELECT ensure_day_partition('2024-05-01');
    INSERT INTO process_data_points
    SELECT timestamptz '2024-05-01 12:00:00+00' + n * interval '100 ms', 7,
           CASE WHEN n % 100 = 99 THEN NULL ELSE n END, NULL, p.id, CASE WHEN n % 100 = 99 THEN 24 ELSE 192 END
      FROM generate_series(0, 5999) n, component_parameters p;
    INSERT INTO acquisition_minutes
    SELECT 7, 'plc', 100, timestamptz '2024-05-01 12:00:00+00' + n * interval '1 minute', 'completed', '', 600, 1200
      FROM generate_series(0, 9) n;
    -- a minute each, steps 1, 2, 1, 2 ... and the last minute is in no step
    INSERT INTO process_steps (process_id, kind, started_at, ended_at, number)
    SELECT 7, 'step', timestamptz '2024-05-01 12:00:00+00' + n * interval '1 minute',
           timestamptz '2024-05-01 12:00:00+00' + (n + 1) * interval '1 minute', 1 + n % 2
      FROM generate_series(0, 8) n;
    INSERT INTO process_steps (process_id, kind, started_at, number)
    SELECT 7, 'cycle', timestamptz '2024-05-01 12:00:00+00' + n * interval '1 second', n FROM generate_series(0, 299) n;
    ANALYZE;
"""


@asynccontextmanager
async def through_proxy(url: str, folder: Path) -> AsyncIterator[tuple[Proxy, Session]]:
    """A session of a pool that has prepared its statements, and the proxy that counts its round trips."""
    prepared = ("get_process_run", "page_of_runs", "page_of_machine_runs", "load_definitions", "start_process_run")
    async with Proxy(url, folder).listening() as proxy:
        settings = DatabaseSettings(dsn=proxy.url, pool_min=1, pool_max=1, prepared=prepared)
        async with Database(settings) as database, database.session() as session:
            yield proxy, session


async def test_each_is_one_round_trip(url: str, short_directory: Path, connection: asyncpg.Connection) -> None:
    """A run with all that a screen shows of it, pages of the list, all definitions, the start of a run."""
    await connection.execute(FILL_RUN)
    start = (8, "ald-2", "recipe", "TiO2", "", "", "", "", 1, 1_714_564_800_000_000, "hash", 1.0, True, 0)
    asked: tuple[tuple[str, tuple[object, ...]], ...] = (
        ("get_process_run", (7,)),
        ("page_of_runs", (None, False, 20)),
        ("page_of_runs", (7, False, 20)),
        ("page_of_machine_runs", (None, True, 20, "ald-1")),
        ("load_definitions", ("ald-1",)),
        ("start_process_run", start),
    )
    async with through_proxy(url, short_directory) as (proxy, session):
        for query, arguments in asked:
            before = proxy.round_trips
            await session.fetch(query, *arguments)
            assert proxy.round_trips - before == 1, query
    # the machine that was missing came with the run, and a second start of the same run is none
    assert (
        await connection.fetchval(
            "SELECT name FROM machines JOIN process_runs r ON r.machine_id = machines.id WHERE r.id = 8"
        )
        == "ald-2"
    )
    await connection.execute(QUERIES["start_process_run"].text, *start)
    assert await connection.fetchval("SELECT count(*) FROM process_runs WHERE id = 8") == 1


async def test_a_run_comes_whole_and_bounded(connection: asyncpg.Connection) -> None:
    """Slots, counts, the last 200 steps and cycles, the last value of each parameter with its quality."""
    await connection.execute(FILL_RUN)
    run = json.loads(await connection.fetchval(QUERIES["get_process_run"].text, 7))
    assert (run["machine"], run["recipe"], run["status"]) == ("ald-1", "Al2O3", "completed")
    assert (run["rows"], run["step_count"], run["cycle_count"], len(run["steps"])) == (12_000, 9, 300, 200)
    assert run["steps"][-1]["number"] == 1
    assert run["steps"] == sorted(run["steps"], key=lambda step: (step["started_at"], step["kind"]))
    assert [(slot["outcome"], slot["slots"]) for slot in run["slots"]] == [("completed", 6000)]
    last = [(value["value"], value["quality"], value["timestamp"]) for value in run["last_values"]]
    assert last == [(None, 24, "2024-05-01T12:09:59.9+00:00")] * 2
    assert await connection.fetchval(QUERIES["get_process_run"].text, 8) is None


async def test_the_last_values_of_a_sealed_run_are_those_of_its_chunks(connection: asyncpg.Connection) -> None:
    """The last element of the last chunk of each parameter."""
    await connection.execute(FILL_RUN)
    await connection.execute(
        "DELETE FROM process_data_points;"
        "INSERT INTO process_data_times VALUES (7, 1, '2024-05-01 12:00+00', '{0,100}'),"
        " (7, 1, '2024-05-01 12:05+00', '{0,250000}');"
        "INSERT INTO process_data_chunks VALUES (7, 1, 1, '2024-05-01 12:00+00', '{1,2}', NULL, '{192,192}'),"
        " (7, 1, 1, '2024-05-01 12:05+00', '{3,4}', '{5,6}', '{192,84}')"
    )
    run = json.loads(await connection.fetchval(QUERIES["get_process_run"].text, 7))
    assert run["last_values"] == [
        {"parameter_id": 1, "timestamp": "2024-05-01T12:05:00.25+00:00", "value": 4, "set_value": 6, "quality": 84}
    ]


async def pages(connection: asyncpg.Connection, query: str, *, with_idle: bool, more: tuple[object, ...]) -> list[int]:
    """All runs, a page of 20 after the other."""
    found: list[int] = []
    last: int | None = None
    while page := await connection.fetch(QUERIES[query].text, last, with_idle, 20, *more):
        assert len(page) <= 20
        found += [row["id"] for row in page]
        last = found[-1]
    return found


async def test_pages_show_each_run_once_newest_first(connection: asyncpg.Connection) -> None:
    """Also where several begin at one moment, and where a run is added while somebody turns pages."""
    await connection.execute(FILL_RUNS)
    everything = await pages(connection, "page_of_runs", with_idle=True, more=())
    assert everything == sorted(range(1, RUNS + 1), reverse=True)
    assert await pages(connection, "page_of_runs", with_idle=False, more=()) == [n for n in everything if n % 10]
    of_third = await pages(connection, "page_of_machine_runs", with_idle=True, more=("ald-3",))
    assert of_third == [n for n in everything if n % 50 == 2]
    assert await connection.fetch(QUERIES["page_of_runs"].text, 99_999, True, 20) == []


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_page_costs_the_same_wherever_it_is(connection: asyncpg.Connection, mode: str) -> None:
    """By index, without a sort of all, touching about as many runs as it shows: in the middle of 5,000 too."""
    await connection.execute(FILL_RUNS)
    await connection.execute("VACUUM (ANALYZE) process_runs")
    await connection.fetchval("SELECT set_config('plan_cache_mode', $1, false)", mode)
    for name, more, index in (
        ("page_of_runs", "", "idx_process_runs_started"),
        ("page_of_machine_runs", ", 'ald-3'", "idx_process_runs_machine_started_id"),
    ):
        await connection.execute(f"PREPARE page_{name} AS {QUERIES[name].text}")
        plan = json.loads(
            await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE page_{name}(2502, false, 20{more})")
        )
        nodes = flat(plan[0]["Plan"])
        assert index in indexes(nodes)
        [scan] = [node for node in nodes if node.get("Index Name") == index]
        assert scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0) <= 40


def flat(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All nodes of a plan."""
    return [plan, *(node for child in plan.get("Plans", []) for node in flat(child))]


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        ("machine_id = 1 AND status = 'running' ORDER BY started_at DESC", "idx_process_runs_running"),
        ("sealed_at IS NULL AND ended_at IS NOT NULL ORDER BY ended_at LIMIT 10", "idx_process_runs_unsealed"),
        (
            "summarised_at IS NULL AND ended_at IS NOT NULL AND kind <> 'idle' ORDER BY ended_at LIMIT 10",
            "idx_process_runs_unsummarised",
        ),
    ],
)
async def test_what_is_to_be_done_with_a_run_is_found_by_a_partial_index(
    connection: asyncpg.Connection, condition: str, index: str
) -> None:
    """Of 5,000 runs only those that it concerns are in the index at all."""
    await connection.execute(FILL_RUNS)
    await connection.execute("VACUUM (ANALYZE) process_runs")
    plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) SELECT id FROM process_runs WHERE {condition}"))
    assert indexes(flat(plan[0]["Plan"])) == {index}
    assert await connection.fetchval("SELECT reltuples FROM pg_class WHERE relname = $1", index) < 200


async def test_every_index_of_ours_says_what_it_is_for(connection: asyncpg.Connection) -> None:
    """A comment on each, so that whoever finds it unused knows what it was meant for."""
    silent = await connection.fetch(
        "SELECT c.relname FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid"
        " WHERE c.relnamespace = 'ald'::regnamespace AND c.relname LIKE 'idx\\_%' AND c.relkind = 'i'"
        " AND obj_description(c.oid, 'pg_class') IS NULL"
    )
    assert [row[0] for row in silent] == []


async def summaries(connection: asyncpg.Connection) -> dict[tuple[int, int], tuple[Any, ...]]:
    """Points, good points and values, sum, minimum and maximum by step and parameter."""
    rows = await connection.fetch("SELECT * FROM process_run_summaries WHERE process_id = 7")
    return {
        (row["step"], row["parameter_id"]): (
            *(row["points"], row["good_points"], row["value_count"]),
            *(row["value_sum"], row["value_min"], row["value_max"]),
        )
        for row in rows
    }


async def test_a_run_is_summarised_by_step_and_as_a_whole(connection: asyncpg.Connection) -> None:
    """As counted by hand; steps of the same number count together, a moment in no step to the whole run alone."""
    await connection.execute(FILL_RUN)
    assert await connection.fetchval("SELECT summarise_run(7)") == 6
    expected: dict[tuple[int, int], tuple[Any, ...]] = {}
    for parameter in (1, 2):
        for step, minutes in ((-1, range(10)), (1, range(0, 9, 2)), (2, range(1, 9, 2))):
            points = [n for minute in minutes for n in range(minute * 600, minute * 600 + 600)]
            good = [n for n in points if n % 100 != 99]
            expected[step, parameter] = (len(points), len(good), len(good), sum(good), min(good), max(good))
    assert await summaries(connection) == expected
    assert await connection.fetchval("SELECT summarise_run(7)") == 6
    assert await summaries(connection) == expected
    assert await connection.fetchval("SELECT summarised_at IS NOT NULL FROM process_runs")


async def test_a_run_that_goes_on_or_an_idle_time_is_not_summarised(connection: asyncpg.Connection) -> None:
    """There is nothing to sum yet, or nobody asks for it."""
    await connection.execute(FILL_RUN)
    await connection.execute("UPDATE process_runs SET ended_at = NULL")
    assert await connection.fetchval("SELECT summarise_run(7)") == 0
    await connection.execute("UPDATE process_runs SET ended_at = started_at, kind = 'idle'")
    assert await connection.fetchval("SELECT summarise_run(7)") == 0


async def test_a_run_that_is_being_summarised_can_still_be_changed(connect: Connect) -> None:
    """The writer stores a verdict with the run meanwhile; a second summary gives way instead of doubling the work."""
    first, second = await connect(), await connect()
    await first.execute(FILL_RUN)
    await first.execute("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('summarise_run', 7))")
    await second.execute("SET lock_timeout TO '5s'")
    await second.execute("UPDATE process_runs SET audit_verdict = 'balanced'")
    assert await second.fetchval("SELECT summarise_run(7)") == 0
    await first.execute("COMMIT")
    assert await second.fetchval("SELECT summarise_run(7)") == 6


async def test_statistics_of_a_recipe_are_over_its_completed_runs(connect: Connect) -> None:
    """By step; refreshed while a reader holds the view, which is what CONCURRENTLY is for."""
    connection, reader = await connect(), await connect()
    await connection.execute(FILL_RUN)
    await connection.execute(
        "INSERT INTO process_runs (id, machine_id, kind, recipe, started_at, ended_at, status)"
        " SELECT n, machine_id, kind, recipe, started_at + n * interval '1 h', ended_at + n * interval '1 h',"
        " CASE n WHEN 9 THEN 'aborted' ELSE 'completed' END FROM process_runs, generate_series(8, 9) n"
    )
    await connection.execute(
        "INSERT INTO process_run_summaries (process_id, step, parameter_id, points, value_count, value_sum, value_min)"
        " VALUES (7, 1, 1, 10, 10, 100, 9), (8, 1, 1, 10, 10, 200, 19), (9, 1, 1, 10, 10, 9999, 0)"
    )
    await reader.execute("BEGIN; SELECT * FROM recipe_statistics")
    await connection.execute("SET lock_timeout TO '5s'; SELECT refresh_recipe_statistics()")
    await reader.execute("COMMIT")
    [row] = await reader.fetch(QUERIES["recipe_statistics"].text, "ald-1", "Al2O3", True)
    assert (row["step"], row["runs"], row["mean"], row["lowest"]) == (1, 2, 15.0, 9.0)
    assert row["deviation_between_runs"] == pytest.approx(50**0.5)
    assert row["last_run_at"] == STARTED + timedelta(hours=8)
