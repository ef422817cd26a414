"""Hears of set-values that somebody else has changed, and forgets them at once.

A notice that was sent while nobody listened is lost for good: so after every gap nothing that was known is trusted.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, Protocol

import structlog

from recorder.database import listening
from recorder.errors import DatabaseError
from recorder.set_values import SetValues

CHANNEL: Final = "ald_set_values"
"""As migration 0014 names it."""
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


class SetValueListener:
    """Listens for as long as `run` runs.

    Args:
        dsn: of the server itself.
        schema: notices of other schemas are not ours.
        machine: nor are those of other machines.
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
        set_values: SetValues,
        *,
        dsn: str,
        schema: str,
        machine: str,
        application_name: str,
        check_every_s: float = CHECK_EVERY_S,
        check_within_s: float = CHECK_WITHIN_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        listen: Callable[..., AbstractAsyncContextManager[Listened]] = listening,
    ) -> None:
        self._listen = listen
        self._set_values = set_values
        self._dsn = dsn
        self._schema = schema
        self._machine = machine
        self._application_name = application_name
        self._check_every_s = check_every_s
        self._check_within_s = check_within_s
        self._sleep = sleep
        self._told: str | None = None
        self.is_listening = False
        self.losses = 0

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is tried again and again."""
        pause_s = 1.0
        while True:
            try:
                async with self._listen(
                    self._dsn, CHANNEL, self._heard, application_name=self._application_name
                ) as connection:
                    self.is_listening = True
                    self._told = None
                    pause_s = 1.0
                    self._set_values.invalidate()
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
        if self._told != reason:
            self._told = reason
            log.warning("set_value_listener_lost", reason=reason)

    def _heard(self, payload: str) -> None:
        try:
            notice = json.loads(payload)
            if (notice["schema"], notice["machine"]) != (self._schema, self._machine):
                return
            parameter_ids = notice["parameters"]
            self._set_values.invalidate(None if parameter_ids is None else [int(i) for i in parameter_ids])
        except (ValueError, KeyError, TypeError) as error:
            log.warning("set_value_notice_not_understood", payload=payload[:200], reason=str(error))
            self._set_values.invalidate()
