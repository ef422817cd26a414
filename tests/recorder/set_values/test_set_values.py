"""Desired set-values: from the cache, from one query, or from the last good set with its age."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import asyncpg
import pytest

from recorder.database import Database, DatabaseSettings, connect_once
from recorder.errors import DatabaseUnreachableError, SetValueUnknownError, StaleLimitsError
from recorder.set_values.cache import MOST_SINGLE, SetValue, SetValues
from recorder.set_values.source import DatabaseSetValues

COUNT = MOST_SINGLE + 10


class WatchedSource:
    """The real source, whose questions are counted, and may be held up or find the database away.

    Attributes:
        asked: what each query asked for; None for everything.
        answered: queries that the database has answered.
        gate: nothing is answered while it is closed; what was read is what the database held when it was asked.
        is_away: whether the database is away.
    """

    def __init__(self, source: DatabaseSetValues) -> None:
        self._source = source
        self.asked: list[tuple[int, ...] | None] = []
        self.answered = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_away = False

    async def all(self) -> Sequence[SetValue]:
        """Ask for everything."""
        self._ask(None)
        found = await self._source.all()
        self.answered += 1
        await self.gate.wait()
        return found

    async def some(self, parameter_ids: Sequence[int]) -> Sequence[SetValue]:
        """Ask for some."""
        self._ask(tuple(parameter_ids))
        found = await self._source.some(parameter_ids)
        self.answered += 1
        await self.gate.wait()
        return found

    def _ask(self, what: tuple[int, ...] | None) -> None:
        self.asked.append(what)
        if self.is_away:
            raise DatabaseUnreachableError("the database is away")


async def until(is_so: Callable[[], bool]) -> None:
    """Let the others run until something is so."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110  (what is waited for tells nobody)
            await asyncio.sleep(0.001)


class Time:
    """Monotonic seconds that a test moves."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A machine with writable parameters 1 to COUNT, each wanting its own number, between 0 and 100."""
    connection = await connect_once(database_url, schema="ald")
    await connection.execute(
        f"""
        INSERT INTO machines (name) VALUES ('tool'), ('other');
        INSERT INTO machine_components (machine_id, name) VALUES (1, 'part'), (2, 'part');
        INSERT INTO component_parameters (component_id, name, set_value, min_value, max_value, is_writable)
        SELECT 1, 'p' || n, n, 0, 100, true FROM generate_series(1, {COUNT}) n;
        INSERT INTO component_parameters (component_id, name, set_value) VALUES (2, 'elsewhere', 5);
        """
    )
    yield connection
    await connection.close()


@pytest.fixture
async def source(connection: asyncpg.Connection, database_url: str) -> AsyncIterator[WatchedSource]:
    """What the machine wants."""
    assert not connection.is_closed()
    async with Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=4)) as database:
        yield WatchedSource(DatabaseSetValues(database, machine="tool"))


async def test_a_bulk_refresh_is_one_query_and_every_look_up_behind_it_a_hit(source: WatchedSource) -> None:
    """All set-values of the machine, and none of another, come at once; then nothing is asked."""
    values = SetValues(source)
    await values.refresh()
    held = [await values.get(parameter_id) for parameter_id in range(1, COUNT + 1)]
    assert [one.value.desired for one in held] == list(range(1, COUNT + 1))
    assert source.asked == [None]
    assert (values.counts.hits, values.counts.misses, values.counts.hit_ratio) == (COUNT, 0, 1.0)
    assert values.metrics()["queries_a_minute"] == 1


async def test_concurrent_misses_of_one_parameter_make_one_query(source: WatchedSource) -> None:
    """A stampede on an empty cache asks the database once, and all have its answer."""
    values = SetValues(source)
    found = await asyncio.gather(*(values.get(7) for _ in range(50)))
    assert {one.value.desired for one in found} == {7.0}
    assert source.asked == [(7,)]
    assert values.counts.misses == 50


async def test_who_asks_for_a_refresh_while_one_is_under_way_waits_for_the_same(source: WatchedSource) -> None:
    """Identical reads in flight are one query."""
    values = SetValues(source)
    await asyncio.gather(*(values.refresh() for _ in range(10)))
    assert source.asked == [None]
    assert values.counts.refreshes == 1


async def test_a_set_value_is_asked_for_again_when_its_time_to_live_is_over(
    source: WatchedSource, connection: asyncpg.Connection
) -> None:
    """The TTL is real time: an entry that has expired is no longer served."""
    values = SetValues(source, ttl_s=0.2)
    assert (await values.get(1)).value.desired == 1
    assert (await values.get(1)).value.desired == 1
    await connection.execute("UPDATE component_parameters SET set_value = 50 WHERE id = 1")
    async with asyncio.timeout(10):
        while (await values.get(1)).value.desired != 50:  # noqa: ASYNC110  (aiocache tells nobody that it forgets)
            await asyncio.sleep(0.01)
    assert source.asked == [(1,), (1,)]


async def test_switched_off_the_cache_asks_each_time(source: WatchedSource) -> None:
    """The cache can be withdrawn alone: then each look-up is a query."""
    values = SetValues(source, ttl_s=0)
    for _ in range(3):
        await values.get(1)
    assert source.asked == [(1,)] * 3
    assert values.counts.hits == 0


