"""Partitions ahead, whole days dropped by retention, and a word before the disk is full."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from recorder.care.maintenance import (
    disk_use_percent,
    drop_old_partitions,
    maintain,
    make_partitions_ahead,
    warn_of_full_disk,
)
from recorder.database import Database, DatabaseSettings, connect_once
from recorder.errors import DatabaseError
from tests.postgres import TestServer
from tests.sql.roles import roles_of

TODAY = date(2024, 3, 10)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool that waits for a lock 0.2 s at most."""
    settings = DatabaseSettings(dsn=database_url, pool_min=1, pool_max=2, lock_timeout_s=0.2)
    async with Database(settings) as database:
        yield database


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks at the schema."""
    connection = await connect_once(database_url, schema="ald")
    yield connection
    await connection.close()


async def days(connection: asyncpg.Connection) -> list[int]:
    """Days before `TODAY` of which there are points, as partitions."""
    rows = await connection.fetch(
        "SELECT right(inhrelid::regclass::text, 8) FROM pg_inherits"
        " WHERE inhparent = 'process_data_points'::regclass ORDER BY 1"
    )
    return [(TODAY - datetime.strptime(name, "%Y%m%d").replace(tzinfo=UTC).date()).days for (name,) in rows]


async def fill(connection: asyncpg.Connection, *ages: int) -> None:
    """One point on each of these days before `TODAY`."""
    for age in ages:
        day = TODAY - timedelta(days=age)
        await connection.execute("SELECT ensure_day_partition($1)", day)
        await connection.execute(
            "INSERT INTO process_data_points VALUES ($1, 1, $2, NULL, 1, 192)",
            datetime(day.year, day.month, day.day, 23, 59, 59, tzinfo=UTC),
            float(age),
        )


async def test_today_and_tomorrow_are_there_before_their_first_row(
    database: Database, connection: asyncpg.Connection
) -> None:
    """Made once."""
    for _ in range(2):
        await make_partitions_ahead(database, TODAY)
    assert await days(connection) == [0, -1]


async def test_retention_drops_whole_days_that_are_older(database: Database, connection: asyncpg.Connection) -> None:
    """Of 7 days to keep: today, and the seven days before it; nothing of any other table."""
    await fill(connection, 30, 8, 7, 6, 0)
    await connection.execute("CREATE TABLE process_data_points_old (x int)")
    await connection.execute("CREATE TABLE process_data_points_20200101 (x int)")
    assert await drop_old_partitions(database, TODAY, keep_days=7) == [
        "process_data_points_20240209",
        "process_data_points_20240302",
    ]
    assert await days(connection) == [7, 6, 0]
    rows = await connection.fetch("SELECT value FROM process_data_points ORDER BY 1 DESC")
    assert [row["value"] for row in rows] == [7, 6, 0]
    assert await connection.fetchval("SELECT to_regclass('process_data_points_20200101')") is not None
    assert await drop_old_partitions(database, TODAY, keep_days=7) == []


async def test_a_clock_that_is_ahead_drops_nothing(database: Database, connection: asyncpg.Connection) -> None:
    """The controller believes that it is ten years later; the database knows better."""
    today = datetime.now(UTC).date()
    await make_partitions_ahead(database, today)
    before = await days(connection)
    assert await drop_old_partitions(database, today + timedelta(days=3650), keep_days=7) == []
    assert await days(connection) == before


async def test_without_retention_all_is_kept(database: Database, connection: asyncpg.Connection) -> None:
    """0 days means for ever."""
    await fill(connection, 5000, 0)
    assert await drop_old_partitions(database, TODAY, keep_days=0) == []
    assert await days(connection) == [5000, 0]


async def test_a_reader_of_an_old_day_is_not_waited_for_long(
    database: Database, connection: asyncpg.Connection
) -> None:
    """What was dropped before it stays dropped; the rest is for the next time."""
    await fill(connection, 30, 20, 0)
    async with connection.transaction():
        await connection.fetch("SELECT * FROM process_data_points_20240219")
        with pytest.raises(DatabaseError, match=r"drop_day_partition: .*lock timeout"):
            await drop_old_partitions(database, TODAY, keep_days=7)
    assert await days(connection) == [20, 0]
    assert await drop_old_partitions(database, TODAY, keep_days=7) == ["process_data_points_20240219"]


def test_a_disk_that_fills_up_is_told(tmp_path: Path) -> None:
    """Once it is as full as the configuration says; one that cannot be asked stops nothing."""
    used = disk_use_percent(tmp_path)
    assert 0 < used <= 100
    with capture_logs() as logs:
        warn_of_full_disk(tmp_path, warning_percent=100.1)
        assert logs == []
        warn_of_full_disk(tmp_path, warning_percent=0.0)
        warn_of_full_disk(tmp_path / "nothing", warning_percent=0.0)
    assert [entry["event"] for entry in logs] == ["disk_almost_full", "disk_unknown"]
    assert logs[0]["used_percent"] == pytest.approx(used, abs=1)


async def test_maintenance_survives_a_database_that_is_away(tmp_path: Path, database_url: str) -> None:
    """It says so and comes again."""
    away = Database(DatabaseSettings(dsn="postgresql:///x?host=/nowhere", pool_min=1))
    with capture_logs() as logs:
        task = asyncio.create_task(maintain(away, tmp_path, keep_days=1, warning_percent=100.1))
        async with asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110  (a log line has no event)
                await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        await asyncio.wait([task])
    assert logs[0]["event"] == "maintenance_postponed"


async def test_a_right_that_is_missing_is_said_once_and_not_each_hour(
    tmp_path: Path, database_server: TestServer
) -> None:
    """The daemon as recorder_writer may not drop days; the rest is done, and who may drop them is named."""
    now_s, hours = 0.0, 5

    class DayIsOverError(Exception):
        """Ends the maintenance."""

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        if now_s > hours * 3600:
            raise DayIsOverError

    with roles_of(database_server) as roles:
        owner = await connect_once(roles.url, schema="ald")
        await fill(owner, 30)
        settings = DatabaseSettings(dsn=roles.url_of(roles.login("writer")), pool_min=1, pool_max=2)
        async with Database(settings) as database:
            with capture_logs() as logs, pytest.raises(DayIsOverError):
                await maintain(
                    database, tmp_path, keep_days=1, warning_percent=100.1, monotonic_s=lambda: now_s, sleep=sleep
                )
        assert len(await days(owner)) == 3
        await owner.close()
    [told] = logs
    assert (told["event"], told["task"]) == ("maintenance_not_allowed", "retention")
    assert "permission denied for function drop_day_partition" in told["error"]
    assert "ald-recorder database maintain --daily" in told["instead"]


async def test_maintenance_does_all_of_it(tmp_path: Path, database: Database, connection: asyncpg.Connection) -> None:
    """At once as it begins: partitions of today and tomorrow, and what is too old dropped."""
    await fill(connection, 30)
    task = asyncio.create_task(maintain(database, tmp_path, keep_days=1, warning_percent=100.1))
    async with asyncio.timeout(5):
        while 30 in (found := await days(connection)) or len(found) < 2:
            assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert [later - found[1] for later in found] == [1, 0]


async def test_a_run_is_summarised_soon_after_its_end(
    tmp_path: Path, database: Database, connection: asyncpg.Connection
) -> None:
    """With the statistics of its recipe, by the daemon's own schedule; nobody has to ask."""
    await fill(connection, 0)
    await connection.execute(
        "INSERT INTO machines (name) VALUES ('ald-1');"
        "INSERT INTO process_runs (id, machine_id, kind, recipe, status, started_at, ended_at)"
        " SELECT 1, id, 'recipe', 'Al2O3', 'completed', '2024-03-10', '2024-03-11' FROM machines"
    )
    task = asyncio.create_task(maintain(database, tmp_path, keep_days=0, warning_percent=100.1))
    async with asyncio.timeout(10):
        while not await connection.fetchval("SELECT count(*) FROM recipe_statistics"):
            assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert await connection.fetchval("SELECT points FROM process_run_summaries WHERE process_id = 1") == 1


async def test_what_the_database_refuses_holds_up_nothing_else(
    tmp_path: Path, database: Database, connection: asyncpg.Connection
) -> None:
    """A reader holds up the retention: that is said, and the run is summarised all the same."""
    await fill(connection, 30, 0)
    await connection.execute(
        "INSERT INTO machines (name) VALUES ('ald-1');"
        "INSERT INTO process_runs (id, machine_id, kind, recipe, status, started_at, ended_at)"
        " SELECT 1, id, 'recipe', 'Al2O3', 'completed', '2024-03-10', '2024-03-11' FROM machines"
    )
    reader = connection.transaction()
    await reader.start()
    await connection.fetch("SELECT * FROM process_data_points")
    with capture_logs() as logs:
        task = asyncio.create_task(maintain(database, tmp_path, keep_days=1, warning_percent=100.1))
        async with asyncio.timeout(10):
            while not any(entry["event"] == "run_summarised" for entry in logs):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await reader.rollback()
        task.cancel()
        await asyncio.wait([task])
    assert [entry["task"] for entry in logs if entry["event"] == "maintenance_postponed"] == ["retention"]
