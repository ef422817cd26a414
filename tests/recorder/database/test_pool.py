"""What the pool costs in round trips, and reads that are the same."""

import asyncio
import re
from pathlib import Path

import pytest

from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import Database, DatabaseSettings
from recorder.database.single_flight import SingleFlight
from recorder.definitions.definitions import load_definitions
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.errors import DatabaseError, DefinitionsError
from simulator import parameter_map
from sql import QUERIES

OF_MIGRATIONS = {"prepare_migration_session", "become_owner_of_schema", "set_lock_timeout", "try_migration_lock"}
"""Whose connection is closed afterwards."""


async def test_a_prepared_read_of_the_pool_is_one_round_trip_from_acquire_to_release(
    short_directory: Path, database_url: str
) -> None:
    """Nothing is asked of the server as a connection comes back: at 32 ms a round trip that would double each read."""
    async with Proxy(database_url, short_directory).listening() as proxy:
        settings = DatabaseSettings(dsn=proxy.url, pool_min=1, pool_max=1, prepared=("load_definitions",))
        async with Database(settings) as database:
            before = proxy.round_trips
            for _ in range(3):
                async with database.session() as session:
                    assert await session.fetch("load_definitions", "tool") == []
            assert proxy.round_trips - before == 3


def test_no_named_statement_leaves_anything_in_its_session() -> None:
    """Which is why a connection needs no reset: what is set is set for its transaction, and locks end with it."""
    lasting = re.compile(
        r"""set_config \( [^()]* , \s* false \)       # as long as the session
        | quote_ident\(\$1::text\), \s* false \)
        | \b pg_(try_)?advisory_lock \( | ^LISTEN \s
        | \A SET \s (?! LOCAL | TRANSACTION | CONSTRAINTS)""",
        re.VERBOSE | re.MULTILINE,
    )
    assert {query.name for query in QUERIES.values() if lasting.search(query.text)} == OF_MIGRATIONS


async def test_connections_stay_open_over_a_quiet_night(database_url: str) -> None:
    """As many as pool_min says, whatever the pool's library thinks of idle ones."""
    async with Database(DatabaseSettings(dsn=database_url)) as database:
        assert database.size == (5, 5)
        assert database._pool is not None
        holders = database._pool._holders  # type: ignore[attr-defined]
        assert {holder._max_inactive_time for holder in holders} == {0}
        assert database._pool.get_max_size() == 20


async def test_definitions_can_be_loaded_component_by_component(database_url: str) -> None:
    """The switch that withdraws the bulk load: the same set, or the same word that something is missing."""
    file = read_definition_file(parameter_map.definitions_path())
    async with Database(DatabaseSettings(dsn=database_url, pool_min=1)) as database, database.session() as session:
        with pytest.raises(DefinitionsError, match="has no definitions"):
            await load_definitions(session, "tool", is_bulk=False)
        await write(session, "tool", file)
        assert await load_definitions(session, "tool", is_bulk=False) == await load_definitions(session, "tool")


async def test_identical_reads_in_flight_are_one_query(short_directory: Path, database_url: str) -> None:
    """Fifty who ask the same have one answer of one round trip; another question is another query."""
    async with Proxy(database_url, short_directory).listening() as proxy:
        settings = DatabaseSettings(dsn=proxy.url, pool_min=2, pool_max=2, prepared=("get_process_run",))
        async with Database(settings) as database:
            await asyncio.gather(database.read("get_process_run", 1), database.read("get_process_run", 2))
            before = proxy.round_trips
            same = await asyncio.gather(*(database.read("get_process_run", 7) for _ in range(50)))
            assert proxy.round_trips - before == 1
            assert same == [[{"run": None}]] * 50
            await asyncio.gather(database.read("get_process_run", 7), database.read("get_process_run", 8))
            assert proxy.round_trips - before == 3
            with pytest.raises(DatabaseError):
                await asyncio.gather(*(database.read("get_process_run", "x") for _ in range(2)))


async def test_a_shared_question_outlives_whoever_asked_first() -> None:
    """It is given up only with the last who waits, and then nobody joins what is given up."""
    flight: SingleFlight[str, int] = SingleFlight()
    asked: list[asyncio.Event] = []

    async def ask() -> int:
        asked.append(asyncio.Event())
        await asked[-1].wait()
        return len(asked)

    first, second = (asyncio.create_task(flight.run("a", ask)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    asked[0].set()
    assert await second == 1
    assert flight.under_way == 0

    third = asyncio.create_task(flight.run("a", ask))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    third.cancel()
    await asyncio.wait([third])
    fourth = asyncio.create_task(flight.run("a", ask))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked[-1].set()
    assert await fourth == 3


async def test_what_is_shared_is_bounded() -> None:
    """One question more than the bound is answered by itself."""
    flight: SingleFlight[int, int] = SingleFlight(most=2)
    go = asyncio.Event()

    async def ask() -> int:
        await go.wait()
        return flight.under_way

    waiting = [asyncio.create_task(flight.run(number, ask)) for number in range(5)]
    await asyncio.sleep(0)
    assert flight.under_way == 2
    go.set()
    assert await asyncio.gather(*waiting) == [2, 2, 2, 2, 2]
    assert flight.under_way == 0
