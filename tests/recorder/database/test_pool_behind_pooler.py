"""Behind PgBouncer in transaction mode each transaction meets another session of the server, and all goes well."""

import asyncio
from pathlib import Path

import pytest

from recorder.database import Database, DatabaseSettings, single_session
from recorder.definitions.definitions import load_definitions
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.errors import DatabaseError, DatabaseUnreachableError
from recorder.writer.statements import PREPARED
from recorder.writer.writer import WriterState
from simulator import parameter_map
from tests.recorder.entries import points, run_started
from tests.recorder.writing import desk


def behind(pooler_url: str, **fields: object) -> DatabaseSettings:
    """A small pool in front of the pooler."""
    chosen: dict[str, object] = {"pool_min": 2, "pool_max": 4, "prepared": PREPARED, "prepared_statements": False}
    return DatabaseSettings(dsn=pooler_url, **{**chosen, **fields})  # type: ignore[arg-type]


async def test_every_transaction_has_our_settings_and_leaves_none(pooler_url: str) -> None:
    """Schema, time zone and time limits, by itself and in a transaction of several; another sees none."""
    wanted = {"search_path": "ald", "timezone": "UTC", "statement_timeout": "7s", "lock_timeout": "3s"}
    wanted["application_name"] = "ald-recorder"  # by which a new start knows the sessions of the one before
    async with (
        Database(behind(pooler_url, statement_timeout_s=7.0, lock_timeout_s=3.0)) as database,
        database.session() as session,
    ):
        for _ in range(4):
            async with session.transaction():
                for name, value in wanted.items():
                    assert await session._connection.fetchval("SELECT current_setting($1)", name) == value
                async with session.transaction():
                    assert await session.fetch("load_definitions", "tool") == []
            assert await session.fetch("load_definitions", "tool") == []
            assert await session._connection.fetchval("SHOW search_path") == '"$user", public'


async def test_statements_meet_several_sessions_of_the_server(pooler_url: str) -> None:
    """As the pooler is set up here, so that these tests would find what relies on one."""
    async with Database(behind(pooler_url)) as database, database.session() as session:
        async with session.transaction(), database.session() as other:
            await other.fetch("load_definitions", "tool")  # the first one is taken, so that there must be a second
        met = {(await session.fetch_one("look_at_recorder", 1) or {})["backend"] for _ in range(6)}
    assert len(met) > 1


async def test_a_refused_statement_leaves_no_transaction_open(pooler_url: str) -> None:
    """By itself, in a transaction, or cancelled: the next one goes through."""
    async with Database(behind(pooler_url, pool_min=1, pool_max=1)) as database:
        async with database.session() as session:
            with pytest.raises(DatabaseError, match=r"^start_process_step: "):
                await session.execute("start_process_step", 1, "nonsense", 0, 1)
            assert await session.fetch("load_definitions", "tool") == []
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), database.session() as session, session.transaction():
                await session._connection.execute("SELECT pg_sleep(20)")
        async with database.session() as session:
            assert await session.fetch("load_definitions", "tool") == []


async def test_a_writer_claims_and_commits_through_it(tmp_path: Path, database_url: str, pooler_url: str) -> None:
    """Claim, partition, run, rows and accounting; a second claim after doubt goes on from the watermark."""
    async with desk(tmp_path, pooler_url, sql_url=database_url, prepared_statements=False) as d:
        await d.spool.append([run_started(), *(points(number) for number in range(20))])
        d.start()
        await d.drained()
        assert await d.values() == list(range(20))
        await d.stop()
        d.start()
        await d.spool.append([points(20)])
        await d.drained()
        assert await d.values() == list(range(21))
        assert (d.writer.state, d.writer.epoch) == (WriterState.WRITING, 2)
        assert sum(rows for *_, rows in await d.minutes()) == 42


async def test_a_writer_goes_on_when_the_server_ends_sessions(
    tmp_path: Path, database_url: str, pooler_url: str
) -> None:
    """Each is an error of the database; everything is committed once, and once only."""
    async with desk(tmp_path, pooler_url, sql_url=database_url, prepared_statements=False) as d:
        d.start()
        for number in range(10):
            await d.spool.append([points(number)])
            await d.sql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        await d.drained()
        assert await d.values() == list(range(10))


async def test_definitions_are_imported_and_loaded_through_it(pooler_url: str) -> None:
    """By a command's own session, in bulk and component by component."""
    file = read_definition_file(parameter_map.definitions_path())
    async with single_session(pooler_url, "ald", prepared_statements=False) as session:
        await write(session, "tool", file)
        loaded = await load_definitions(session, "tool")
        assert await load_definitions(session, "tool", is_bulk=False) == loaded
    assert len(loaded.definitions) == len(file.definitions)


async def test_who_does_not_say_that_there_is_a_pooler_is_told_what_to_set(pooler_url: str) -> None:
    """And a pooler that is not there is a database that is not reachable."""
    with pytest.raises(DatabaseError, match=r"is a pooler in transaction mode .* prepared_statements = false, and"):
        await Database(behind(pooler_url, prepared_statements=True)).ensure_open()
    with pytest.raises(DatabaseUnreachableError):
        await Database(behind(pooler_url.replace("6432", "6433"))).ensure_open()
