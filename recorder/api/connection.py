"""One connection of a client: it is let go where it keeps us waiting, and refused where there are too many.

uvicorn waits for ever for the rest of a request's head, and for a client that takes in nothing of its answer.
"""

import asyncio
from functools import partial
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LONGEST_HEAD: Final = 16_384
_TOO_MANY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b"
)
_PROBLEM: Final = (
    b'{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"too many connections are open"}'
)


class Connection(H11Protocol):
    """A connection that may take only so long, and of which there are only so many."""

    def __init__(self, *arguments: Any, patience_s: float, most: int, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._patience_s = patience_s
        self._most = most
        self._head: asyncio.TimerHandle | None = None
        self._taking: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._is_refused = True
            transport.write(_TOO_MANY % (len(_PROBLEM), _PROBLEM))
            transport.close()
        else:
            self._await_head()

    def data_received(self, data: bytes) -> None:
        """A part of a request came."""
        if self._is_refused:
            return
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_came()
        elif self._head is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._head_came()
        self._was_taken()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client has not taken in what it was sent."""
        super().pause_writing()
        if self._taking is None:
            self._taking = self.loop.call_later(self._patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It has."""
        self._was_taken()
        super().resume_writing()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self._patience_s, self.transport.abort)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _was_taken(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


def connections(*, patience_s: float, most: int) -> Any:
    """What makes a connection for uvicorn.

    Args:
        patience_s: how long a client may take for the head of a request, or to take in a part of an answer.
        most: connections at one time.
    """
    return partial(Connection, patience_s=patience_s, most=most)
