"""Hears of changes that others make in the database, for as long as it can, and says when it could not.

A notice that was sent while nobody listened is lost for good: so at each new beginning nothing that was known is
trusted.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, Protocol

import structlog

from recorder.database import listening
from recorder.errors import DatabaseError

CHECK_EVERY_S: Final = 15.0
"""A connection whose other end is silently gone is noticed after so long, and `CHECK_WITHIN_S`."""
CHECK_WITHIN_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 30.0

log = structlog.get_logger()


class Listened(Protocol):
    """A connection on which notices arrive."""

    lost: asyncio.Event

    async def check(self, *, within_s: float) -> None:
        """Ask the server for a sign of life."""
        ...


class Notices:
    """Listens to one channel for as long as `run` runs.

    Args:
        heard: called with the payload of each notice; must not block.
        begun: called each time that listening begins: what was changed before then nobody told.
        ended: called when it is known that notices get lost.
        dsn: of the server itself.
        lost_event: what the log calls a loss.
        check_every_s: pause between two looks at the connection.
        check_within_s: how long the server may take to give a sign of life.
        sleep: waits between attempts.
        listen: opens the connection.

    Attributes:
        is_listening: whether a change would be heard of now.
        losses: how often the connection was lost.
    """

    def __init__(
        self,
        channel: str,
        *,
        heard: Callable[[str], None],
        begun: Callable[[], None],
        ended: Callable[[], None] = lambda: None,
        dsn: str,
        application_name: str,
        lost_event: str,
        check_every_s: float = CHECK_EVERY_S,
        check_within_s: float = CHECK_WITHIN_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        listen: Callable[..., AbstractAsyncContextManager[Listened]] = listening,
    ) -> None:
        self._channel = channel
        self._heard = heard
        self._begun = begun
        self._ended = ended
        self._dsn = dsn
        self._application_name = application_name
        self._lost_event = lost_event
        self._check_every_s = check_every_s
        self._check_within_s = check_within_s
        self._sleep = sleep
        self._listen = listen
        self._told: str | None = None
        self.is_listening = False
        self.losses = 0

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is tried again and again."""
        pause_s = 1.0
        while True:
            try:
                async with self._listen(
                    self._dsn, self._channel, self._heard, application_name=self._application_name
                ) as connection:
                    self.is_listening = True
                    self._told = None
                    pause_s = 1.0
                    self._begun()
                    while not connection.lost.is_set():
                        with suppress(TimeoutError):
                            # not wait_for: before Python 3.12 it loses a cancellation that comes with what it waits for
                            async with asyncio.timeout(self._check_every_s):
                                await connection.lost.wait()
                            break
                        await connection.check(within_s=self._check_within_s)
                self._lost("the connection was closed")
            except DatabaseError as error:
                self._lost(str(error))
            await self._sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _lost(self, reason: str) -> None:
        if self.is_listening:
            self.is_listening = False
            self.losses += 1
            self._ended()
        if self._told != reason:
            self._told = reason
            log.warning(self._lost_event, reason=reason)
