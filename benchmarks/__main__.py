"""``python -m benchmarks``: measure, and set what was measured against its goals."""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from benchmarks import (
    commit_round_trips,
    console_cost,
    copy_rate,
    daemon_cost,
    drain,
    far_database,
    figure_table,
    jitter,
    owner_complaint,
    readers,
    request_count,
    scan_1000,
    simulator_rate,
    spool_append,
)
from benchmarks.figure import FULL, QUICK, Figure, Lengths
from benchmarks.machine import look_at
from benchmarks.rig import Server, default_folder, server
from recorder import logs
from recorder.cli.app import run_async

ROWS: Final = (
    *(request_count.ROW, copy_rate.ROW, commit_round_trips.ROW, spool_append.ROW, drain.ROW),
    *(daemon_cost.CPU, daemon_cost.LATENCY, daemon_cost.TEN_THOUSAND, far_database.ROW),
    *(owner_complaint.ROW, readers.ROW),
    *(jitter.ROW, scan_1000.ROW, simulator_rate.ROW, console_cost.ROW),
)


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(ROWS)}; may be given again.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter, below two minutes, and less exact.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Folder on the disk to be measured; by default /var/tmp.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 where a goal is missed.")] = False,
) -> None:
    """Measure the recorder on this machine; each figure is a ratio or a cost within this one run."""
    for name in only or ():
        if name not in ROWS:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(ROWS)}", param_hint="--only")
    logs.configure(level="warning")
    lengths = QUICK if quick else FULL
    started = time.monotonic()
    with server(folder or default_folder()) as place:
        version = place.postgres.version
        machine = look_at(place.folder, postgresql=version, fsync_s=lengths.fsync_s)
        figures = run_async(measure(place, lengths, only or ROWS))
    seconds = time.monotonic() - started
    load = os.getloadavg()[0]
    if as_json:
        print(figure_table.as_json(machine, figures, seconds=seconds, load=load))
    else:
        figure_table.print_table(machine, figures, seconds=seconds, load=load)
    if strict and any(figure.is_reached is False for figure in figures):
        sys.exit(1)


async def measure(place: Server, lengths: Lengths, rows: Sequence[str]) -> list[Figure]:
    """Run the benchmarks that are asked for, one after the other: none shall disturb another."""
    of_daemon = frozenset(rows) & {daemon_cost.CPU, daemon_cost.LATENCY, daemon_cost.TEN_THOUSAND}
    ways: Sequence[tuple[bool, Callable[[], Awaitable[list[Figure]]]]] = (
        (request_count.ROW in rows, lambda: request_count.measure(lengths)),
        (copy_rate.ROW in rows, lambda: copy_rate.measure(place, lengths)),
        (commit_round_trips.ROW in rows, lambda: commit_round_trips.measure(place, commits=lengths.commits)),
        (spool_append.ROW in rows, lambda: spool_append.measure(place.folder, seconds=lengths.spool_s)),
        (drain.ROW in rows, lambda: drain.measure(place, lengths)),
        (bool(of_daemon), lambda: daemon_cost.measure(place, lengths, of_daemon)),
        (far_database.ROW in rows, lambda: far_database.measure(place, lengths)),
        (owner_complaint.ROW in rows, lambda: owner_complaint.measure(place, rounds=lengths.complaint_rounds)),
        (readers.ROW in rows, lambda: readers.measure(place, seconds=lengths.readers_s)),
        (console_cost.ROW in rows, lambda: console_cost.measure(place, lengths)),
        (jitter.ROW in rows, lambda: jitter.measure(place.folder, seconds=lengths.jitter_s)),
        (scan_1000.ROW in rows, lambda: scan_1000.measure(seconds=lengths.scan_s)),
        (
            simulator_rate.ROW in rows,
            lambda: asyncio.to_thread(simulator_rate.figures, seconds=lengths.rate_s),
        ),
    )
    return [figure for is_wanted, way in ways if is_wanted for figure in await way()]


if __name__ == "__main__":
    typer.run(main)
