"""What the owner of the earlier recorder complained of, and each cure after the other, 32 ms a round trip away.

Definitions of six components, a set-value, a recorded scan and a parameter step, in one run against one PostgreSQL with
fsync. ``python -m benchmarks.owner_complaint`` prints the table of docs/performance.md.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from benchmarks.figure import Figure
from benchmarks.rig import REAL_MAP, SCHEMA, Server, default_folder, server
from hal.parameter import RegisterKind
from recorder import logs
from recorder.check.spread import Spread
from recorder.cli.app import run_async
from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import DatabaseSettings
from recorder.definitions.file import read_definition_file
from recorder.measure import record_time, sample, step_time, ways
from simulator import parameter_map
from simulator.array_memory import ArrayMemory
from simulator.memory import Unit
from simulator.server import serve_tcp
from simulator.wire import Wire

ROW: Final = "complaint"
ROUND_TRIP_MS: Final = 32.0
GOAL_DEFINITIONS_MS: Final = 40.0
GOAL_TIMES: Final = 5.0
GOAL_CACHED_US: Final = 50.0
GOAL_SPOOL_MS: Final = 2.0
GOAL_COMMIT_MS: Final = 40.0
GOAL_STEP_MS: Final = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One run.

    Attributes:
        map_name: of the definitions.
        parameters: of the six components, those without an address too.
        costs: of each way to ask, over the slow line.
        record: of a scan of these parameters, over the slow line.
        step: of one set-value, its database over the slow line too.
        fsync: of a file on the same disk right after, by itself: a recorded scan needs one, a step two.
    """

    map_name: str
    parameters: int
    costs: Sequence[ways.Cost]
    record: record_time.RecordTimes
    step: Spread
    fsync: Spread


def _fsync(folder: Path, count: int) -> Spread:
    """How long the disk takes to make four kilobytes durable."""
    times_ms = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            times_ms.append((time.perf_counter() - began) * 1000)
    return Spread.of(times_ms)


async def run(place: Server, *, rounds: int) -> Measured:
    """Measure everything once.

    Args:
        place: its folder is on the disk of the spool.
        rounds: of each way to ask; ten times as many scans and steps.
    """
    source = REAL_MAP if REAL_MAP.exists() else parameter_map.definitions_path()
    settings = DatabaseSettings(dsn=await place.database(), schema=SCHEMA, pool_min=1, pool_max=2)
    chosen = sample.largest_components(read_definition_file(source).definitions)
    definitions = await sample.store(settings, (*chosen, sample.SET_POINT))
    complained = definitions.model_copy(
        update={"definitions": tuple(d for d in definitions.definitions if d.device != sample.SET_POINT.device)}
    )
    folder = place.folder / "complaint"
    folder.mkdir()
    memory = ArrayMemory({RegisterKind.HOLDING_REGISTER: (0, [0] * 16)})
    async with (
        Proxy(settings.dsn, round_trip_ms=ROUND_TRIP_MS).listening() as line,
        serve_tcp(Wire({1: Unit(memory=memory)}), host="127.0.0.1", port=0) as port,
    ):
        far = replace(settings, dsn=line.url)
        costs = await ways.measure(far, complained, rounds=rounds, round_trips=lambda: line.round_trips)
        readable = len(complained.readable)
        record = await record_time.measure(far, folder, parameters=readable, scans=10 * rounds)
        step = await step_time.measure(far, definitions, folder, port=port, steps=10 * rounds)
    fsync = await asyncio.to_thread(_fsync, folder, 10 * rounds)
    name = "the map of the real tool" if source == REAL_MAP else "the simulator's map"
    return Measured(
        map_name=name, parameters=len(complained.definitions), costs=costs, record=record, step=step, fsync=fsync
    )


async def measure(place: Server, *, rounds: int) -> list[Figure]:
    """What the issue promises, each against its goal."""
    return figures(await run(place, rounds=rounds))


def figures(measured: Measured) -> list[Figure]:
    """One run as lines of the table of all benchmarks."""
    of = {cost.way: cost for cost in measured.costs}
    kept, best = of[ways.KEPT], of[ways.PREPARED]
    note = f"{sample.COMPONENTS} components with {measured.parameters} parameters of {measured.map_name}, "
    note += f"{ROUND_TRIP_MS:g} ms a round trip; medians"
    was = of[ways.AS_IT_WAS]
    by_component, by_connection = (way.definitions_ms / best.definitions_ms for way in (kept, was))
    lines = (
        ("ms, definitions", best.definitions_ms, "at most", GOAL_DEFINITIONS_MS, 1),
        ("round trips, definitions", best.definitions_round_trips, "at most", 1.0, 0),
        (
            "times faster than one query a component",
            by_component,
            "at least",
            GOAL_TIMES,
            1,
        ),
        ("times faster than connecting each time", by_connection, "at least", GOAL_TIMES, 1),
        ("µs, set-value of the cache", best.set_value_ms * 1000, "at most", GOAL_CACHED_US, 1),
        ("queries a minute for set-values", best.queries_a_minute, "at most", 1.0, 0),
        ("ms, one fsync by itself", measured.fsync.p50_ms, "at most", None, 2),
        ("ms, scan to spool", measured.record.spooled.p50_ms, "at most", GOAL_SPOOL_MS, 2),
        ("ms, scan to commit", measured.record.committed.p50_ms, "at most", GOAL_COMMIT_MS, 1),
        ("ms, parameter step", measured.step.p50_ms, "at most", GOAL_STEP_MS, 2),
    )
    return [
        Figure(row=ROW, what=what, value=value, bound=bound, goal=goal, digits=digits, note=note)  # type: ignore[arg-type]
        for what, value, bound, goal, digits in lines
    ]


def table(measured: Measured) -> str:
    """The tables of docs/performance.md."""
    slowest = measured.costs[0].definitions_ms
    of_what = f"{sample.COMPONENTS} components with {measured.parameters} parameters of {measured.map_name}"
    lines = [
        f"{of_what}, {ROUND_TRIP_MS:g} ms a round trip, load {os.getloadavg()[0]:.1f}",
        "",
        "| way to ask | definitions | round trips | times faster | a set-value | queries a minute |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for cost in measured.costs:
        value = f"{cost.set_value_ms:.1f} ms" if cost.set_value_ms >= 1 else f"{cost.set_value_ms * 1000:.1f} µs"
        lines.append(
            f"| {cost.way.name} | {cost.definitions_ms:.1f} ms | {cost.definitions_round_trips:g} "
            f"| {slowest / cost.definitions_ms:.1f} | {value} | {cost.queries_a_minute:,.0f} |"
        )
    lines += ["", "| | p50 | p99 | goal |", "| --- | --- | --- | --- |"]
    for what, spread, goal_ms in (
        ("scan to spool", measured.record.spooled, GOAL_SPOOL_MS),
        ("scan to commit", measured.record.committed, GOAL_COMMIT_MS),
        ("parameter step", measured.step, GOAL_STEP_MS),
        ("one fsync of 4 KiB by itself", measured.fsync, None),
    ):
        goal = "" if goal_ms is None else f"{goal_ms:g} ms"
        lines.append(f"| {what} | {spread.p50_ms:.2f} ms | {spread.p99_ms:.2f} ms | {goal} |")
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    logs.configure(level="warning")
    with server(default_folder()) as place:
        print(table(run_async(run(place, rounds=10))))


if __name__ == "__main__":
    main()
