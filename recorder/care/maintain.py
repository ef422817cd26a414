"""Maintenance by hand or by a timer: what a day, a week and a month need, while others record."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from recorder.care.connection import care_connection
from recorder.care.maintenance import drop_old_days
from recorder.care.schema import require_schema
from recorder.care.summaries import summarise_ended_runs
from recorder.database import FOREIGN_ERRORS, Session, translate
from recorder.errors import DatabaseError
from sql import load_query

OPERATION: Final = "database maintain"
DAYS_AHEAD: Final = 7
"""A database that is left alone for a week has its partitions all the same."""
_LOCK_WAIT: Final = "10s"


class Period(StrEnum):
    """How often; each does what the one before does, and more."""

    DAILY = "daily"
    """Partitions ahead, retention, summaries and statistics."""
    WEEKLY = "weekly"
    """VACUUM of what has dead rows."""
    MONTHLY = "monthly"
    """Bloated indexes built anew."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """One thing that was done, or failed.

    Attributes:
        what: the step, or the statement itself.
        said: what came of it.
        error: one line; None where it was done.
    """

    what: str
    said: str = ""
    seconds: float
    error: str | None = None


@dataclass(kw_only=True)
class Maintenance:
    """One round; a step that fails is kept and does not stop the next.

    Args:
        dsn: of a role that owns the schema, or a superuser.
        schema: the schema that holds all tables.
        keep_days: whole days of points to keep; 0 keeps all.
        tell: called with each thing done.
    """

    dsn: str
    schema: str
    keep_days: int = 0
    tell: Callable[[Done], None] = lambda _done: None
    done: list[Done] = field(default_factory=list)

    async def run(self, period: Period) -> list[Done]:
        """Do what a period needs, one thing after the other.

        Raises:
            DatabaseError: no connection, or a schema older than this release.
        """
        await require_schema(self.dsn, self.schema, operation=OPERATION)
        async with care_connection(self.dsn, self.schema, operation=OPERATION) as connection:
            session = Session(connection, self.dsn)
            # whoever waits for a table holds up the writers behind it
            await connection.execute(load_query("set_lock_timeout"), _LOCK_WAIT)
            async with self._step("partitions ahead") as say:
                made = await session.fetch_one("ensure_days_ahead", DAYS_AHEAD)
                say(f"{0 if made is None else made['made']} made, {DAYS_AHEAD} days ahead")
            async with self._step("retention") as say:
                dropped = await drop_old_days(session, datetime.now(UTC).date(), keep_days=self.keep_days)
                say("keeps all" if self.keep_days == 0 else f"{len(dropped)} days dropped, {self.keep_days} kept")
            async with self._step("summaries") as say:
                runs = await summarise_ended_runs(self.dsn, self.schema)
                say(f"{len(runs)} runs summarised")
            async with self._step("recipe statistics"):
                await session.execute("refresh_recipe_statistics")
            async with self._step("statistics of points"):
                await session.execute("analyze_points")
            wanted = ["analyze_statements"]
            if period in {Period.WEEKLY, Period.MONTHLY}:
                wanted.append("vacuum_statements")
            if period is Period.MONTHLY:
                wanted.append("reindex_statements")
            for name in wanted:
                # each asks anew: what is analysed by now tells which indexes are bloated
                for row in await session.fetch(name):
                    async with self._step(row["statement"]):
                        await connection.execute(row["statement"])
        return self.done

    @asynccontextmanager
    async def _step(self, what: str) -> AsyncIterator[Callable[[str], None]]:
        begun = time.monotonic()
        said: list[str] = []
        error: DatabaseError | None = None
        try:
            yield said.append
        except DatabaseError as refused:
            error = refused
        except FOREIGN_ERRORS as foreign:
            error = translate(foreign, operation=what, dsn=self.dsn)
        done = Done(
            what=what,
            said=said[0] if said else "",
            seconds=round(time.monotonic() - begun, 3),
            error=None if error is None else str(error),
        )
        self.done.append(done)
        self.tell(done)
