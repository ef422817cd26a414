"""One picture of the recorder for a script: the overview and every value, as text or as plain data."""

import locale
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from recorder.console.board import Board
from recorder.console.feed import Feed
from recorder.console.link import Link
from recorder.console.overview import overview_lines
from recorder.console.parameter_rows import VALUE_COLUMNS, ParameterRows
from recorder.console.words import ASCII, UNICODE, Glyphs, cut

_MOST_VALUES = 500
_WIDEST_NAME = 40


def is_unicode_terminal() -> bool:
    """Whether the locale says that the terminal shows UTF-8."""
    chosen = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    if chosen:
        return "utf" in chosen.lower()
    return "utf" in locale.getpreferredencoding(do_setlocale=False).lower()


@dataclass(frozen=True, kw_only=True)
class Once:
    """One picture.

    Attributes:
        plain: for ``--json``.
    """

    board: Board
    plain: dict[str, Any]

    def print(self) -> None:
        """Print it as text, no wider than the terminal."""
        glyphs = UNICODE if (sys.stdout.encoding or "").lower().startswith("utf") else ASCII
        width = shutil.get_terminal_size((80, 24)).columns
        console = Console(highlight=False, width=width)
        for line in [*overview_lines(self.board, width, glyphs), Text(), *_value_lines(self.board, width, glyphs)]:
            line.truncate(width, overflow="crop")
            line.rstrip()
            console.print(line, no_wrap=True, crop=True, soft_wrap=True)


def _value_lines(board: Board, width: int, glyphs: Glyphs) -> Sequence[Text]:
    rows = ParameterRows(board, glyphs)
    rows.rows = [row for row in board.parameters if row.is_read]
    name_width = min(_WIDEST_NAME, max((len(row.name) for row in rows.rows), default=10), width - 45)
    lines = []
    for at in range(rows.row_count):
        parameter = rows.rows[at]
        cells = rows.cells(at, [0, name_width, *([0] * (len(VALUE_COLUMNS) - 2))])
        sign, _, value, unit, _, _, _, word, age, *_ = (
            cell if isinstance(cell, Text) else Text(cell) for cell in cells
        )
        value.align("right", 12)
        unit.align("left", 8)
        word.align("left", 10)
        name = cut(parameter.name, name_width, glyphs).ljust(name_width)
        lines.append(Text.assemble(sign, " ", name, value, " ", unit, word, age))
    return lines


async def look_once(socket: Path) -> Once:
    """Ask the daemon for everything, once.

    Raises:
        RecorderError: it is away, or of another version.
    """
    link = Link(socket)
    board = Board()
    feed = Feed(link, board)
    try:
        status = await link.ask("status")
        await feed.refresh()
        ids = [row.id for row in board.parameters if row.is_read]
        for first in range(0, len(ids), _MOST_VALUES):
            await feed.ask_values(ids[first : first + _MOST_VALUES])
    finally:
        link.close()
    return Once(board=board, plain={"status": status, "values": _plain_values(board)})


def _plain_values(board: Board) -> list[dict[str, Any]]:
    found = []
    for row in board.parameters:
        shown = board.show(row)
        found.append(
            {
                "id": row.id,
                "parameter": row.name,
                "unit": row.unit,
                "value": shown.value if shown.text is None else shown.text,
                "set_value": shown.set_value,
                "desired": row.desired,
                "quality": shown.word,
                "is_live": shown.is_live,
                "age_s": shown.age_s,
            }
        )
    return found
