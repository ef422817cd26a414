"""Answers that were made before, for whoever asks the same again: bounded in number, in bytes and in age.

Our own few lines rather than aiocache, which serves the set-values: it bounds neither entries nor bytes, and an answer
that was under way when something changed would go into it afterwards. Here whatever was asked for before a change is
neither kept nor given to who asks after it.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Final

from recorder.database.single_flight import SingleFlight

MIB: Final = 1024 * 1024
_LARGEST_SHARE: Final = 4
"""An answer that would take more than a fourth of a cache is given and not kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes to the client, and for how long it may go to the next one.

    Attributes:
        etag: of the content: the same content has the same, whenever it was made.
    """

    body: bytes
    ttl_s: float
    etag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "etag", f'"{hashlib.sha256(self.body).hexdigest()[:32]}"')


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    answer: Answer
    made_s: float


class Cache:
    """Keeps answers by what was asked for; the one that was not asked for longest goes first.

    Args:
        name: as `/metrics` and docs/caching.md call it.
        most_entries: kept at one time.
        most_bytes: of the bodies together.
        longest_s: how long any answer is kept now, whatever it says itself.
        monotonic_s: a clock.

    Attributes:
        hits: questions that needed no query of their own.
        misses: questions that did.
        bytes: of the bodies that are kept.
    """

    def __init__(
        self,
        name: str,
        *,
        most_entries: int,
        most_bytes: int,
        longest_s: Callable[[], float] = lambda: float("inf"),
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.hits = 0
        self.misses = 0
        self.bytes = 0
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._longest_s = longest_s
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._asking: SingleFlight[tuple[int, Hashable], Answer] = SingleFlight()
        self._changes = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, question: Hashable, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer to a question: one that is kept, or that somebody else is being given now, or a new one.

        Raises:
            Exception: what `make` raised; it is not kept.
        """
        kept = self._kept.get(question)
        if kept is not None:
            age_s = self._monotonic_s() - kept.made_s
            if age_s < min(kept.answer.ttl_s, self._longest_s()):
                self._kept.move_to_end(question)
                self.hits += 1
                return kept.answer
            self._forget(question)
        changes, asked_s = self._changes, self._monotonic_s()
        is_asking = False

        async def ask() -> Answer:
            nonlocal is_asking
            is_asking = True
            self.misses += 1
            answer = await make()
            if changes == self._changes:
                self._keep(question, answer, asked_s)
            return answer

        answer = await self._asking.run((changes, question), ask)
        self.hits += not is_asking
        return answer

    def drop(self, question: Hashable | None = None) -> None:
        """Forget one answer, or all; what is being asked for now is not kept when it comes, whatever it is."""
        self._changes += 1
        if question is not None:
            self._forget(question)
            return
        self._kept.clear()
        self.bytes = 0

    def _keep(self, question: Hashable, answer: Answer, asked_s: float) -> None:
        self._forget(question)
        if len(answer.body) > self._most_bytes // _LARGEST_SHARE or answer.ttl_s <= 0:
            return
        # the age of an answer is that of its question: it knows nothing of what came after that
        self._kept[question] = _Kept(answer=answer, made_s=asked_s)
        self.bytes += len(answer.body)
        while len(self._kept) > self._most_entries or self.bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, question: Hashable) -> None:
        kept = self._kept.pop(question, None)
        if kept is not None:
            self.bytes -= len(kept.answer.body)
