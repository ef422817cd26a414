"""How fast the daemon brings a backlog into the database, while it goes on recording.

The backlog is a spool file of ten million points, in entries as the daemon writes them, 110 parameters each; the daemon
starts upon it, with PostgreSQL there, and records the same 110 parameters at 10 Hz. The rate is that of the watermark
as another connection sees it, from the first commit to the one that carries the last of the backlog. It is set against
the same entries through the same `Writer.commit` without a spool, ready in memory, in transactions of the same size:
half of them before and half of them after, each in a fresh database of the same server.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.backlog import PROCESS, Backlog
from benchmarks.copy_rate import claimed_writer
from benchmarks.figure import Figure, Lengths
from benchmarks.rig import SCHEMA, Server, daemon, modbus_server, write_float_map
from benchmarks.watermark_watch import watch_watermark
from recorder.config.file import SpoolConfig, WriterConfig
from recorder.database import connect_once
from recorder.spool.entry import Outcome
from recorder.spool.store import SpooledEntry

ROW: Final = "drain"
PARAMETERS: Final = 110
GOAL_RATE: Final = 400_000
GOAL_SHARE: Final = 0.7
GOAL_MEMORY_MB: Final = 200
_MAX_BYTES: Final = SpoolConfig().max_mib * 1024 * 1024
_BATCH_SCANS: Final = WriterConfig().max_rows // PARAMETERS
_LIVE_S: Final = 2.0
_PATIENCE_S: Final = 600.0
_MISSED: Final = frozenset({Outcome.SKIPPED, Outcome.FAILED, Outcome.SHED})
_STORED: Final = "SELECT count(*) FROM process_data_points WHERE process_id = $1"
_LIVE_SLOTS: Final = """
SELECT outcome, sum(slots)::int8 AS slots FROM acquisition_minutes WHERE process_id <> $1 GROUP BY outcome
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Drained:
    """What was seen of a daemon with a backlog.

    Attributes:
        rate: points a second.
        seconds: that the backlog took.
        cpu_s: user and system time of the daemon from its start to the end of the backlog.
        live: slots of live sampling by outcome, of the accounting in the database.
        memory_mb: highest resident memory of the daemon.
        status: the daemon's picture at the end.
    """

    rate: float
    seconds: float
    cpu_s: float
    live: dict[str, int]
    memory_mb: float
    status: dict[str, Any]


async def measure(place: Server, lengths: Lengths) -> list[Figure]:
    """Drain one backlog."""
    backlog = Backlog(scans=-(-lengths.drain_points // PARAMETERS), parameters=PARAMETERS)
    half = min(backlog.scans, lengths.drain_points // 4 // PARAMETERS)
    seconds = [await _copy(place, backlog, scans=half)]
    drained = await _drain(place, backlog)
    seconds.append(await _copy(place, backlog, scans=half))
    copy_rate = 2 * half * PARAMETERS / sum(seconds)
    missed = sum(slots for outcome, slots in drained.live.items() if outcome in _MISSED)
    latency = drained.status["latency_ms"]
    note = (
        f"{backlog.points:,} points in {backlog.scans:,} entries in {drained.seconds:.1f} s, for which the daemon "
        f"took {drained.cpu_s:.1f} s of a core since its start; "
        f"{copy_rate:,.0f} points/s without a backlog, from memory, in transactions of the same size"
    )
    said = ", ".join(f"{slots} {outcome}" for outcome, slots in sorted(drained.live.items()))
    meanwhile = (
        f"meanwhile {said}; starts late by {_p99_and_highest(latency['start_delay'])}, on disk in "
        f"{_p99_and_highest(latency['spool'])}"
    )
    detail: dict[str, object] = {
        "seconds": drained.seconds,
        "cpu_s": drained.cpu_s,
        "copy_points_per_s": copy_rate,
        "live": drained.live,
    }
    return [
        Figure(
            row=ROW,
            what="points/s out of a backlog",
            value=drained.rate,
            digits=0,
            bound="at least",
            goal=GOAL_RATE,
            note=note,
            detail=detail,
        ),
        Figure(
            row=ROW,
            what="of the points/s without a backlog",
            value=drained.rate / copy_rate,
            bound="at least",
            goal=GOAL_SHARE,
            note=note,
        ),
        Figure(
            row=ROW, what="MB of memory of the daemon, at most", value=drained.memory_mb, digits=0, goal=GOAL_MEMORY_MB
        ),
        Figure(row=ROW, what="slots of live sampling missed", value=missed, digits=0, goal=0, note=meanwhile),
    ]


def _p99_and_highest(of_stage: Mapping[str, float]) -> str:
    return f"{of_stage['p99']:.1f} ms p99, {of_stage['max']:.1f} at most"


async def _copy(place: Server, backlog: Backlog, *, scans: int) -> float:
    """Commit scans that are ready in memory; returns seconds, of the commits alone."""
    seconds = 0.0
    dsn = await place.database()
    async with claimed_writer(dsn, place.folder / f"copy-{time.monotonic_ns()}") as (writer, session):
        sequence = 0
        for entries in backlog.batches(_BATCH_SCANS, most=scans):
            batch = [SpooledEntry(sequence=sequence + i, entry=entry) for i, entry in enumerate(entries, start=1)]
            sequence += len(batch)
            began = time.perf_counter()
            await writer.commit(session, batch)
            seconds += time.perf_counter() - began
    return seconds


async def _drain(place: Server, backlog: Backlog) -> _Drained:
    definitions = place.folder / "drain.csv"
    write_float_map(definitions, PARAMETERS)
    spool = place.folder / "backlog.sqlite3"
    last = await backlog.spool(spool, max_bytes=_MAX_BYTES)
    dsn = await place.database()
    watching = asyncio.create_task(watch_watermark(dsn, until=last))
    try:
        with modbus_server() as server:
            async with daemon(place, definitions, server.port, dsn=dsn, spool=spool) as running:
                async with asyncio.timeout(_PATIENCE_S):
                    seen = await watching
                    cpu_s = running.cpu_s()
                    await watch_watermark(dsn, until=last + round(_LIVE_S * 10))
                status = await running.status()
                memory_mb = running.highest_memory_mb()
    finally:
        watching.cancel()
    connection = await connect_once(dsn, schema=SCHEMA)
    try:
        stored = await connection.fetchval(_STORED, PROCESS)
        live = {row["outcome"]: row["slots"] for row in await connection.fetch(_LIVE_SLOTS, PROCESS)}
    finally:
        await connection.close()
    assert stored == backlog.points, f"{stored} points stored instead of {backlog.points}"
    (began_s, first), (ended_s, _) = seen[1], seen[-1]
    seconds = ended_s - began_s
    return _Drained(
        rate=(last - first) * PARAMETERS / seconds,
        seconds=seconds,
        cpu_s=cpu_s,
        live=live,
        memory_mb=memory_mb,
        status=status,
    )
