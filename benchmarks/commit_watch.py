"""When a row can be seen by somebody else: the check on the daemon's own word about its latency.

Another connection asks again and again for the next row of the run. The commit time stamps that PostgreSQL can keep
(track_commit_timestamp) would be cheaper, but they are taken before the fsync of the commit record and so flatter; a
row is visible only after it.
"""

import asyncio
import time
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from benchmarks.rig import SCHEMA
from recorder.database import connect_once

_NEXT_ROW: Final = """
SELECT "timestamp" FROM process_data_points
 WHERE process_id = $1 AND "timestamp" > $2
 ORDER BY "timestamp" LIMIT 1
"""
_LAST_ROW: Final = 'SELECT max("timestamp") FROM process_data_points WHERE process_id = $1'
_POLL_S: Final = 0.000_5
_PATIENCE_S: Final = 10.0


async def watch_commits(dsn: str, run: int, *, seconds: float, interval_ms: int) -> list[float]:
    """Follow a run for some seconds; returns milliseconds a scan from its oldest sample to its row being seen.

    What is returned is an upper bound: it holds the wait for the next question (about 1 ms) and the answer's way back.
    Between two scans it asks nothing, so that it does not slow down what it measures.

    Args:
        dsn: of the recorder's database.
        run: process id, with rows already.
        seconds: how long.
        interval_ms: distance of two scans; the rows of one scan are less than half of that apart.

    Raises:
        TimeoutError: no row for 10 s.
    """
    found_ms: list[float] = []
    connection = await connect_once(dsn, schema=SCHEMA)
    try:
        seen = await connection.fetchval(_LAST_ROW, run)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            seen, late_ms = await next_commit(connection, run, after=seen + timedelta(milliseconds=interval_ms / 2))
            found_ms.append(late_ms)
            # the next slot is due by the wall clock, at a multiple of the interval
            next_slot_us = (seen.timestamp() * 1e6 // (interval_ms * 1e3) + 1) * interval_ms * 1e3
            await asyncio.sleep(max(0.0, next_slot_us - time.time_ns() / 1e3) / 1e6)
    finally:
        await connection.close()
    return found_ms


async def next_commit(connection: asyncpg.Connection, run: int, *, after: datetime) -> tuple[datetime, float]:
    """Ask until the run has a later row; gives its time, and by how many milliseconds it was seen later than that.

    Raises:
        TimeoutError: no row for 10 s.
    """
    async with asyncio.timeout(_PATIENCE_S):
        # PostgreSQL tells nobody of a commit without being asked to by the one who commits
        while (row := await connection.fetchval(_NEXT_ROW, run, after)) is None:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_S)
    return row, time.time_ns() / 1e6 - row.timestamp() * 1e3
