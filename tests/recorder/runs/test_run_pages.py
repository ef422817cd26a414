"""Pages of the run history and trends, from a real PostgreSQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from recorder.database import Database, DatabaseSettings
from recorder.errors import DatabaseUnreachableError, UsageError
from recorder.runs.pages import RunPages

RUNS = 250


@pytest.fixture
async def pages(database_url: str) -> AsyncIterator[RunPages]:
    """Runs of two machines, a minute apart, and an hour of points of one."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "ald"})
    await connection.execute("INSERT INTO machines (name) VALUES ('A'), ('B')")
    await connection.execute(
        f"""
        INSERT INTO process_runs (id, machine_id, kind, recipe, lot, status, started_at, ended_at)
        SELECT n, 1 + n % 2, CASE WHEN n % 10 = 0 THEN 'idle' ELSE 'recipe' END, 'Al2O3', 'lot' || n, 'completed',
               timestamptz '2026-11-01' + n * interval '1 minute',
               timestamptz '2026-11-01' + (n + 1) * interval '1 minute'
          FROM generate_series(1, {2 * RUNS}) n
        """
    )
    await connection.close()
    async with Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=2)) as database:
        yield RunPages(database, "B")


async def test_pages_are_of_one_machine_newest_first(pages: RunPages) -> None:
    """Idle times are none; one page follows on the other."""
    first = await pages.runs_page({"offset": 0, "limit": 50})
    second = await pages.runs_page({"offset": 50, "limit": 50, "until_us": first["until_us"]})
    assert first["total"] == RUNS
    ids = [row["id"] for row in (*first["rows"], *second["rows"])]
    assert ids == [2 * RUNS - 1 - 2 * at for at in range(100)]
    assert first["rows"][0]["ended_at"] - first["rows"][0]["started_at"] == 60_000_000


async def test_a_search_looks_at_labels_and_ids(pages: RunPages) -> None:
    """Whatever is typed."""
    assert [row["lot"] for row in (await pages.runs_page({"search": "LOT77"}))["rows"]] == ["lot77"]
    for rubbish in ("%", "'; --", "\\", "x" * 200):
        assert (await pages.runs_page({"search": rubbish}))["total"] == 0
    assert (await pages.runs_page({"search": "\0"}))["total"] == RUNS
    with pytest.raises(UsageError, match="search"):
        await pages.runs_page({"command": "runs_page", "search": "x" * 201})


async def test_a_trend_has_the_lowest_and_highest_of_each_part(pages: RunPages, database_url: str) -> None:
    """Of the parameters asked for, and no others."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "ald"})
    await connection.execute(
        "CREATE TABLE today PARTITION OF process_data_points FOR VALUES FROM ('2026-11-01') TO ('2026-11-02')"
    )
    await connection.execute(
        """
        INSERT INTO process_data_points (timestamp, process_id, value, parameter_id, quality)
        SELECT timestamptz '2026-11-01' + n * interval '1 second', 5, CASE WHEN p = 1 THEN n ELSE NULL END, p, 192
          FROM generate_series(0, 99) n, generate_series(1, 3) p
        """
    )
    await connection.close()
    from_us = 1_793_491_200_000_000
    trend = await pages.trend(
        {"run": 5, "ids": [1, 2], "from_us": from_us, "to_us": from_us + 100_000_000, "parts": 10}
    )
    assert trend["series"] == {1: [[part, 10.0 * part - 10, 10.0 * part - 1] for part in range(1, 11)], 2: []}


async def test_a_database_that_is_away_is_one_clear_error() -> None:
    """And not a hanging console."""
    database = Database(DatabaseSettings(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=1))
    with pytest.raises(DatabaseUnreachableError, match="not reachable"):
        await RunPages(database, "A").runs_page({})
