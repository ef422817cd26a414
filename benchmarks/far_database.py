"""Recording with the database far away, and with none: 110 parameters at 10 Hz, 32 ms a round trip.

One daemon over a line that takes 32 ms; then another one, whose line is cut as soon as it records.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final

from benchmarks.figure import Figure, Lengths
from benchmarks.rig import Server, daemon, modbus_server, write_float_map
from recorder.cli.fault_lab.proxy import Proxy

ROW: Final = "far_database"
ROUND_TRIP_MS: Final = 32.0
PARAMETERS: Final = 110
GOAL_SPOOL_MS: Final = 2.0
GOAL_COMMIT_MS: Final = 150.0


async def measure(place: Server, lengths: Lengths) -> list[Figure]:
    """Measure both daemons for so many seconds each."""
    far = await _latency_ms(place, lengths, is_cut=False)
    away = await _latency_ms(place, lengths, is_cut=True)
    commit = far["sample_to_commit"]
    return [
        *(
            Figure(
                row=ROW,
                what=f"ms until a scan is on disk, p50, {where}",
                value=found["spool"]["p50"],
                goal=GOAL_SPOOL_MS,
                note=f"{found['spool']['count']} scans of {PARAMETERS} at 10 Hz, p99 {found['spool']['p99']:.1f} ms, "
                f"starts late by {found['start_delay']['p99']:.1f} ms p99",
                detail={"latency_ms": found},
            )
            for where, found in ((f"database {ROUND_TRIP_MS:g} ms away", far), ("database not there", away))
        ),
        Figure(
            row=ROW,
            what=f"ms sample to commit, p50, database {ROUND_TRIP_MS:g} ms away",
            value=commit["p50"],
            goal=GOAL_COMMIT_MS,
            note=f"p99 {commit['p99']:.1f} ms, highest {commit['max']:.1f}",
        ),
    ]


async def _latency_ms(place: Server, lengths: Lengths, *, is_cut: bool) -> dict[str, Any]:
    """What the daemon says of its latency after recording for a while."""
    definitions = place.folder / "far.csv"
    write_float_map(definitions, PARAMETERS)
    dsn = await place.database()
    with modbus_server() as server:
        async with AsyncExitStack() as stack:
            line = await stack.enter_async_context(Proxy(dsn, round_trip_ms=ROUND_TRIP_MS).listening())
            async with daemon(place, definitions, server.port, dsn=dsn, line=line.url) as running:
                if is_cut:
                    await stack.aclose()
                await asyncio.sleep(lengths.far_s)
                latency_ms: dict[str, Any] = (await running.status())["latency_ms"]
                return latency_ms
