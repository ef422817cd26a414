"""People who look at a run while it records: ten, fifty and a hundred at a time, and nothing of it touches a scan.

The readers are a process of their own with a pool of 20, as the program's HTTP server is. Each asks in turn for the run
and for the first page of the list, ten times a second; those who ask the same at the same time share one query.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from benchmarks.daemon_cost import tool_map
from benchmarks.figure import Figure
from benchmarks.rig import ROOT, SCHEMA, Server, daemon, modbus_server
from recorder.cli.app import run_async
from recorder.database import Database, DatabaseSettings
from recorder.errors import DatabaseError

ROW: Final = "readers"
READERS: Final = (10, 50, 100)
GOAL_MS: Final = 50.0
PAUSE_S: Final = 0.1
_PAGE: Final = 20
_SETTLE_S: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What so many readers met with.

    Attributes:
        errors: reads that failed.
        skipped: slots of the recorder that could not start meanwhile; filled in by who watches it.
    """

    readers: int
    reads: int
    p50_ms: float
    p95_ms: float
    longest_ms: float
    errors: int
    skipped: int = 0


async def read_together(dsn: str, run: int, *, readers: int, seconds: float) -> Reading:
    """Let so many read for so long."""
    times_ms: list[float] = []
    errors = 0
    settings = DatabaseSettings(dsn=dsn, schema=SCHEMA, prepared=("get_process_run", "page_of_runs"))
    async with Database(settings) as database:
        loop = asyncio.get_running_loop()
        end_s = loop.time() + seconds

        async def one(number: int) -> None:
            nonlocal errors
            await asyncio.sleep(PAUSE_S * number / readers)
            due_s = loop.time()
            for turn in range(sys.maxsize):
                if due_s >= end_s:
                    return
                began = time.perf_counter()
                try:
                    if (number + turn) % 2:
                        await database.read("get_process_run", run)
                    else:
                        await database.read("page_of_runs", None, False, _PAGE)
                except DatabaseError:
                    errors += 1
                times_ms.append((time.perf_counter() - began) * 1000)
                due_s = max(due_s + PAUSE_S, loop.time())
                await asyncio.sleep(due_s - loop.time())

        async with asyncio.TaskGroup() as tasks:
            for number in range(readers):
                tasks.create_task(one(number))
    p50_ms, p95_ms = np.percentile(times_ms, (50, 95))
    return Reading(
        readers=readers,
        reads=len(times_ms),
        p50_ms=float(p50_ms),
        p95_ms=float(p95_ms),
        longest_ms=max(times_ms),
        errors=errors,
    )


async def run(place: Server, *, seconds: float) -> list[Reading]:
    """Record at 10 Hz, and let each number of `READERS` read meanwhile."""
    found = []
    with modbus_server() as server:
        async with daemon(place, tool_map(place.folder), server.port) as running:
            number = await running.start_run()
            await asyncio.sleep(_SETTLE_S)
            for readers in READERS:
                before = (await running.status())["scans"]["skipped"]
                arguments = (running.dsn, str(number), str(readers), str(seconds))
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "benchmarks.readers", *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
                )
                said, _ = await process.communicate()
                skipped = (await running.status())["scans"]["skipped"] - before
                found.append(Reading(**{**json.loads(said), "skipped": skipped}))
    return found


async def measure(place: Server, *, seconds: float) -> list[Figure]:
    """The 95th percentile at each number of readers, and what it cost the recorder."""
    figures: list[Figure] = []
    for reading in await run(place, seconds=seconds):
        note = f"{reading.reads} reads in {seconds:g} s, p50 {reading.p50_ms:.1f}, longest {reading.longest_ms:.0f} ms"
        detail: dict[str, object] = asdict(reading)
        what = f"{reading.readers} readers"
        p95_ms, missed = reading.p95_ms, float(reading.errors + reading.skipped)
        figures += [
            Figure(row=ROW, what=f"ms a read, {what}, p95", value=p95_ms, goal=GOAL_MS, note=note, detail=detail),
            Figure(row=ROW, what=f"errors and missed slots, {what}", value=missed, digits=0, goal=0),
        ]
    return figures


def main(arguments: Sequence[str]) -> None:
    """The process of the readers."""
    dsn, number, readers, seconds = arguments
    reading = run_async(read_together(dsn, int(number), readers=int(readers), seconds=float(seconds)))
    print(json.dumps(asdict(reading)))


if __name__ == "__main__":
    main(sys.argv[1:])
