"""One answer for all who ask the same at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

MOST: Final = 100
"""Questions of which the answer is shared at one time; one more is answered by itself."""

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class SingleFlight(Generic[Key, Answer]):
    """Runs a question once for all who ask it before it is answered.

    Nothing is kept: who asks after the answer has come asks anew. The question goes on as long as one who asked it
    waits, whoever of them is cancelled.

    Args:
        most: questions under way at one time that are shared.
    """

    def __init__(self, *, most: int = MOST) -> None:
        self._most = most
        self._under_way: dict[Key, _Flight[Answer]] = {}

    @property
    def under_way(self) -> int:
        """Questions that are shared now."""
        return len(self._under_way)

    async def run(self, key: Key, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a question: that of who asked the same before and still waits, else by asking.

        Raises:
            Exception: what `ask` raised, to each who waits.
        """
        flight = self._under_way.get(key)
        if flight is None:
            if len(self._under_way) >= self._most:
                return await ask()
            flight = self._under_way[key] = _Flight(ask)
            flight.task.add_done_callback(lambda task: self._landed(key, task))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._forget(key, flight.task)  # at once: nobody may join what is being cancelled
                flight.task.cancel()

    def _landed(self, key: Key, task: "asyncio.Task[Answer]") -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # each who waits has it; where none is left, it is nobody's

    def _forget(self, key: Key, task: "asyncio.Task[Answer]") -> None:
        flight = self._under_way.get(key)
        if flight is not None and flight.task is task:
            del self._under_way[key]


class _Flight(Generic[Answer]):
    """One question, and how many wait for its answer."""

    def __init__(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        async def run() -> Answer:
            return await ask()

        self.task = asyncio.create_task(run(), name="shared question")
        self.waiting = 0