async def test_an_invalidated_set_value_is_asked_for_at_once_and_others_stay(
    source: WatchedSource, connection: asyncpg.Connection
) -> None:
    """A change made elsewhere is seen by the next look-up."""
    values = SetValues(source)
    await values.refresh()
    await connection.execute("UPDATE component_parameters SET set_value = 42 WHERE id = 2")
    values.invalidate([2])
    held = values.held(2)
    assert held is not None
    assert held.is_stale
    assert (await values.get(2)).value.desired == 42
    assert (await values.get(3)).value.desired == 3
    assert source.asked == [None, (2,)]


async def test_an_answer_that_was_on_its_way_when_the_value_changed_is_not_trusted(
    source: WatchedSource, connection: asyncpg.Connection
) -> None:
    """What was asked before a change may be older than it: it is asked for once more."""
    values = SetValues(source)
    source.gate.clear()
    looking_up = asyncio.create_task(values.get(1))
    await until(lambda: source.answered == 1)
    await connection.execute("UPDATE component_parameters SET set_value = 42 WHERE id = 1")
    values.invalidate([1])
    source.gate.set()
    held = await looking_up
    assert held.value.desired == 42
    assert not held.is_stale


async def test_the_last_good_set_serves_while_the_database_is_away_with_its_age(source: WatchedSource) -> None:
    """Expiry does not take away what is known; it is told how old it is, and when it is stale."""
    now = Time()
    values = SetValues(source, ttl_s=0, stale_after_s=300, monotonic_s=now)
    await values.refresh()
    source.is_away = True
    now.now_s += 299
    held = await values.get(4)
    assert (held.value.desired, held.age_s, held.is_stale) == (4, 299, False)
    now.now_s += 2
    assert (await values.get(4)).is_stale
    assert values.metrics()["stale"] == COUNT
    assert values.metrics()["oldest_s"] == 301


async def test_limits_that_are_stale_allow_no_write(source: WatchedSource) -> None:
    """Neither by age nor because they are known to have been changed."""
    now = Time()
    values = SetValues(source, ttl_s=0, stale_after_s=300, monotonic_s=now)
    assert (await values.limits(1)).max_value == 100
    source.is_away = True
    assert (await values.limits(1)).max_value == 100
    values.invalidate([1])
    with pytest.raises(StaleLimitsError, match="changed since"):
        await values.limits(1)
    source.is_away = False
    assert (await values.limits(1)).max_value == 100
    source.is_away = True
    now.now_s += 301
    with pytest.raises(StaleLimitsError, match="301 s old"):
        await values.limits(1)


async def test_a_parameter_that_nobody_knows_is_told_with_the_reason(
    source: WatchedSource, connection: asyncpg.Connection
) -> None:
    """No such parameter, taken out of service, and never read while the database is away are three different things."""
    values = SetValues(source)
    with pytest.raises(SetValueUnknownError, match="no such parameter"):
        await values.get(9999)
    await values.get(1)
    await connection.execute("UPDATE component_parameters SET is_active = false WHERE id = 1")
    values.invalidate([1])
    with pytest.raises(SetValueUnknownError, match="no such parameter"):
        await values.get(1)
    source.is_away = True
    with pytest.raises(SetValueUnknownError, match="away"):
        await values.get(2)


async def test_what_was_set_here_goes_before_what_the_database_does_not_know_yet(
    source: WatchedSource, connection: asyncpg.Connection
) -> None:
    """A set-value on its way through the spool is desired already, also behind a refresh; then the database decides."""
    values = SetValues(source)
    await values.refresh()
    stored = asyncio.Event()
    await values.put(3, 77.0, is_stored=stored.is_set)
    assert (await values.get(3)).value.desired == 77
    await values.refresh()
    assert (await values.get(3)).value.desired == 77
    await connection.execute("UPDATE component_parameters SET set_value = 78 WHERE id = 3")
    stored.set()
    await values.refresh()
    assert (await values.get(3)).value.desired == 78


@pytest.mark.parametrize(("changed", "asked"), [([1, 2], (1, 2)), (range(1, COUNT + 1), None), (None, None)])
async def test_the_task_asks_for_what_has_changed_at_once_by_id_or_for_all_where_there_is_much(
    source: WatchedSource, changed: Sequence[int] | None, asked: tuple[int, ...] | None
) -> None:
    """Nobody need look a value up for it to be fresh on a screen; a burst of changes is one query."""
    values = SetValues(source, refresh_s=3600)
    task = asyncio.create_task(values.run())
    try:
        await until(lambda: values.counts.refreshes == 1)
        values.invalidate(changed)
        await until(lambda: values.metrics()["stale"] == 0)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert [what if what is None else tuple(sorted(what)) for what in source.asked] == [None, asked]


async def test_the_task_refreshes_at_its_interval_and_outlives_a_database_that_is_away(source: WatchedSource) -> None:
    """A failure is waited out, not retried in a loop that never rests."""
    now = Time()
    waiting, passed = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await passed.wait()
        passed.clear()
        now.now_s += seconds

    values = SetValues(source, refresh_s=60, monotonic_s=now, sleep=sleep)
    source.is_away = True
    task = asyncio.create_task(values.run())
    try:
        await until(waiting.is_set)
        values.invalidate()
        for _ in range(100):
            await asyncio.sleep(0)
        assert source.asked == [None]
        source.is_away = False
        passed.set()
        await until(lambda: values.counts.refreshes == 1)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert now.now_s == 1060
