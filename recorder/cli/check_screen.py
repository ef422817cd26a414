"""How the lines of a check look on a terminal of 80 columns."""

import shutil
import textwrap
from typing import Final

from rich.console import Console
from rich.text import Text

from recorder.check.parameters import PARAMETERS
from recorder.check.verdict import Line, Report, Verdict

_STYLES: Final = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAULT: "bold red",
    Verdict.NOT_ASKED: "dim",
}
_VERDICT_WIDTH: Final = max(len(verdict) for verdict in Verdict)
_INDENT: Final = " " * (_VERDICT_WIDTH + 4)
_NARROWEST: Final = 50
_LEGEND: Final = "beneath each its words, and its value in each word order: * marks what it can be"
_PLURAL: Final = frozenset({Verdict.WARNING, Verdict.FAULT})


class CheckScreen:
    """Prints lines as they come, with a heading for each section.

    Args:
        is_brief: print what is not well alone.
    """

    def __init__(self, *, is_brief: bool = False) -> None:
        self._is_brief = is_brief
        self._section = ""
        self._console = Console(highlight=False, soft_wrap=True)
        self._width = max(_NARROWEST, shutil.get_terminal_size((80, 24)).columns)

    def show(self, line: Line) -> None:
        """Print one line and its notes."""
        if self._is_brief and line.verdict is Verdict.OK:
            return
        if line.section != self._section:
            if self._section:
                self._console.print()
            self._console.print(Text(line.section, style="bold"))
            self._section = line.section
            if line.section.startswith(PARAMETERS):
                for text in self._wrapped(_LEGEND, hanging=0):
                    self._console.print(Text(f"{_INDENT}{text}", style="dim"))
        first, *rest = self._wrapped(line.message, hanging=2)
        label = Text(f"  {line.verdict:{_VERDICT_WIDTH}}  ", style=_STYLES[line.verdict])
        self._console.print(label + Text(first, style=""))
        for text in (*rest, *(part for note in line.notes for part in self._wrapped(note, hanging=2))):
            self._console.print(Text(f"{_INDENT}{text}"))

    def show_sum(self, report: Report) -> None:
        """Print what it all comes to."""
        counts = ", ".join(
            f"{report.count(verdict)} {verdict}{'s' if verdict in _PLURAL and report.count(verdict) > 1 else ''}"
            for verdict in reversed(Verdict)
            if report.count(verdict)
        )
        style = "bold green" if report.is_well else "bold red"
        self._console.print()
        self._console.print(
            Text(f"{'nothing is wrong' if report.is_well else 'something is wrong'}: {counts}", style=style)
        )

    def _wrapped(self, text: str, *, hanging: int) -> list[str]:
        return textwrap.wrap(
            text,
            self._width - len(_INDENT),
            subsequent_indent=" " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            fix_sentence_endings=False,
        ) or [""]
