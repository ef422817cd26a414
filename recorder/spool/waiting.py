"""Appends that wait for the disk, in the order in which they came."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recorder.spool.entry import Entry
from recorder.spool.stored_entry import EncodedEntry

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, kw_only=True, slots=True)
class Pending:
    """One append that waits for the disk."""

    entries: Sequence[Entry]
    encoded: Sequence[EncodedEntry]
    size_bytes: int
    state: str | None
    future: "asyncio.Future[int]"


class WaitingAppends:
    """The event loop adds and ends them, the append thread takes them.

    Attributes:
        unspooled_bytes: of those that are not ended, taken or not.
    """

    def __init__(self) -> None:
        self._pending: deque[Pending] = deque()
        self.unspooled_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pending)

    def add(self, pending: Pending) -> None:
        """One more waits."""
        self._pending.append(pending)
        self.unspooled_bytes += pending.size_bytes

    def take(self, most_bytes: int) -> list[Pending]:
        """Take what waits, but no more than one transaction should hold."""
        batch: list[Pending] = []
        size = 0
        while self._pending and (not batch or size + self._pending[0].size_bytes <= most_bytes):
            batch.append(self._pending.popleft())
            size += batch[-1].size_bytes
        return batch

    def ended(self, pending: Pending) -> None:
        """One that was taken is on disk, or will never be."""
        self.unspooled_bytes -= pending.size_bytes
