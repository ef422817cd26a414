"""How results are printed: JSON for programs, tables for people."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

_SECOND_MS: Final = 1000


def print_json(value: object) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, wraps: Sequence[str] = ()) -> None:
    """Print a table that fits the terminal.

    Args:
        columns: names; one that ends in ``#`` holds numbers.
        rows: cells.
        wraps: columns that give way on a narrow terminal; the others keep their width.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_number = column.endswith("#")
        table.add_column(
            column.removesuffix("#"),
            justify="right" if is_number else "left",
            no_wrap=column not in wraps,
            overflow="fold",
        )
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(highlight=False).print(table)


def local_time(moment: datetime | None) -> str:
    """A moment as people at the tool read it: their own time zone, to the second."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(started: datetime, ended: datetime | None) -> str:
    """How long something took, as hours, minutes and seconds."""
    if ended is None:
        return "running"
    seconds = (ended - started).total_seconds()
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}"


def clock_offset(offset_us: int) -> str:
    """How far a clock is from the time that is recorded; what it is ahead of or behind is said after it."""
    size_ms = abs(offset_us) / 1000
    size = f"{size_ms:.1f} ms" if size_ms < _SECOND_MS else f"{size_ms / 1000:.1f} s"
    return f"{size} {'behind' if offset_us < 0 else 'ahead of'}"
