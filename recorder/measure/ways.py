"""Ways to ask a database for definitions and set-values: as the earlier recorder did, and each cure after the other.

One measurement runs all of them against the same database, so that what is compared has seen the same line and load.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

from recorder.database import Database, DatabaseSettings, Session, single_session
from recorder.definitions.definitions import DefinitionSet, load_definitions
from recorder.measure.sample import MACHINE
from recorder.set_values.cache import SetValues
from recorder.set_values.source import DatabaseSetValues

_PREPARED: Final = ("load_definitions", "load_definitions_of_component", "set_values_by_id", "set_values_of_machine")
_HITS: Final = 5_000
_MINUTES: Final = 3
SCANS_A_MINUTE: Final = 60
"""Of the earlier recorder, which asked for the set-value of each parameter with each scan."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """One way to ask.

    Attributes:
        is_kept: whether a connection outlives its question.
        is_bulk: whether all definitions are one question, and not one a component.
        is_cached: whether set-values come from the cache.
        is_prepared: whether a kept connection knows its statements before the question; otherwise it is new to them.
    """

    name: str
    is_kept: bool = False
    is_bulk: bool = False
    is_cached: bool = False
    is_prepared: bool = False


AS_IT_WAS: Final = Way(name="as it was: connect, one query a component, one a set-value")
KEPT: Final = Way(name="the same over a kept connection that knows the statements", is_kept=True, is_prepared=True)
BULK: Final = Way(name="one bulk query for all definitions", is_bulk=True)
CACHED: Final = Way(name="and set-values from the cache", is_bulk=True, is_cached=True)
POOLED: Final = Way(name="and a pool", is_bulk=True, is_cached=True, is_kept=True)
PREPARED: Final = Way(
    name="and prepared statements: all of it",
    is_bulk=True,
    is_cached=True,
    is_kept=True,
    is_prepared=True,
)
WAYS: Final = (AS_IT_WAS, KEPT, BULK, CACHED, POOLED, PREPARED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one way costs.

    Attributes:
        definitions_ms: median, from the question to the last definition; a kept connection is open before.
        definitions_round_trips: None where nobody counts.
        set_value_ms: median; of the cache the mean of many.
        queries_a_minute: for set-values in steady state.
    """

    way: Way
    definitions_ms: float
    definitions_round_trips: float | None
    set_value_ms: float
    queries_a_minute: float


async def measure(
    settings: DatabaseSettings,
    definitions: DefinitionSet,
    *,
    rounds: int,
    round_trips: Callable[[], int] | None = None,
) -> list[Cost]:
    """Measure each of `WAYS`; the definitions are in the database already.

    Args:
        settings: of a schema of its own.
        definitions: as they are there.
        rounds: of each way.
        round_trips: how often a client had to wait for the line so far.

    Raises:
        DatabaseError: the database cannot be asked.
    """
    asking = _Asking(settings, definitions)
    return [await _measure_one(way, asking, rounds=rounds, round_trips=round_trips) for way in WAYS]


async def _measure_one(way: Way, asking: "_Asking", *, rounds: int, round_trips: Callable[[], int] | None) -> Cost:
    times_ms: list[float] = []
    set_values_ms: list[float] = []
    counts: list[int] = []
    for _ in range(rounds):
        async with AsyncExitStack() as stack:
            session = await asking.open(way, stack)
            before = 0 if round_trips is None else round_trips()
            times_ms.append(await _timed_ms(asking.definitions(way, session)))
            counts.append(0 if round_trips is None else round_trips() - before)
            if not way.is_cached:
                set_values_ms.append(await _timed_ms(asking.set_value(session)))
    hit_ms, queries = await asking.cached() if way.is_cached else (0.0, float(asking.parameters * SCANS_A_MINUTE))
    return Cost(
        way=way,
        definitions_ms=median(times_ms),
        definitions_round_trips=None if round_trips is None else median(counts),
        set_value_ms=hit_ms if way.is_cached else median(set_values_ms),
        queries_a_minute=queries,
    )


class _Asking:
    """Asks in each way."""

    def __init__(self, settings: DatabaseSettings, definitions: DefinitionSet) -> None:
        self._settings = replace(settings, pool_min=1, pool_max=1)
        self._definitions = definitions
        self._components = sorted({definition.component for definition in definitions.definitions})
        self._ids = [definition.id for definition in definitions.definitions if definition.id is not None]

    @property
    def parameters(self) -> int:
        return len(self._ids)

    async def open(self, way: Way, stack: AsyncExitStack) -> Session | None:
        """The connection that is there before the question; None where it is made for each."""
        if not way.is_kept:
            return None
        settings = replace(self._settings, prepared=_PREPARED if way.is_prepared else ())
        database = await stack.enter_async_context(Database(settings))
        return await stack.enter_async_context(database.session())

    async def definitions(self, way: Way, kept: Session | None) -> None:
        if way.is_bulk:
            await self._with(kept, lambda session: load_definitions(session, MACHINE))
            return
        for component in self._components:

            def ask(session: Session, component: str = component) -> Awaitable[object]:
                return session.fetch("load_definitions_of_component", MACHINE, component)

            await self._with(kept, ask)

    async def set_value(self, kept: Session | None) -> None:
        await self._with(kept, lambda session: session.fetch("set_values_by_id", self._ids[:1]))

    async def _with(self, kept: Session | None, ask: Callable[[Session], Awaitable[object]]) -> None:
        if kept is not None:
            await ask(kept)
            return
        settings = self._settings
        prepared = settings.prepared_statements
        async with single_session(settings.dsn, settings.schema, prepared_statements=prepared) as session:
            await ask(session)

    async def cached(self) -> tuple[float, float]:
        """Milliseconds of a look-up, and queries a minute where each parameter is looked up each second."""
        async with Database(replace(self._settings, prepared=_PREPARED)) as database:
            source = DatabaseSetValues(database, machine=MACHINE)
            set_values = SetValues(source)
            await set_values.refresh()
            began = time.perf_counter()
            for number in range(_HITS):
                await set_values.get(self._ids[number % len(self._ids)])
            hit_ms = (time.perf_counter() - began) * 1000 / _HITS
            return hit_ms, await self._queries_a_minute(source)

    async def _queries_a_minute(self, source: DatabaseSetValues) -> float:
        """Let some minutes pass at once, and count."""
        now_s = 0.0
        over = asyncio.Event()

        async def sleep(seconds: float) -> None:
            nonlocal now_s
            for _ in range(round(seconds)):
                now_s += 1.0
                for parameter_id in self._ids:
                    await set_values.get(parameter_id)
            if now_s >= _MINUTES * 60:
                over.set()
                await asyncio.Event().wait()

        set_values = SetValues(source, monotonic_s=lambda: now_s, sleep=sleep)
        refreshing = asyncio.create_task(set_values.run(), name="measured set-values")
        try:
            await over.wait()
        finally:
            refreshing.cancel()
            await asyncio.wait([refreshing])
        return set_values.counts.queries / _MINUTES


async def _timed_ms(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000
