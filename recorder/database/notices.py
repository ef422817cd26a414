"""Hears of changes that others make in the database, for as long as it can, and says when it could not.

A notice that was sent while nobody listened is lost for good: so at each new beginning nothing that was known is
trusted.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Hearing:
    """Whose notices are heard, and by which way.

    Attributes:
        dsn: of the server itself.
        schema: notices of other schemas are not ours.
        machine: nor are those of other machines.
        check_every_s: pause between two looks at the connection.
        check_within_s: how long the server may take to give a sign of life.
        sleep: waits between attempts.
        listen: opens the connection.
    """

    dsn: str
    schema: str
    machine: str
    application_name: str
    check_every_s: float = CHECK_EVERY_S
    check_within_s: float = CHECK_WITHIN_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    listen: Callable[..., AbstractAsyncContextManager[Listened]] = listening


class Notices:
    """Listens to one channel for as long as `run` runs.

    Args:
        subject: what a notice calls the list of ids that it tells of.
        changed: called with the ids of what is another now, or with None where that may be anything: as listening
            begins, since what was changed before then nobody told, and after what cannot be understood. Must not block.
        heard: called as listening begins, and when it is known that notices get lost.

    Attributes:
        is_listening: whether a change would be heard of now.
        losses: how often the connection was lost.
    """

    def __init__(
        self,
        channel: str,
        subject: str,
        hearing: Hearing,
        *,
        changed: Callable[[Sequence[int] | None], None],
        heard: Callable[[bool], None] = lambda _is_heard: None,
    ) -> None:
        self._channel = channel
        self._subject = subject
        self._hearing = hearing
        self._changed = changed
        self._heard = heard
        self._told: str | None = None
        self.is_listening = False
        self.losses = 0

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is tried again and again."""
        hearing, pause_s = self._hearing, 1.0
        while True:
            try:
                async with hearing.listen(
                    hearing.dsn, self._channel, self._take, application_name=hearing.application_name
                ) as connection:
                    self.is_listening = True
                    self._told = None
                    pause_s = 1.0
                    self._heard(True)
                    self._changed(None)
                    while not connection.lost.is_set():
                        with suppress(TimeoutError):
                            # not wait_for: before Python 3.12 it loses a cancellation that comes with what it waits for
                            async with asyncio.timeout(hearing.check_every_s):
                                await connection.lost.wait()
                            break
                        await connection.check(within_s=hearing.check_within_s)
                self._lost("the connection was closed")
            except DatabaseError as error:
                self._lost(str(error))
            await hearing.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _take(self, payload: str) -> None:
        try:
            notice = json.loads(payload)
            if (notice["schema"], notice["machine"]) != (self._hearing.schema, self._hearing.machine):
                return
            named = notice[self._subject]
            ids = None if named is None else [int(one) for one in named]
        except (ValueError, KeyError, TypeError) as error:
            log.warning("notice_not_understood", channel=self._channel, payload=payload[:200], reason=str(error))
            ids = None
        self._changed(ids)

    def _lost(self, reason: str) -> None:
        if self.is_listening:
            self.is_listening = False
            self.losses += 1
            self._heard(False)
        if self._told != reason:
            self._told = reason
            log.warning("listener_lost", channel=self._channel, reason=reason)
