"""Hears that runs have changed, and drops what the caches tell of them; where it cannot hear, drops everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from recorder.api.run_history import RunHistory
from recorder.database import Database
from recorder.database.notices import Hearing, Notices

CHANNEL: Final = "ald_runs"
"""As migrations 0016 and 0018 name it."""


def run_notices(history: RunHistory, hearing: Hearing) -> Notices:
    """What hears of changes of runs, for as long as it runs."""
    return Notices(CHANNEL, "runs", hearing, changed=history.forget, heard=history.hear)


@asynccontextmanager
async def heard_history(database: Database, *, machine: str) -> AsyncIterator[RunHistory]:
    """A history that hears of changes for as long as the block runs, whenever the database is there."""
    history = RunHistory(database, machine)
    settings = database.settings
    hearing = Hearing(
        dsn=settings.server_dsn,
        schema=settings.schema,
        machine=machine,
        application_name=f"{settings.application_name} listener",
    )
    async with asyncio.TaskGroup() as tasks:
        listening_on = tasks.create_task(run_notices(history, hearing).run(), name="run listener")
        try:
            yield history
        finally:
            listening_on.cancel()
