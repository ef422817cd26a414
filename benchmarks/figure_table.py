"""Figures as a table for people, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from benchmarks.figure import Figure
from benchmarks.machine import Machine

_VERDICT_STYLE: Final = {"reached": "green", "MISSED": "bold red", "skipped": "yellow"}


def as_json(machine: Machine, figures: Sequence[Figure], *, seconds: float, load: float, **more: object) -> str:
    """One JSON object; what else there is to say goes beside the figures."""
    content = {
        "machine": asdict(machine),
        "seconds": round(seconds, 1),
        "load_at_the_end": load,
        "figures": [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures],
        **more,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def print_table(machine: Machine, figures: Sequence[Figure], *, seconds: float, load: float) -> None:
    """For people: the machine, a line a figure, and each note once."""
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
