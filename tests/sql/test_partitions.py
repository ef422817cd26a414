"""Partitions of the points: one a UTC day, made by whoever comes first."""

import asyncio
from datetime import UTC, date, datetime

import asyncpg
import pytest

from tests.sql.conftest import Connect

DAY = date(2024, 3, 10)
"""The day on which New York changes to summer time, so that a local day would have 23 hours."""

BOUNDS = """
    SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class c
      JOIN pg_inherits i ON i.inhrelid = c.oid
     WHERE i.inhparent = 'process_data_points'::regclass
"""


async def ensure(connection: asyncpg.Connection, day: date = DAY) -> bool:
    """Ask for the partition of a day."""
    return bool(await connection.fetchval("SELECT ensure_day_partition($1)", day))


async def insert_point(connection: asyncpg.Connection, timestamp: datetime) -> None:
    """Store one point."""
    await connection.execute("INSERT INTO process_data_points VALUES ($1, 1, 1.5, NULL, 1, 192)", timestamp)


@pytest.mark.parametrize(
    ("time_zone", "date_style"),
    [("UTC", "ISO, MDY"), ("America/New_York", "SQL, DMY"), ("Pacific/Auckland", "German")],
)
async def test_a_partition_is_a_utc_day_whatever_the_session_says(
    connection: asyncpg.Connection, time_zone: str, date_style: str
) -> None:
    """Time zone and date style of the session move no bound."""
    await connection.fetchval("SELECT set_config('timezone', $1, false)", time_zone)
    await connection.fetchval("SELECT set_config('datestyle', $1, false)", date_style)
    assert await ensure(connection)
    await connection.execute("SET timezone TO 'UTC'; SET datestyle TO 'ISO'")
    bounds = await connection.fetchval(BOUNDS)
    assert bounds == "FOR VALUES FROM ('2024-03-10 00:00:00+00') TO ('2024-03-11 00:00:00+00')"


async def test_a_partition_takes_its_day_and_nothing_else(connection: asyncpg.Connection) -> None:
    """There is no default partition: a point outside every day is refused."""
    await ensure(connection)
    await insert_point(connection, datetime(2024, 3, 10, tzinfo=UTC))
    await insert_point(connection, datetime(2024, 3, 10, 23, 59, 59, 999_999, tzinfo=UTC))
    with pytest.raises(asyncpg.CheckViolationError):
        await insert_point(connection, datetime(2024, 3, 11, tzinfo=UTC))


async def test_a_partition_is_made_once(connection: asyncpg.Connection) -> None:
    """The second call says that it made nothing; the next day touches without overlap."""
    assert [await ensure(connection), await ensure(connection)] == [True, False]
    assert await ensure(connection, date(2024, 3, 11))


async def test_many_callers_at_once_make_one_partition(connect: Connect) -> None:
    """Eight sessions ask for the same day at once: one makes it, none fails."""
    connections = [await connect() for _ in range(8)]
    made = await asyncio.gather(*(ensure(connection) for connection in connections))
    assert sorted(made) == [False] * 7 + [True]


@pytest.mark.parametrize("outcome", ["COMMIT", "ROLLBACK"])
async def test_a_caller_waits_for_one_that_has_not_committed(connect: Connect, outcome: str) -> None:
    """Whoever comes second takes what the first one made, or makes it where the first gave up."""
    first, second, third = [await connect() for _ in range(3)]
    await first.execute("BEGIN")
    assert await ensure(first)
    waiting = asyncio.create_task(ensure(second))
    while not await third.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"):
        assert not waiting.done()
    await first.execute(outcome)
    assert await waiting is (outcome == "ROLLBACK")


async def test_a_long_reader_and_a_writer_do_not_hold_up_a_new_day(connect: Connect) -> None:
    """Midnight does not wait for a report: the partition is made while others read and write the table."""
    reader, writer, maker = [await connect() for _ in range(3)]
    await ensure(maker)
    for other in (reader, writer):
        await other.execute("BEGIN")
    await reader.fetch("SELECT * FROM process_data_points")
    await insert_point(writer, datetime(2024, 3, 10, 12, tzinfo=UTC))
    await maker.execute("SET lock_timeout TO '1s'")
    assert await ensure(maker, date(2024, 3, 11))


async def test_a_session_that_looks_elsewhere_makes_it_in_the_right_schema(connection: asyncpg.Connection) -> None:
    """The functions work on their own schema, also for psql with its usual search_path."""
    await connection.execute("SET search_path TO public")
    assert await connection.fetchval("SELECT ald.ensure_day_partition($1)", DAY)
    where = await connection.fetchval(
        "SELECT schemaname FROM pg_tables WHERE tablename = 'process_data_points_20240310'"
    )
    assert where == "ald"


async def test_a_new_partition_has_both_indexes(connection: asyncpg.Connection) -> None:
    """The indexes of the parent come with the partition, valid and attached."""
    await ensure(connection)
    rows = await connection.fetch(
        "SELECT parent.relname, i.indisvalid FROM pg_index i"
        " JOIN pg_inherits h ON h.inhrelid = i.indexrelid JOIN pg_class parent ON parent.oid = h.inhparent"
        " WHERE i.indrelid = 'process_data_points_20240310'::regclass ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        ("idx_process_data_points_process_timestamp", True),
        ("idx_process_data_points_timestamp_brin", True),
    ]
