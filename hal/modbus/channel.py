"""What a link asks its questions over, whichever way they travel: alone, over several connections, on a shared line."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from hal.modbus.place import UnitSettings
from hal.pdu import Answer, Expected


class MismatchError(Exception):
    """Bytes that cannot become the answer; never leaves `hal.modbus`."""


class TakenAlongError(ConnectionError):
    """The connection ended because of another request, which says why; never leaves `hal.modbus`.

    Args:
        reason: what to say of it.
        was_sent: whether this request had gone out.
    """

    def __init__(self, reason: str, *, was_sent: bool) -> None:
        super().__init__(reason)
        self.was_sent = was_sent


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
        requested_ns: monotonic nanoseconds just before the request was sent; or, where it waited in the device behind
            another, of the answer that came before its own: it was not served sooner. A device that serves several at
            the same moment is then dated late, by half of what the network takes at most.
        responded_ns: monotonic nanoseconds just after its answer was complete.
        is_after_flush: whether the line had to be flushed since the unit answered last.
    """

    answer: Answer
    requested_ns: int
    responded_ns: int
    is_after_flush: bool = False


class Channel(Protocol):
    """An open way to one unit.

    Its questions raise TimeoutError (no answer in time), ConnectionError (it is lost) or `MismatchError`.
    """

    lost: asyncio.Event

    @property
    def parallel(self) -> int:
        """Requests worth having under way: as many as go out at a time, or one more that waits to go."""
        ...

    async def ask(self, question: Question) -> Reply:
        """Ask once."""
        ...

    async def close(self) -> None:
        """Close it; harmless when it is closed already."""
        ...
