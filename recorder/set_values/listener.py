"""Hears of set-values that somebody else has changed, and forgets them at once."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog

from recorder.database import listening
from recorder.database.notices import CHECK_EVERY_S, CHECK_WITHIN_S, Listened, Notices
from recorder.set_values.cache import SetValues

CHANNEL: Final = "ald_set_values"
"""As migration 0014 names it."""

log = structlog.get_logger()


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
        self._set_values = set_values
        self._schema = schema
        self._machine = machine
        self._notices = Notices(
            CHANNEL,
            heard=self._heard,
            begun=set_values.invalidate,
            dsn=dsn,
            application_name=application_name,
            lost_event="set_value_listener_lost",
            check_every_s=check_every_s,
            check_within_s=check_within_s,
            sleep=sleep,
            listen=listen,
        )

    @property
    def is_listening(self) -> bool:
        """Whether a change would be heard of now."""
        return self._notices.is_listening

    @property
    def losses(self) -> int:
        """How often the connection was lost."""
        return self._notices.losses

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is tried again and again."""
        await self._notices.run()

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
