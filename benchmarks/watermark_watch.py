"""How far a stream has come in the database, moment by moment, as another connection sees it."""

import asyncio
import time
from typing import Final

from benchmarks.rig import SCHEMA
from recorder.database import connect_once

_WATERMARK: Final = "SELECT coalesce(max(last_sequence), 0) FROM recorder_streams"
_POLL_S: Final = 0.02


async def watch_watermark(dsn: str, *, until: int) -> list[tuple[float, int]]:
    """Ask until all is there; returns each watermark once, with the monotonic seconds at which it was seen.

    Args:
        dsn: of the recorder's database.
        until: a sequence.
    """
    seen: list[tuple[float, int]] = [(time.monotonic(), 0)]
    connection = await connect_once(dsn, schema=SCHEMA)
    try:
        statement = await connection.prepare(_WATERMARK)
        while seen[-1][1] < until:
            watermark: int = await statement.fetchval()
            if watermark > seen[-1][1]:
                seen.append((time.monotonic(), watermark))
            await asyncio.sleep(_POLL_S)
    finally:
        await connection.close()
    return seen
