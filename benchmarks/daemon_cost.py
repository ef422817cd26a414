"""What the whole daemon costs, and how long a sample takes to its committed row, while it really records.

One run of ``ald-recorder run`` at 10 Hz for each number of parameters, against a Modbus server in another process and a
PostgreSQL with fsync on. The runs at 110 parameters and at 10,000 points a second give the
latency as well.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.commit_watch import watch_commits
from benchmarks.figure import Figure, Lengths
from benchmarks.rig import REAL_MAP, Server, daemon, modbus_server, write_float_map

CPU: Final = "cpu"
LATENCY: Final = "latency"
TEN_THOUSAND: Final = "daemon_10k"
MANY: Final = 1_000
_INTERVAL_MS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class _Cost:
    """The daemon between two moments.

    Attributes:
        cpu_s: user and system time of the process.
        seconds: between the two moments.
        scans: slots in that time.
        rows: rows made in that time.
        skipped: slots of that time that could not start.
        status: the daemon's picture at the end.
        outside_ms: sample to row seen by another connection, a figure a scan; empty where nobody watched.
    """

    cpu_s: float
    seconds: float
    scans: int
    rows: int
    skipped: int
    status: dict[str, Any]
    outside_ms: Sequence[float]

    @property
    def detail(self) -> dict[str, object]:
        """For ``--json``."""
        latency = self.status["latency_ms"]
        return {"cpu_s": self.cpu_s, "seconds": self.seconds, "scans": self.scans, "rows": self.rows} | {
            "skipped": self.skipped,
            "read_ms": latency["read"],
            "spool_ms": latency["spool"],
            "commit_ms": latency["commit"],
        }


async def measure(place: Server, lengths: Lengths, wanted: frozenset[str]) -> list[Figure]:
    """Measure what is asked for of `CPU`, `LATENCY` and `TEN_THOUSAND`."""
    figures: list[Figure] = []
    tool = many = None
    if wanted & {CPU, LATENCY}:
        tool = await _run(place, lengths, tool_map(place.folder), watch=LATENCY in wanted)
    if wanted & {CPU, TEN_THOUSAND}:
        path = place.folder / "many.csv"
        write_float_map(path, MANY)
        many = await _run(place, lengths, path, watch=TEN_THOUSAND in wanted)
    if CPU in wanted and tool is not None and many is not None:
        figures += [_cpu_a_scan(tool), _cpu_a_point(many)]
    if LATENCY in wanted and tool is not None:
        figures += _latency(LATENCY, tool, {50: 15.0, 99: 50.0})
    if TEN_THOUSAND in wanted and many is not None:
        figures += [_cpu_share(many), *_latency(TEN_THOUSAND, many, {99: 50.0})]
    return figures


def tool_map(folder: Path) -> Path:
    """The 110 parameters of the real tool, else 110 float32."""
    if REAL_MAP.exists():
        return REAL_MAP
    path = folder / "tool.csv"
    write_float_map(path, 110)
    return path


async def _run(place: Server, lengths: Lengths, definitions: Path, *, watch: bool) -> _Cost:
    with modbus_server() as server:
        async with daemon(place, definitions, server.port) as running:
            run = await running.start_run()
            await asyncio.sleep(lengths.settle_s)
            before = (await running.status())["scans"]
            started, cpu_before = time.monotonic(), running.cpu_s()
            outside_ms: Sequence[float] = ()
            if watch:
                outside_ms = await watch_commits(running.dsn, run, seconds=lengths.daemon_s, interval_ms=_INTERVAL_MS)
            else:
                await asyncio.sleep(lengths.daemon_s)
            cpu_after, ended = running.cpu_s(), time.monotonic()
            status = await running.status()
    after = status["scans"]
    return _Cost(
        cpu_s=cpu_after - cpu_before,
        seconds=ended - started,
        scans=after["scheduled"] - before["scheduled"],
        rows=after["rows"] - before["rows"],
        skipped=after["skipped"] - before["skipped"],
        status=status,
        outside_ms=outside_ms,
    )


def _cpu_a_scan(cost: _Cost) -> Figure:
    parameters = cost.rows // max(1, cost.scans - cost.skipped)
    return Figure(
        row=CPU,
        what=f"ms CPU a scan, {parameters} parameters",
        value=cost.cpu_s / cost.scans * 1e3,
        goal=4,
        note=_span(cost),
        detail=cost.detail,
    )


def _cpu_a_point(cost: _Cost) -> Figure:
    return Figure(
        row=CPU,
        what=f"µs CPU a point, {MANY:,} parameters",
        value=cost.cpu_s / max(1, cost.rows) * 1e6,
        goal=6,
        note=_span(cost),
        detail=cost.detail,
    )


def _cpu_share(cost: _Cost) -> Figure:
    return Figure(
        row=TEN_THOUSAND,
        what=f"% of a core at {MANY * 1000 // _INTERVAL_MS:,} points a second",
        value=100 * cost.cpu_s / cost.seconds,
        digits=1,
        goal=12,
        note=_span(cost),
        detail=cost.detail,
    )


def _span(cost: _Cost) -> str:
    share = 100 * cost.cpu_s / cost.seconds
    skipped = f", {cost.skipped} slots skipped" if cost.skipped else ""
    scans = f"{cost.scans} scans at 10 Hz in {cost.seconds:.0f} s"
    return f"user and system time of the daemon, {scans}, {share:.1f} % of a core{skipped}"


def _latency(row: str, cost: _Cost, goals: Mapping[int, float]) -> list[Figure]:
    inside = cost.status["latency_ms"]["sample_to_commit"]
    of_daemon = f"the daemon's own histogram since its start, {inside['count']} scans, highest {inside['max']:.1f}"
    outside = np.asarray(cost.outside_ms)
    of_watcher = f"row seen by another connection that asks each ms, {len(outside)} scans, highest {outside.max():.1f}"
    figures = [
        Figure(
            row=row,
            what=f"ms sample to commit, p{percent}",
            value=inside[f"p{percent}"],
            goal=goal,
            note=of_daemon,
            detail=cost.detail if percent == 50 else {},
        )
        for percent, goal in goals.items()
    ]
    return figures + [
        Figure(
            row=row,
            what=f"ms sample to visible row, p{percent}",
            value=float(np.percentile(outside, percent)),
            goal=goal,
            note=of_watcher,
        )
        for percent, goal in goals.items()
    ]
