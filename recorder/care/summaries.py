"""Summaries of runs that have ended, and the statistics of recipes over them."""

import structlog

from recorder.care.connection import care_connection
from recorder.database import Session

OPERATION = "summaries"

log = structlog.get_logger()


async def summarise_ended_runs(dsn: str, schema: str) -> list[int]:
    """Fill the summaries of each run that has ended since, then refresh the statistics; returns the runs.

    Ten million points take seconds (docs/decisions/0011-run-summaries.md), so this has a connection of its own, without
    the time-outs of the pool.

    Raises:
        DatabaseError: the database is away, older than this release, or refuses.
    """
    async with care_connection(dsn, schema, operation=OPERATION) as connection:
        session = Session(connection, dsn)
        summarised = []
        for row in await session.fetch("runs_to_summarise"):
            found = await session.fetch_one("summarise_run", row["id"])
            assert found is not None
            log.info("run_summarised", run=row["id"], rows=found["rows"])
            summarised.append(int(row["id"]))
        if summarised:
            await session.execute("refresh_recipe_statistics")
        return summarised
