"""Indexes are made on filled tables while the recorder records, and an interrupted build is taken up again."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import asyncpg
import pytest

from recorder.database.migration import migrate
from recorder.errors import DatabaseUnreachableError
from tests.sql.migration_folder import migrations_until
from tests.sql.sessions import session

FIRST_DAY = date(2024, 5, 1)
DAYS = 3
ROWS = 120_000

FILL = """
    SELECT ensure_day_partition(date '2024-05-01' + n) FROM generate_series(0, 2) n;
    INSERT INTO process_data_points
    SELECT timestamptz '2024-05-01 00:00:00+00' + n * interval '2.16 seconds', n / 1000, n, NULL, n % 10, 192
      FROM generate_series(0, 119999) n;
"""
INDEX_STATE = """
    SELECT i.indrelid::regclass::text AS table_name, i.indisvalid, h.inhparent::regclass::text AS parent
      FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
     WHERE i.indrelid::regclass::text LIKE 'process_data_points%' ORDER BY 1, 3
"""
PARENTS = ("idx_process_data_points_process_timestamp", "idx_process_data_points_timestamp_brin")


async def points_are_indexed(connection: asyncpg.Connection, partitions: int) -> bool:
    """Whether every partition and the parent have both indexes, valid and attached."""
    state = [tuple(row) for row in await connection.fetch(INDEX_STATE)]
    whole = [("process_data_points", True, None)] * 2
    days = (f"process_data_points_{FIRST_DAY + timedelta(days=n):%Y%m%d}" for n in range(partitions))
    return state == whole + [(day, True, parent) for day in days for parent in PARENTS]


async def interrupt(url: str, build: Coroutine[Any, Any, object], *, on_table: str, is_building: str) -> None:
    """Run a migration against a writer that holds `on_table`, and cut its connection once it builds there."""
    async with session(url) as writer, session(url) as watcher:
        await writer.execute("BEGIN")
        await writer.execute(f"LOCK TABLE {on_table} IN ROW EXCLUSIVE MODE")
        migration = asyncio.create_task(build)
        while not await watcher.fetchval(is_building):
            assert not migration.done()
        await watcher.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()"
        )
        with pytest.raises(DatabaseUnreachableError):
            await migration
        await writer.execute("ROLLBACK")


async def test_an_interrupted_build_is_taken_up_again(empty_url: str, tmp_path: Path) -> None:
    """A cut connection leaves an INVALID index; the next run drops it and builds it whole."""
    await migrate(empty_url, folder=migrations_until(tmp_path, "0002"))
    await interrupt(
        empty_url,
        migrate(empty_url),
        on_table="component_parameters",
        is_building="SELECT count(*) FROM pg_stat_progress_create_index"
        " WHERE datname = current_database() AND phase LIKE 'waiting for writers%'",
    )
    invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid AND indrelid = $1::regclass"
    async with session(empty_url) as connection:
        left = [row[0] for row in await connection.fetch(invalid, "component_parameters")]
        assert left == ["idx_component_parameters_component_id"]
        assert (await migrate(empty_url))[0] == "0003_indexes"
        assert await connection.fetch(invalid, "component_parameters") == []
        found = await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = $1::regclass", left[0])
        assert found is True


async def test_an_interrupted_build_on_partitions_is_taken_up_again(empty_url: str, tmp_path: Path) -> None:
    """Cut in the second of three partitions, the next run keeps the first, repairs the second, makes the third."""
    await migrate(empty_url, folder=migrations_until(tmp_path, "0003"))
    async with session(empty_url) as connection:
        await connection.execute(FILL)
        await interrupt(
            empty_url,
            migrate(empty_url),
            on_table="process_data_points_20240502",
            is_building="SELECT count(*) FROM pg_stat_progress_create_index"
            " WHERE datname = current_database() AND relid = 'process_data_points_20240502'::regclass"
            " AND phase LIKE 'waiting for writers%'",
        )
        first = "SELECT 'process_data_points_20240501_process_id_timestamp_idx'::regclass::oid"
        kept = await connection.fetchval(first)
        assert not await points_are_indexed(connection, DAYS)
        await migrate(empty_url)
        assert await points_are_indexed(connection, DAYS)
        assert await connection.fetchval(first) == kept


class Recording:
    """Sessions that store points, and make days, for as long as the block runs."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.started = asyncio.Event()
        self.stored = 0
        self.slowest_s = 0.0

    async def __aenter__(self) -> Self:
        writers: list[Callable[[], Coroutine[Any, Any, None]]] = [self._write, self._write, self._make_days]
        self._tasks = [asyncio.create_task(writer()) for writer in writers]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _write(self) -> None:
        clock = asyncio.get_running_loop()
        async with session(self._url) as connection:
            while not self._stop.is_set():
                start = datetime(2024, 5, 1 + self.stored % DAYS, 12, tzinfo=UTC)
                rows = [(start + timedelta(milliseconds=n), 500, 1.0, None, n, 192) for n in range(100)]
                begun = clock.time()
                async with connection.transaction():
                    await connection.copy_records_to_table("process_data_points", records=rows)
                self.slowest_s = max(self.slowest_s, clock.time() - begun)
                self.stored += len(rows)
                self.started.set()

    async def _make_days(self) -> None:
        async with session(self._url) as connection:
            await self.started.wait()
            await connection.execute("SELECT ensure_day_partition($1)", FIRST_DAY + timedelta(days=DAYS))


async def test_filled_partitions_get_their_indexes_while_rows_arrive(empty_url: str, tmp_path: Path) -> None:
    """No writer fails or waits long, no row is missing, and the plan of a reader uses the index."""
    await migrate(empty_url, folder=migrations_until(tmp_path, "0003"))
    async with session(empty_url) as connection:
        await connection.execute(FILL)
        async with Recording(empty_url) as recording:
            await recording.started.wait()
            before = recording.stored
            assert (await migrate(empty_url))[0] == "0004_point_indexes"
            assert recording.stored > before
        assert recording.slowest_s < 5
        assert await connection.fetchval("SELECT count(*) FROM process_data_points") == ROWS + recording.stored
        assert await points_are_indexed(connection, DAYS + 1)
        await connection.execute("VACUUM (ANALYZE) process_data_points")
        plan = await connection.fetchval(
            "EXPLAIN (FORMAT JSON) SELECT value FROM process_data_points WHERE process_id = 50"
            " AND timestamp >= '2024-05-02 00:00:00+00' AND timestamp < '2024-05-03 00:00:00+00'"
        )
    assert "process_data_points_20240502_process_id_timestamp_idx" in json.dumps(json.loads(plan))
    assert "Seq Scan" not in plan


async def test_a_long_writer_delays_the_indexes_and_nobody_else(empty_url: str, tmp_path: Path) -> None:
    """While the migration waits for a writer that does not commit, other writers go on."""
    await migrate(empty_url, folder=migrations_until(tmp_path, "0003"))
    async with session(empty_url) as slow, session(empty_url) as other:
        await other.execute(FILL)
        insert = "INSERT INTO process_data_points VALUES ('2024-05-01 12:00:00+00', 500, 1, NULL, 1, 192)"
        await slow.execute("BEGIN")
        await slow.execute(insert)
        migration = asyncio.create_task(migrate(empty_url))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'process_data_points'::regclass"
        while not await other.fetchval(waiting):
            assert not migration.done()
        await other.execute("SET lock_timeout TO '5s'")
        await other.execute(insert)
        assert not migration.done()
        await slow.execute("COMMIT")
        await migration
        assert await points_are_indexed(other, DAYS)
