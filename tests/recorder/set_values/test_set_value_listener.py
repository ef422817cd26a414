"""Changes made elsewhere are heard of at once, and after a gap nothing is trusted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import Database, DatabaseSettings, connect_once
from recorder.database.notices import Hearing
from recorder.set_values.cache import SetValues
from recorder.set_values.listener import set_value_notices
from recorder.set_values.source import DatabaseSetValues

COUNT = 600
"""More than the ids that one notice carries."""


async def until(is_so: Callable[[], bool]) -> None:
    """Let the others run until something is so."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  (what is waited for tells nobody)
            await asyncio.sleep(0.005)


class Bench:
    """A cache that listens to a real database through a proxy."""

    def __init__(self, proxy: Proxy, database: asyncpg.Connection, source: DatabaseSetValues) -> None:
        self.proxy = proxy
        self.database = database
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.values = SetValues(source, refresh_s=3600)
        hearing = Hearing(
            dsn=proxy.url,
            schema="ald",
            machine="tool",
            application_name="test",
            check_every_s=0.2,
            check_within_s=0.5,
            sleep=self._pause,
        )
        self.listener = set_value_notices(self.values, hearing)

    async def _pause(self, _seconds: float) -> None:
        await self.goes_on.wait()
        await asyncio.sleep(0.01)

    async def until_desired(self, parameter_id: int, value: float) -> None:
        """Wait until the cache knows a value, without asking it."""
        await until(lambda: (held := self.values.held(parameter_id)) is not None and held.value.desired == value)


@pytest.fixture
async def bench(database_url: str, short_directory: Path) -> AsyncIterator[Bench]:
    """Listening, with everything known."""
    connection = await connect_once(database_url, schema="ald")
    await connection.execute(
        f"""
        INSERT INTO machines (name) VALUES ('tool'), ('other');
        INSERT INTO machine_components (machine_id, name) VALUES (1, 'part'), (2, 'part');
        INSERT INTO component_parameters (component_id, name, set_value, is_writable)
        SELECT 1 + (n > {COUNT})::int, 'p' || n, n, true FROM generate_series(1, {COUNT} + 1) n;
        """
    )
    async with (
        Proxy(database_url, short_directory).listening() as between,
        Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=2)) as database,
    ):
        made = Bench(between, connection, DatabaseSetValues(database, machine="tool"))
        tasks = [asyncio.create_task(made.values.run()), asyncio.create_task(made.listener.run())]
        try:
            await until(lambda: made.listener.is_listening)
            await until(lambda: made.values.held(1) is not None and made.values.metrics()["stale"] == 0)
            yield made
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await connection.close()


async def test_a_change_made_elsewhere_is_known_without_anybody_asking(bench: Bench) -> None:
    """One row is one small query, and not a refresh of all."""
    refreshes = bench.values.counts.refreshes
    await bench.database.execute("UPDATE component_parameters SET set_value = 4711 WHERE id = 5")
    await bench.until_desired(5, 4711)
    assert bench.values.counts.refreshes == refreshes


async def test_limits_and_what_is_in_service_are_heard_of_as_well(bench: Bench) -> None:
    """A narrower limit must be known before the next write."""
    await bench.database.execute("UPDATE component_parameters SET max_value = 9 WHERE id = 5")
    await until(lambda: (held := bench.values.held(5)) is not None and held.value.max_value == 9)
    await bench.database.execute("UPDATE component_parameters SET is_active = false WHERE id = 5")
    await until(lambda: bench.values.held(5) is None)
    await bench.database.execute("UPDATE machine_components SET is_activated = false WHERE id = 1")
    await until(lambda: bench.values.held(1) is None)


async def test_a_change_of_thousands_of_rows_is_one_refresh(bench: Bench) -> None:
    """A notice has room for so many ids; beyond it everything is asked for, in one query."""
    refreshes = bench.values.counts.refreshes
    await bench.database.execute("UPDATE component_parameters SET set_value = set_value + 1000 WHERE component_id = 1")
    await bench.until_desired(COUNT, COUNT + 1000)
    assert bench.values.counts.refreshes == refreshes + 1


async def test_what_is_not_ours_or_changes_nothing_is_no_notice(bench: Bench) -> None:
    """Neither another machine's set-values, nor a new unit, nor the same value once more."""
    before = bench.values.counts.invalidations
    await bench.database.execute(
        f"""
        UPDATE component_parameters SET set_value = 1 WHERE id = {COUNT + 1};
        UPDATE component_parameters SET unit = 'K' WHERE id = 1;
        UPDATE component_parameters SET set_value = set_value WHERE id = 1;
        UPDATE component_parameters SET set_value = 99 WHERE id = 2;
        """
    )
    await bench.until_desired(2, 99)
    assert bench.values.counts.invalidations == before + 1


async def test_a_change_that_was_made_while_nobody_listened_is_known_after_the_gap(bench: Bench) -> None:
    """The connection is cut: when it is back, everything is asked for again."""
    bench.goes_on.clear()
    bench.proxy.cut()
    await until(lambda: not bench.listener.is_listening)
    await bench.database.execute("UPDATE component_parameters SET set_value = 815 WHERE id = 7")
    bench.goes_on.set()
    await bench.until_desired(7, 815)
    assert bench.listener.losses == 1


async def test_a_connection_that_is_silently_gone_is_noticed(bench: Bench) -> None:
    """Nothing closes a connection whose cable was pulled; a sign of life is asked for."""
    bench.goes_on.clear()
    bench.proxy.fall_silent()
    await until(lambda: not bench.listener.is_listening)
    await bench.database.execute("UPDATE component_parameters SET set_value = 816 WHERE id = 7")
    bench.goes_on.set()
    await bench.until_desired(7, 816)


async def test_an_end_is_not_forgotten_where_the_connection_is_lost_in_the_same_moment(bench: Bench) -> None:
    """The recorder is asked to stop as its database dies: whoever swallows one of the two never ends."""
    lost = asyncio.Event()

    class Dying:
        """A connection that is lost when it is told to."""

        def __init__(self) -> None:
            self.lost = lost

        async def check(self, *, within_s: float) -> None:
            """Never asked here."""
            raise AssertionError(within_s)

    @asynccontextmanager
    async def dying(*_arguments: object, **_options: object) -> AsyncIterator[Dying]:
        yield Dying()

    hearing = Hearing(dsn="", schema="ald", machine="tool", application_name="test", listen=dying)
    listener = set_value_notices(bench.values, hearing)
    task = asyncio.create_task(listener.run())
    await until(lambda: listener.is_listening)
    await asyncio.sleep(0)
    lost.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task
