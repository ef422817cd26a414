"""``python -m benchmarks``: measure, and set what was measured against its goals."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks import (
    commit_round_trips,
    console_cost,
    copy_rate,
    daemon_cost,
    drain,
    far_database,
    jitter,
    owner_complaint,
    readers,
    request_count,
    scan_1000,
    simulator_rate,
    spool_append,
)
from benchmarks.figure import FULL, QUICK, Figure, Lengths
from benchmarks.machine import Machine, look_at
from benchmarks.rig import Server, default_folder, server
from recorder import logs
from recorder.cli.app import run_async

ROWS: Final = (
    *(request_count.ROW, copy_rate.ROW, commit_round_trips.ROW, spool_append.ROW, drain.ROW),
    *(daemon_cost.CPU, daemon_cost.LATENCY, daemon_cost.TEN_THOUSAND, far_database.ROW),
    *(owner_complaint.ROW, readers.ROW),
    *(jitter.ROW, scan_1000.ROW, simulator_rate.ROW, console_cost.ROW),
)
_VERDICT_STYLE: Final = {"reached": "green", "MISSED": "bold red", "skipped": "yellow"}


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
        print(_json(machine, figures, seconds=seconds, load=load))
    else:
        _print(machine, figures, seconds=seconds, load=load)
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


def _json(machine: Machine, figures: Sequence[Figure], *, seconds: float, load: float) -> str:
    content = {
        "machine": asdict(machine),
        "seconds": round(seconds, 1),
        "load_at_the_end": load,
        "figures": [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures],
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _print(machine: Machine, figures: Sequence[Figure], *, seconds: float, load: float) -> None:
    console = Console(highlight=False)
    for line in machine.lines():
        console.print(line)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("benchmark", "measured", "", "goal", "verdict"):
        table.add_column(name, justify="right" if name == "measured" else "left")
    for figure in figures:
        value = "" if figure.value is None else f"{figure.value:,.{figure.digits}f}"
        goal = "" if figure.goal is None else f"{figure.bound} {figure.goal:g}"
        table.add_row(
            figure.row, value, figure.what, goal, Text(figure.verdict, _VERDICT_STYLE.get(figure.verdict, ""))
        )
    console.print(table)
    for note, whats in _by_note(figures).items():
        console.print(f"[dim]{'; '.join(whats)}:[/] {escape(note)}")
    console.print(f"{seconds:.0f} s in all, load {load:.2f} at the end")


def _by_note(figures: Sequence[Figure]) -> dict[str, list[str]]:
    """Notes, each once, with the figures that it explains."""
    whats: dict[str, list[str]] = {}
    for figure in figures:
        if figure.note:
            whats.setdefault(figure.note, []).append(escape(figure.what))
    return whats


if __name__ == "__main__":
    typer.run(main)
