"""Desired set-values and their limits, from a TTL cache in front of the database.

Expiry deletes from the cache, so the last good set is kept beside it, with its age: it serves while the database is
away, and says when it is stale. What a tool shall hold is *desired*; what it says that it holds comes with the scan.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Protocol

import structlog
from aiocache import SimpleMemoryCache

from recorder.errors import DatabaseError, SetValueUnknownError, StaleLimitsError

MOST_SINGLE: Final = 50
"""Set-values that are asked for by their ids; where more have changed, all are asked for."""
_MINUTE_S: Final = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class SetValue:
    """What the database wants of one parameter, in its unit.

    Attributes:
        desired: None where nobody has said.
        min_value: lowest value that may be written.
        tolerance: how far the tool's own set-value may be from it.
    """

    parameter_id: int
    desired: float | None
    min_value: float | None
    max_value: float | None
    tolerance: float | None
    is_writable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """A set-value and how old it is.

    Attributes:
        age_s: since it was asked for at the database.
        is_stale: whether it is older than its limit, or known to have been changed since.
    """

    value: SetValue
    age_s: float
    is_stale: bool


class SetValueSource(Protocol):
    """Where set-values come from; each method is one query.

    Both raise DatabaseError where the database cannot be asked.
    """

    async def all(self) -> Sequence[SetValue]:
        """Those of all parameters of the machine."""
        ...

    async def some(self, parameter_ids: Sequence[int]) -> Sequence[SetValue]:
        """Those of some; a parameter that is not there is left out."""
        ...


@dataclass(kw_only=True, slots=True)
class CacheCounts:
    """What the cache did since the daemon began."""

    hits: int = 0
    misses: int = 0
    refreshes: int = 0
    queries: int = 0
    invalidations: int = 0

    @property
    def hit_ratio(self) -> float | None:
        """Share of look-ups that needed no query; None before the first."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """What is known of one parameter, and from when: by the clock, and by the count of changes."""

    value: SetValue
    asked_s: float
    asked_at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """When a query went out, and what the database could not know yet.

    Attributes:
        ahead: desired set-values of parameters that were set here and are on their way to the database.
    """

    asked_s: float
    asked_at: int
    ahead: Mapping[int, float]


class SetValues:
    """Desired set-values of one machine; run `run` as a task.

    Args:
        source: the database.
        ttl_s: how long a set-value is served without asking again; 0 switches the cache off.
        refresh_s: pause between two bulk refreshes.
        stale_after_s: age from which a set-value is stale.
        monotonic_s: the clock of all ages.
        sleep: waits between refreshes.

    Attributes:
        revision: another one each time that something may be known anew, or no longer.
    """

    def __init__(
        self,
        source: SetValueSource,
        *,
        ttl_s: float = 300.0,
        refresh_s: float = 60.0,
        stale_after_s: float = 300.0,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._source = source
        self._ttl_s = ttl_s
        self._refresh_s = refresh_s
        self._stale_after_s = stale_after_s
        self._monotonic_s = monotonic_s
        self._sleep = sleep
        # its time-out would put each look-up into a task of its own, and nothing here can take long
        self._cache: SimpleMemoryCache = SimpleMemoryCache(ttl=ttl_s, timeout=0)
        self._kept: dict[int, _Kept] = {}
        self._loading: dict[int, asyncio.Task[None]] = {}
        self._refreshing: asyncio.Task[None] | None = None
        self._changes = 0
        self._changed_at: dict[int, int] = {}
        self._all_changed_at = 0
        self._changed = asyncio.Event()
        self._asked_s: deque[float] = deque()
        self._told: str | None = None
        self._ahead: dict[int, tuple[float, Callable[[], bool]]] = {}
        self.revision = 0
        self.counts = CacheCounts()

    def set_times(self, *, ttl_s: float, refresh_s: float, stale_after_s: float) -> None:
        """Go on with other times: from the next look-up, and from the refresh after the next."""
        self._refresh_s, self._stale_after_s = refresh_s, stale_after_s
        if ttl_s != self._ttl_s:
            # what is cached expires by the old time; it is asked for once more
            self._ttl_s, self._cache = ttl_s, SimpleMemoryCache(ttl=ttl_s, timeout=0)

    async def get(self, parameter_id: int) -> Held:
        """The set-value of a parameter: from the cache, else from the database, else the last good one.

        Concurrent misses of one parameter make one query.

        Raises:
            SetValueUnknownError: there is no such parameter, or it was never read and the database is away.
        """
        cached: _Kept | None = await self._cache.get(parameter_id) if self._ttl_s else None
        if cached is not None and not self._is_outdated(cached):
            self.counts.hits += 1
            return self._held(cached)
        self.counts.misses += 1
        reason = "the database has no such parameter"
        try:
            await asyncio.shield(self._load(parameter_id))
            kept = self._kept.get(parameter_id)
            if kept is not None and self._is_outdated(kept):  # changed while it was asked for
                await asyncio.shield(self._load(parameter_id))
        except DatabaseError as error:
            reason = str(error)
        kept = self._kept.get(parameter_id)
        if kept is None:
            raise SetValueUnknownError(f"set-value of parameter {parameter_id} is not known: {reason}")
        return self._held(kept)

    async def limits(self, parameter_id: int) -> SetValue:
        """Limits by which a write may be allowed.

        Raises:
            StaleLimitsError: they are stale.
            SetValueUnknownError: they are not known.
        """
        held = await self.get(parameter_id)
        if held.is_stale:
            raise StaleLimitsError(
                f"the limits of parameter {parameter_id} are {held.age_s:.0f} s old, or were changed since: "
                "nothing is written by them; see why the database is away: ald-recorder status"
            )
        return held.value

    def held(self, parameter_id: int) -> Held | None:
        """What is known of a parameter, without asking anybody."""
        kept = self._kept.get(parameter_id)
        return None if kept is None else self._held(kept)

    def invalidate(self, parameter_ids: Iterable[int] | None = None) -> None:
        """Forget what is known to have changed, everything for None; what was asked for before is not trusted."""
        self._changes += 1
        self.revision += 1
        self.counts.invalidations += 1
        if parameter_ids is None:
            self._all_changed_at = self._changes
        else:
            for parameter_id in parameter_ids:
                self._changed_at[parameter_id] = self._changes
        self._changed.set()

    async def put(self, parameter_id: int, desired: float, *, is_stored: Callable[[], bool]) -> None:
        """Take over what was set here, before the database has it.

        Args:
            parameter_id: whose.
            desired: in its unit.
            is_stored: whether the database has it; what it says until then is older.
        """
        self._ahead[parameter_id] = (desired, is_stored)
        self.revision += 1
        kept = self._kept.get(parameter_id)
        if kept is not None:
            kept = self._kept[parameter_id] = replace(kept, value=replace(kept.value, desired=desired))
            if self._ttl_s and await self._cache.exists(parameter_id):
                await self._cache.set(parameter_id, kept)

    async def refresh(self) -> None:
        """Ask for all set-values in one query; whoever asks meanwhile waits for the same one.

        Raises:
            DatabaseError: the database cannot be asked; what is known stays.
        """
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._refresh_all(), name="set-values")
            self._refreshing.add_done_callback(self._ended)
        await asyncio.shield(self._refreshing)

    async def run(self) -> None:
        """Refresh all at each interval, and what has changed at once; until cancelled."""
        due_s = self._monotonic_s()
        while True:
            try:
                if self._monotonic_s() >= due_s:
                    due_s = self._monotonic_s() + self._refresh_s
                    await self.refresh()
                else:
                    await self._refresh_changed()
            except DatabaseError as error:
                if self._told != str(error):
                    self._told = str(error)
                    log.warning("set_values_not_refreshed", reason=str(error))
            else:
                self._told = None
            await self._until(due_s)

    def metrics(self) -> dict[str, Any]:
        """Counts, hit ratio, queries of the last minute and the age of the oldest, for status."""
        self._forget_queries()
        ages = [self._monotonic_s() - kept.asked_s for kept in self._kept.values()]
        return {
            **asdict(self.counts),
            "hit_ratio": self.counts.hit_ratio,
            "queries_a_minute": len(self._asked_s),
            "parameters": len(self._kept),
            "oldest_s": max(ages, default=None),
            "stale": sum(self._held(kept).is_stale for kept in self._kept.values()),
        }

    async def _until(self, due_s: float) -> None:
        """Wait until it is time, or something has changed."""
        if self._changed.is_set() and self._told is None:
            return
        waiting = asyncio.ensure_future(self._sleep(max(0.0, due_s - self._monotonic_s())))
        changing = asyncio.ensure_future(self._changed.wait())
        try:
            # after a failure a change does not shorten the pause, or it would be a busy loop
            await asyncio.wait({waiting} if self._told else {waiting, changing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            changing.cancel()

    def _held(self, kept: _Kept) -> Held:
        age_s = self._monotonic_s() - kept.asked_s
        return Held(value=kept.value, age_s=age_s, is_stale=age_s > self._stale_after_s or self._is_outdated(kept))

    def _is_outdated(self, kept: _Kept) -> bool:
        changed_at = max(self._all_changed_at, self._changed_at.get(kept.value.parameter_id, 0))
        return kept.asked_at < changed_at

    def _load(self, parameter_id: int) -> "asyncio.Task[None]":
        task = self._loading.get(parameter_id)
        if task is None:
            task = asyncio.create_task(self._load_some([parameter_id]), name=f"set-value {parameter_id}")
            self._loading[parameter_id] = task
            task.add_done_callback(lambda done: self._ended(done, parameter_id))
        return task

    def _ended(self, task: "asyncio.Task[None]", parameter_id: int | None = None) -> None:
        if parameter_id is None:
            self._refreshing = None
        else:
            del self._loading[parameter_id]
        if not task.cancelled():
            task.exception()  # each waiter has it; where none is left, it is nobody's

    async def _refresh_changed(self) -> None:
        changed = [kept.value.parameter_id for kept in self._kept.values() if self._is_outdated(kept)]
        self._changed.clear()
        if len(changed) > MOST_SINGLE:
            await self.refresh()
        elif changed:
            await self._load_some(changed)

    async def _load_some(self, parameter_ids: Sequence[int]) -> None:
        question = self._asking()
        found = await self._source.some(parameter_ids)
        for parameter_id in set(parameter_ids) - {value.parameter_id for value in found}:
            await self._drop(parameter_id)
        await self._keep(found, question)

    async def _refresh_all(self) -> None:
        question = self._asking()
        self._changed.clear()
        found = await self._source.all()
        for parameter_id in set(self._kept) - {value.parameter_id for value in found}:
            await self._drop(parameter_id)
        await self._keep(found, question)
        self.counts.refreshes += 1

    async def _keep(self, found: Sequence[SetValue], question: _Question) -> None:
        self.revision += 1
        # also what was set while the answer was on its way
        ahead = {**question.ahead, **{parameter_id: desired for parameter_id, (desired, _) in self._ahead.items()}}
        for value in found:
            before = self._kept.get(value.parameter_id)
            if before is not None and before.asked_at > question.asked_at:
                continue  # a later question was answered first
            if value.parameter_id in ahead:
                value = replace(value, desired=ahead[value.parameter_id])  # noqa: PLW2901
            kept = _Kept(value=value, asked_s=question.asked_s, asked_at=question.asked_at)
            self._kept[value.parameter_id] = kept
            if self._is_outdated(kept):
                self._changed.set()
            elif self._ttl_s:
                await self._cache.set(value.parameter_id, kept)

    async def _drop(self, parameter_id: int) -> None:
        self._kept.pop(parameter_id, None)
        await self._cache.delete(parameter_id)

    def _asking(self) -> _Question:
        self._forget_queries()
        now_s = self._monotonic_s()
        self._asked_s.append(now_s)
        self.counts.queries += 1
        self._ahead = {i: (desired, stored) for i, (desired, stored) in self._ahead.items() if not stored()}
        ahead = {parameter_id: desired for parameter_id, (desired, _) in self._ahead.items()}
        return _Question(asked_s=now_s, asked_at=self._changes, ahead=ahead)

    def _forget_queries(self) -> None:
        while self._asked_s and self._asked_s[0] < self._monotonic_s() - _MINUTE_S:
            self._asked_s.popleft()
