"""Hears that runs have changed, and drops what the caches tell of them; where it cannot hear, drops everything."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import structlog

from recorder.api.run_history import RunHistory
from recorder.database import Database, listening
from recorder.database.notices import CHECK_EVERY_S, CHECK_WITHIN_S, Listened, Notices

CHANNEL: Final = "ald_runs"
"""As migrations 0016 and 0018 name it."""

log = structlog.get_logger()


class RunListener:
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
        history: RunHistory,
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
        self._history = history
        self._schema = schema
        self._machine = machine
        self._notices = Notices(
            CHANNEL,
            heard=self._heard,
            begun=lambda: self._hears(is_heard=True),
            ended=lambda: self._hears(is_heard=False),
            dsn=dsn,
            application_name=application_name,
            lost_event="run_listener_lost",
            check_every_s=check_every_s,
            check_within_s=check_within_s,
            sleep=sleep,
            listen=listen,
        )

    async def run(self) -> None:
        """Listen until cancelled; a database that is away is tried again and again."""
        await self._notices.run()

    def _hears(self, *, is_heard: bool) -> None:
        self._history.is_heard = is_heard
        self._history.forget()

    def _heard(self, payload: str) -> None:
        try:
            notice = json.loads(payload)
            if (notice["schema"], notice["machine"]) != (self._schema, self._machine):
                return
            runs = notice["runs"]
            self._history.forget(None if runs is None else [int(run) for run in runs])
        except (ValueError, KeyError, TypeError) as error:
            log.warning("run_notice_not_understood", payload=payload[:200], reason=str(error))
            self._history.forget()


@asynccontextmanager
async def heard_history(database: Database, *, machine: str) -> AsyncIterator[RunHistory]:
    """A history that hears of changes for as long as the block runs, whenever the database is there."""
    history = RunHistory(database, machine)
    settings = database.settings
    listener = RunListener(
        history,
        dsn=settings.server_dsn,
        schema=settings.schema,
        machine=machine,
        application_name=f"{settings.application_name} listener",
    )
    async with asyncio.TaskGroup() as tasks:
        listening_on = tasks.create_task(listener.run(), name="run listener")
        try:
            yield history
        finally:
            listening_on.cancel()
