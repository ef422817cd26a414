"""Care that must not wait for a person: tomorrow's partition, retention, summaries, and a word before a full disk."""

import asyncio
import math
import shutil
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from recorder.care.summaries import summarise_ended_runs
from recorder.database import Database, Session
from recorder.errors import DatabaseError, RightMissingError

INTERVAL_S: Final = 600.0
SUMMARY_INTERVAL_S: Final = 30.0
"""Most that a run waits for its summaries after its end: one look-up in a small index each time."""

_INSTEAD: Final = "ald-recorder database maintain --daily, as a role that may (docs/database.md)"

log = structlog.get_logger()


def disk_use_percent(folder: Path) -> float:
    """How full the disk of a folder is."""
    usage = shutil.disk_usage(folder)
    return 100.0 * (usage.total - usage.free) / usage.total


def warn_of_full_disk(folder: Path, *, warning_percent: float) -> None:
    """Log a warning when the disk of the data directory fills up, or cannot be asked."""
    try:
        percent = disk_use_percent(folder)
    except OSError as error:
        log.warning("disk_unknown", folder=str(folder), reason=str(error))
        return
    if percent >= warning_percent:
        log.warning("disk_almost_full", folder=str(folder), used_percent=round(percent, 1))


async def make_partitions_ahead(database: Database, today: date) -> None:
    """Make the partitions of today and tomorrow, so that no commit has to at midnight.

    Raises:
        DatabaseError: the database is away.
    """
    async with database.session() as session:
        for day in (today, today + timedelta(days=1)):
            await session.execute("ensure_day_partition", day)


async def drop_old_days(session: Session, today: date, *, keep_days: int) -> list[str]:
    """Drop whole days of points older than the retention; returns the names of what was dropped.

    The earlier of this machine's day and the database's counts, so that a clock that is ahead drops nothing.

    Args:
        session: of a role that may drop them.
        today: UTC.
        keep_days: whole days to keep; 0 keeps all.

    Raises:
        DatabaseError: the database is away, or a reader held a partition longer than the lock time-out.
    """
    if keep_days == 0:
        return []
    dropped = []
    said = await session.fetch_one("database_day")
    assert said is not None
    first_kept = min(today, said["day"]) - timedelta(days=keep_days)
    for row in await session.fetch("old_day_partitions", first_kept):
        name: str = row["name"]
        day = datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC).date()
        await session.execute("drop_day_partition", day)
        dropped.append(name)
        log.info("partition_dropped", name=name, keep_days=keep_days)
    return dropped


async def drop_old_partitions(database: Database, today: date, *, keep_days: int) -> list[str]:
    """The same by a connection of the pool.

    Raises:
        DatabaseError: as `drop_old_days`.
    """
    async with database.session() as session:
        return await drop_old_days(session, today, keep_days=keep_days)


async def maintain(
    database: Database,
    folder: Path,
    *,
    keep_days: int,
    warning_percent: float,
    monotonic_s: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Do all of it until cancelled.

    A run is summarised soon after its end, statistics are made once a day, the rest is done every ten minutes; what
    the database refuses, or is away for, is left for the next time and holds up nothing else.
    """
    due_s = -math.inf
    analysed: date | None = None
    postponed = _Postponed()
    while True:
        today = datetime.now(UTC).date()
        tasks: list[tuple[str, Callable[[], Awaitable[object]]]] = []
        if monotonic_s() >= due_s:
            due_s = monotonic_s() + INTERVAL_S
            warn_of_full_disk(folder, warning_percent=warning_percent)
            tasks.append(("partitions", partial(make_partitions_ahead, database, today)))
            tasks.append(("retention", partial(drop_old_partitions, database, today, keep_days=keep_days)))
        tasks.append(("summaries", partial(_summarise, database)))
        if analysed != today:
            # once a day, done or not: what runs into its time limit must not be tried every half minute
            analysed = today
            tasks.append(("statistics", partial(_execute, database, "analyze_points")))
        for name, task in tasks:
            try:
                await database.ensure_open()
                await task()
            except DatabaseError as error:
                postponed.tell(name, error)
            else:
                postponed.forget(name)
        await sleep(SUMMARY_INTERVAL_S)


async def _execute(database: Database, statement: str) -> None:
    async with database.session() as session:
        await session.execute(statement)


async def _summarise(database: Database) -> None:
    async with database.session() as session:
        is_wanted = bool(await session.fetch("runs_to_summarise"))
    if is_wanted:
        await summarise_ended_runs(database.settings.server_dsn, database.settings.schema)


class _Postponed:
    """What was said of each task, so that a refusal that lasts is said once; that of a right once for good."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._forbidden: set[str] = set()

    def tell(self, task: str, error: DatabaseError) -> None:
        if isinstance(error, RightMissingError):
            if task not in self._forbidden:
                self._forbidden.add(task)
                log.warning("maintenance_not_allowed", task=task, error=str(error), instead=_INSTEAD)
        elif self._told.get(task) != str(error):
            self._told[task] = str(error)
            log.warning("maintenance_postponed", task=task, error=str(error))

    def forget(self, task: str) -> None:
        self._told.pop(task, None)
