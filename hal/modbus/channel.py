"""What a link asks its questions over, whichever way they travel: alone, over several connections, on a shared line."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from hal.modbus.place import UnitSettings
from hal.pdu import Answer, Expected


class MismatchError(Exception):
    """Bytes that cannot become the answer; never leaves `hal.modbus`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A request, ready to be framed; it may be asked again.

    Attributes:
        operation: what is asked, in the words of errors.
        unit: who is asked.
        payload: function code and data.
        expected: what has to answer it.
        is_read: whether asking it twice changes nothing.
    """

    operation: str
    unit: UnitSettings
    payload: bytes
    expected: Expected
    is_read: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What answered a question, and when.

    Attributes:
        requested_ns: monotonic nanoseconds just before the request was sent.
        responded_ns: monotonic nanoseconds just after its answer was complete.
        is_after_flush: whether the line had to be flushed since the unit answered last.
    """

    answer: Answer
    requested_ns: int
    responded_ns: int
    is_after_flush: bool = False


class Channel(Protocol):
    """An open way to one unit, for one request at a time or a few.

    Its questions raise TimeoutError (no answer in time), ConnectionError (it is lost) or `MismatchError`.
    """

    lost: asyncio.Event

    @property
    def parallel(self) -> int:
        """Requests that may be under way at the same time."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Ask once."""
        ...

    async def close(self) -> None:
        """Close it; harmless when it is closed already."""
        ...
