"""The history of runs, of any length, as rows of a list: pages are fetched where they come into sight."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.text import Text

from recorder.console.picture import RunPicture, RunsPage
from recorder.console.row_list import Column
from recorder.console.words import Glyphs, clock_span, local

PAGE: Final = 50
_MOST_PAGES: Final = 40
COLUMNS: Final = (
    Column(title="", width=1),
    Column(title="started", width=19),
    Column(title="took", width=8, is_right=True, from_width=70),
    Column(title="status", width=11),
    Column(title="audit", width=10),
    Column(title="recipe", width=8, share=2),
    Column(title="operator", width=10, share=1, from_width=90),
    Column(title="lot", width=10, share=1, from_width=75),
    Column(title="substrate", width=10, share=1, from_width=110),
    Column(title="run", width=19, from_width=130),
)
_STYLES: Final = {"completed": "green", "running": "bold cyan", "aborted": "bold red", "unknown_end": "yellow"}


class RunRows:
    """Pages of the history, the last few kept.

    Args:
        need: called with the number of a page that comes into sight and is not there.
    """

    def __init__(self, glyphs: Glyphs, need: Callable[[int], None]) -> None:
        self._glyphs = glyphs
        self._need = need
        self._pages: dict[int, Sequence[RunPicture]] = {}
        self._total = 0
        self.until_us = 0

    @property
    def row_count(self) -> int:
        """How many the history has, as far as it is known."""
        return self._total

    def begin(self) -> None:
        """Forget all: another search, or a run has begun or ended."""
        self._pages.clear()
        self.until_us = 0

    def take(self, page: RunsPage) -> None:
        """A page has come."""
        self._pages.pop(page.offset // PAGE, None)
        self._pages[page.offset // PAGE] = page.rows
        self._total, self.until_us = page.total, page.until_us
        while len(self._pages) > _MOST_PAGES:
            del self._pages[next(iter(self._pages))]

    def at(self, row: int) -> RunPicture | None:
        """The run of a row; None while its page is on the way."""
        page = self._pages.get(row // PAGE)
        if page is None:
            self._need(row // PAGE)
            return None
        return page[row % PAGE] if row % PAGE < len(page) else None

    def cells(self, row: int, widths: Sequence[int]) -> Sequence[Text | str]:
        """One run, in the order of `COLUMNS`."""
        del widths
        run, glyphs = self.at(row), self._glyphs
        if run is None:
            return ("", Text(glyphs.ellipsis, "dim"), *([""] * (len(COLUMNS) - 2)))
        style = _STYLES.get(run.status, "")
        # a run by hand always ends as stopped, and that is no fault
        marks = {"completed": glyphs.good, "running": glyphs.uncertain, "stopped": glyphs.none}
        took = "" if run.ended_at is None else clock_span((run.ended_at - run.started_at) / 1e6)
        verdict = run.audit_verdict or ("" if run.ended_at is None else glyphs.unknown)
        return (
            Text(marks.get(run.status, glyphs.bad), style),
            local(run.started_at, date=True),
            took,
            Text(run.status.replace("_", " "), style),
            Text(verdict.replace("_", " "), "green" if verdict == "balances" else ""),
            run.recipe or run.kind,
            run.operator,
            run.lot,
            run.substrate,
            str(run.id),
        )
