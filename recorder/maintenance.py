"""Care that must not wait for a person: tomorrow's partition, retention, and a word before the disk is full."""

import asyncio
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from recorder.database import Database
from recorder.errors import DatabaseError

INTERVAL_S: Final = 600.0

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


async def drop_old_partitions(database: Database, today: date, *, keep_days: int) -> list[str]:
    """Drop whole days of points older than the retention; returns the names of what was dropped.

    The earlier of this machine's day and the database's counts, so that a clock that is ahead drops nothing.

    Args:
        database: an open pool.
        today: UTC.
        keep_days: whole days to keep; 0 keeps all.

    Raises:
        DatabaseError: the database is away, or a reader held a partition longer than the lock time-out.
    """
    if keep_days == 0:
        return []
    dropped = []
    async with database.session() as session:
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


async def maintain(database: Database, folder: Path, *, keep_days: int, warning_percent: float) -> None:
    """Do all of it every ten minutes until cancelled; a database that is away is left for the next time."""
    while True:
        warn_of_full_disk(folder, warning_percent=warning_percent)
        today = datetime.now(UTC).date()
        try:
            await database.ensure_open()
            await make_partitions_ahead(database, today)
            await drop_old_partitions(database, today, keep_days=keep_days)
        except DatabaseError as error:
            log.warning("maintenance_postponed", error=str(error))
        await asyncio.sleep(INTERVAL_S)
