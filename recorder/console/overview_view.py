"""The first view: the whole recorder at a glance."""

from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from recorder.console.feed import News
from recorder.console.overview import overview_lines
from recorder.console.view import View

_RUN_NEWS_S = 0.25


class OverviewView(View, can_focus=True):
    """Run, devices, latency, losses, spool, database, machine."""

    title = "Overview"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("down,j", "scroll_down", "Down", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002  (textual's word)
        super().__init__(id=id)
        self._drawn_s = 0.0

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="overview-text")

    def take_focus(self) -> None:
        """The keys scroll it."""
        self.screen.set_focus(self)

    def take_news(self, news: News) -> None:
        """Each status, and a few times a second for step and cycle."""
        now_s = self.board.monotonic_s()
        if news is News.VALUES and now_s - self._drawn_s < _RUN_NEWS_S:
            return
        self._drawn_s = now_s
        self._draw()

    def on_resize(self) -> None:
        """Other widths."""
        self._draw()

    def _draw(self) -> None:
        room = self.scrollable_content_region
        lines = overview_lines(self.board, max(20, room.width), self.glyphs, height=room.height)
        for line in lines:
            line.no_wrap = True
            line.overflow = "crop"
        if not self.board.is_live:
            lines = [Text(line.plain, "dim", no_wrap=True, overflow="crop") for line in lines]
        self.query_one("#overview-text", Static).update(Group(*lines))
