"""Health of the database: each line says what is wrong and what to do, and each fault is made here on purpose."""

import subprocess
from collections.abc import AsyncIterator

import asyncpg
import pytest

from recorder.care.health import SECTIONS, check_health
from recorder.care.maintain import Maintenance, Period
from recorder.check.verdict import Report, Verdict
from recorder.database import Session, connect_once
from sql import QUERIES


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks at the schema."""
    connection = await connect_once(database_url, schema="ald")
    yield connection
    await connection.close()


async def health(url: str, *, pool_max: int = 20) -> Report:
    """What `ald-recorder database health` finds."""
    report = Report()
    await check_health(url, "ald", report, pool_max=pool_max)
    return report


def found(report: Report, verdict: Verdict) -> list[str]:
    """Messages of one verdict."""
    return [line.message for line in report.lines if line.verdict is verdict]


async def maintain(url: str, period: Period = Period.DAILY) -> list[str]:
    """What a maintenance did; all of it has to succeed."""
    done = await Maintenance(dsn=url, schema="ald").run(period)
    assert [item.error for item in done if item.error] == []
    return [item.what for item in done]


async def test_a_fresh_database_lacks_its_partitions_until_it_is_maintained(database_url: str) -> None:
    """Every section has its lines; one maintenance later all is well."""
    before = await health(database_url)
    assert not before.is_well
    assert found(before, Verdict.FAULT) == [
        "partitions ahead: today has no partition; run: ald-recorder database maintain"
    ]
    await maintain(database_url)
    after = await health(database_url)
    assert after.is_well, after.lines
    assert {line.section for line in after.lines} == {*(section for section, _ in SECTIONS), "Statements"}
    assert found(after, Verdict.WARNING) == []


async def test_a_missing_and_an_invalid_index_are_faults(database_url: str, connection: asyncpg.Connection) -> None:
    """Both are named; an invalid one is as an interrupted build leaves it."""
    await maintain(database_url)
    await connection.execute("DROP INDEX idx_process_runs_started")
    await connection.execute("INSERT INTO machines (name) SELECT 'same' || n FROM generate_series(1, 2) n")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY idx_broken ON machines (left(name, 4))")
    assert [line.partition(":")[0] for line in found(await health(database_url), Verdict.FAULT)] == [
        "idx_broken",
        "idx_process_runs_started",
    ]


async def test_the_expected_indexes_are_those_of_a_fresh_schema(connection: asyncpg.Connection) -> None:
    """Whoever adds an index names it in health.sql too, or its loss would not be noticed."""
    [line] = await connection.fetch(QUERIES["health_indexes"].text)
    made = await connection.fetchval(
        "SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'ald'::regnamespace"
    )
    assert line["said"] == f"all {made} are there and valid"


async def test_a_bloated_index_is_found_and_built_anew(database_url: str, connection: asyncpg.Connection) -> None:
    """Nine of ten rows deleted leave an index ten times too large; the monthly maintenance makes it small again."""
    await maintain(database_url)
    await connection.execute(
        "INSERT INTO process_steps (process_id, kind, started_at, number)"
        " SELECT n, 'step', now(), n FROM generate_series(1, 100000) n; ANALYZE process_steps"
    )
    size = "SELECT pg_relation_size('process_steps_pkey')"
    whole = await connection.fetchval(size)
    await connection.execute("DELETE FROM process_steps WHERE process_id % 10 > 0")
    # else this session's count of dead rows would arrive after those of the VACUUM
    await connection.execute("SELECT pg_stat_force_next_flush()")
    await connection.execute("VACUUM (ANALYZE) process_steps")
    warnings = found(await health(database_url), Verdict.WARNING)
    assert [line.partition(":")[0] for line in warnings] == ["process_steps_pkey"]
    assert warnings[0].endswith("run: ald-recorder database maintain --monthly")
    assert "REINDEX INDEX CONCURRENTLY ald.process_steps_pkey" in await maintain(database_url, Period.MONTHLY)
    assert await connection.fetchval(size) < whole / 5
    assert found(await health(database_url), Verdict.WARNING) == []


async def test_dead_rows_are_told_and_vacuumed_weekly(database_url: str, connection: asyncpg.Connection) -> None:
    """And look-ups by index alone become possible again."""
    await maintain(database_url)
    await connection.execute("ALTER TABLE process_steps SET (autovacuum_enabled = off)")
    await connection.execute(
        "INSERT INTO process_steps (process_id, kind, started_at, number)"
        " SELECT n, 'step', now(), n FROM generate_series(1, 30000) n; ANALYZE process_steps"
    )
    await connection.execute("UPDATE process_steps SET number = 0")
    # the counts of this session reach the others once it has been idle
    await connection.execute("SELECT pg_stat_force_next_flush()")
    [said] = found(await health(database_url), Verdict.WARNING)
    assert said.startswith("process_steps: 30000 dead rows beside 30000")
    assert "VACUUM (ANALYZE) ald.process_steps" in await maintain(database_url, Period.WEEKLY)
    assert not [line for line in found(await health(database_url), Verdict.WARNING) if "dead rows" in line]


async def test_index_use_is_counted_by_statement(database_url: str, connection: asyncpg.Connection) -> None:
    """A statement of ours that reads a table above 1,000 rows whole counts as often as it was called."""
    await maintain(database_url)
    if not await connection.fetchval("SELECT current_setting('shared_preload_libraries') ~ 'pg_stat_statements'"):
        pytest.skip("this server does not preload pg_stat_statements")
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
    await connection.execute(
        "INSERT INTO recorders VALUES (1, 'm', 'h');"
        "INSERT INTO recorder_streams SELECT gen_random_uuid(), 1, n, n FROM generate_series(1, 5000) n;"
        "ANALYZE"
    )
    await connection.execute(
        "SELECT public.pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()"
    )
    session = Session(connection, database_url)
    for _ in range(20):
        await session.fetch("set_values_by_id", [1])
    [line] = [line for line in (await health(database_url)).lines if line.message.startswith("index use")]
    assert (line.verdict, line.data) == (Verdict.OK, {"percent": 100.0, "calls": 20})
    await connection.execute("DROP INDEX idx_recorder_streams_recorder_epoch")
    await connection.execute("ALTER TABLE recorder_streams DROP CONSTRAINT recorder_streams_pkey")
    for _ in range(5):
        await session.execute("rebase_stream", "5e3f1f8e-0000-4000-8000-000000000001", 1, 1)
    [line] = [line for line in (await health(database_url)).lines if line.message.startswith("index use")]
    assert (line.verdict, line.data) == (Verdict.FAULT, {"percent": 80.0, "calls": 25})
    assert line.notes == ("rebase_stream: 5 calls read recorder_streams",)


async def test_without_statement_statistics_there_is_a_line_and_no_fault(database_url: str) -> None:
    """Not every server has them, and not every role may make them."""
    [line] = [line for line in (await health(database_url)).lines if line.section == "Statements"]
    assert line.verdict is Verdict.NOT_ASKED
    assert "CREATE EXTENSION pg_stat_statements" in line.message


def test_every_line_can_be_asked_in_psql(database_url: str) -> None:
    """The statements of health take no arguments and run as they stand."""
    names = [name for name in QUERIES if name.startswith("health_")]
    script = ";\n".join(["SET search_path TO ald", *(QUERIES[name].text for name in names)])
    said = subprocess.run(
        ["psql", database_url, "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.count("verdict") == len(names)
