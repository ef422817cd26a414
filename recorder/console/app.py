"""The console as an application: its views, the line that says whether anything of it is live, and its questions."""

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.query import NoMatches
from textual.widgets import ContentSwitcher, Input, Static

from recorder.console.board import Board
from recorder.console.dialogs import Line, TextDialog
from recorder.console.events_view import EventsView
from recorder.console.feed import Feed, News
from recorder.console.filter_bar import FilterBar
from recorder.console.key_line import KeyLine
from recorder.console.link import Link
from recorder.console.overview_view import OverviewView
from recorder.console.picture import ParameterRow, ReasonPicture, parse
from recorder.console.runs_view import RunsView
from recorder.console.set_values_view import SetValuesView
from recorder.console.tab_line import TabLine
from recorder.console.trends_view import TrendsView
from recorder.console.values_view import ValuesView
from recorder.console.view import View
from recorder.console.words import ASCII, UNICODE, span
from recorder.errors import RecorderError

INTERRUPTED: Final = 130
"""Status of a program that Ctrl-C ended, as shells have it."""
LEAST_WIDTH: Final = 60
LEAST_HEIGHT: Final = 16
_CLOCK_S: Final = 0.5
_BENEATH_S: Final = 1.0
"""What lies beneath a window is drawn less often, so that the keys of the window find a free console."""
_REPAINT_S: Final = 0.05
"""After a change of size, when textual has taken in the last of several."""
_VIEWS: Final[dict[str, type[View]]] = {
    "overview": OverviewView,
    "values": ValuesView,
    "trends": TrendsView,
    "runs": RunsView,
    "set-values": SetValuesView,
    "events": EventsView,
}
Answer = TypeVar("Answer")


class ConsoleApp(App[None]):
    """The operator's console.

    Args:
        socket: the daemon's control socket, as configured.
        is_unicode: whether the terminal shows more than ASCII.
        read_only: refuse all that changes anything.
        notice: a line below the tabs; empty for none.
        trends: full names of parameters that are drawn from the start, where there are such.

    Attributes:
        operator: who said their name last; it is not asked for twice in a session.
    """

    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        # before any widget has them, so that what is typed next goes already where they lead
        *(Binding(str(at), f"show('{name}')", show=False, priority=True) for at, name in enumerate(_VIEWS, start=1)),
        Binding("slash", "filter", "Filter", show=False, priority=True),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        # textual's own would only say which other key leaves
        Binding("ctrl+c", "interrupt", show=False, priority=True),
    ]

    def __init__(
        self,
        socket: Path,
        *,
        is_unicode: bool = True,
        read_only: bool = False,
        notice: str = "",
        trends: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.theme = "ansi-dark"
        self.board = Board()
        self.encoding_is_unicode = is_unicode
        self.glyphs = UNICODE if is_unicode else ASCII
        self.read_only = read_only
        self.operator = ""
        self._notice = notice
        self._trends = tuple(trends)
        self._live = Link(socket)
        # a question that takes long must not hold up what is live
        self._questions = Link(socket, answer_s=15.0)
        self._feed = Feed(self._live, self.board, wanted=self._wanted, tell=self._take_news)
        self._drawn_s = 0.0
        self._had_terminal = _has_terminal()

    def compose(self) -> ComposeResult:
        """Tabs, fault, views, keys."""
        yield TabLine(self.board, self.glyphs, [(name, view.title) for name, view in _VIEWS.items()])
        yield Static(self._notice, id="notice", classes="-shown" if self._notice else "")
        yield Static("", id="fault")
        with ContentSwitcher(initial="overview", id="views"):
            for name, view in _VIEWS.items():
                yield view(id=name)
        yield Static("", id="too-small")
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin to ask the daemon."""
        self.set_class(not self.encoding_is_unicode, "-ascii")
        self.title = "ALD recorder"
        self.run_worker(self._feed.run(), name="feed", group="feed", exit_on_error=True)
        self.set_interval(_CLOCK_S, self._tick)
        self.view.take_focus()

    def on_unmount(self) -> None:
        """Close both connections."""
        self._live.close()
        self._questions.close()

    def get_key_display(self, binding: Binding) -> str:
        """As textual shows it; in plain letters where the terminal has no others."""
        shown = super().get_key_display(binding)
        return shown if shown.isascii() or self.encoding_is_unicode else binding.key.partition(",")[0].capitalize()

    # what is shown

    @property
    def view(self) -> View:
        """The view in front."""
        return self.screen_stack[0].query_one(f"#{self.screen_stack[0].query_one(ContentSwitcher).current}", View)

    def _wanted(self) -> Sequence[int]:
        if not self.screen_stack:
            return ()
        try:
            trends = self.screen_stack[0].query_one(TrendsView).wanted
            return list(dict.fromkeys([*self.view.wanted, *trends]))
        except NoMatches:  # in mid-close its widgets are gone one by one
            return ()

    def _take_news(self, news: News) -> None:
        if not self.screen_stack:
            return
        now_s = self.board.monotonic_s()
        if news is News.VALUES and len(self.screen_stack) > 1 and now_s - self._drawn_s < _BENEATH_S:
            return
        self._drawn_s = now_s
        if news is News.PARAMETERS and self._trends:
            self._draw_trends()
        try:
            self.view.take_news(news)
            if news in {News.LINK, News.STATUS}:
                self._tick()
        except NoMatches:  # in mid-close its widgets are gone one by one
            return

    def _draw_trends(self) -> None:
        """Draw, once, what was chosen before the parameters were known."""
        by_name = {parameter.name: parameter for parameter in self.board.parameters}
        wanted, self._trends = self._trends, ()

        async def add() -> None:
            for name in wanted:
                if name in by_name:
                    await self.screen_stack[0].query_one(TrendsView).add(by_name[name])

        self.run_worker(add(), name="first trends")

    def _tick(self) -> None:
        """What changes with time alone: ages, and how long the daemon has been away."""
        if self._had_terminal and not _has_terminal():
            self.exit(return_code=INTERRUPTED)  # it went away, and nobody told
        if not self.screen_stack or not self.screen_stack[0].query("#fault"):
            return
        screen = self.screen_stack[0]
        screen.query_one(TabLine).refresh()
        fault = screen.query_one("#fault", Static)
        board = self.board
        if board.fault is None:
            fault.remove_class("-lost")
            return
        now_s = board.monotonic_s()
        away = "" if board.lost_s is None else f" for {span(now_s - board.lost_s)}"
        tries = "" if board.next_try_s is None else f"; next try in {span(max(0.0, board.next_try_s - now_s))}"
        known = "" if board.status is None else " Nothing below is live."
        fault.update(Text(f" NO CONNECTION{away}: {board.fault}{tries}.{known}"))
        fault.add_class("-lost")
        self.view.take_news(News.VALUES)

    def announce(self, notice: str) -> None:
        """Say something below the tabs from now on."""
        for line in self.screen_stack[0].query("#notice") if self.screen_stack else ():
            assert isinstance(line, Static)
            line.update(Text(notice))
            line.add_class("-shown")

    def action_interrupt(self) -> None:
        """Ctrl-C."""
        self.exit(return_code=INTERRUPTED)

    def ask_soon(self) -> None:
        """Other values are in sight: ask for them at the next turn, which is soon."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Digits and the slash are text where somebody types."""
        if action in {"show", "filter"} and (len(self.screen_stack) > 1 or isinstance(self.focused, Input)):
            return False
        return super().check_action(action, parameters)

    def action_filter(self) -> None:
        """Type into the filter of the view in front, where it has one."""
        for bar in self.view.query(FilterBar):
            bar.focus_input()

    def action_show(self, name: str) -> None:
        """Bring a view to the front."""
        self.query_one(ContentSwitcher).current = name
        self.query_one(TabLine).current = name
        self.view.take_news(News.PARAMETERS)
        self.view.take_news(News.EVENTS)
        self.view.take_focus()

    def on_tab_line_chosen(self, event: TabLine.Chosen) -> None:
        """A tab was clicked."""
        self.action_show(event.name)

    def on_resize(self, event: events.Resize) -> None:
        """Say where a terminal is too small, rather than draw what cannot be read."""
        is_small = event.size.width < LEAST_WIDTH or event.size.height < LEAST_HEIGHT
        was_small = self.screen_stack[0].has_class("-too-small")
        self.screen_stack[0].set_class(is_small, "-too-small")
        if was_small and not is_small and len(self.screen_stack) == 1:
            self.call_after_refresh(self.view.take_focus)  # what is not shown has no focus
        if is_small:
            text = (
                f"terminal too small:\n{event.size.width} x {event.size.height}\nneeds {LEAST_WIDTH} x {LEAST_HEIGHT}"
            )
            self.screen_stack[0].query_one("#too-small", Static).update(text)
        # a terminal that was small for a moment has lost what it cut off, and textual draws nothing for the size it had
        self.set_timer(_REPAINT_S, partial(self.refresh, layout=True))

    # questions

    async def ask(self, kind: type[Answer], command: str, **arguments: object) -> Answer:
        """Ask the daemon something that is not live.

        Raises:
            RecorderError: it is away, of another version, or refuses.
        """
        return parse(kind, await self.ask_plain(command, **arguments))

    async def ask_plain(self, command: str, **arguments: object) -> Any:
        """The same, unparsed.

        Raises:
            RecorderError: it is away or refuses.
        """
        return await self._questions.ask(command, **arguments)

    def may_change(self, what: str) -> bool:
        """Whether something may be changed from here; says so where not."""
        if self.read_only:
            self.notify(f"This console only shows: it cannot {what}.", severity="warning")
        elif self.board.fault is not None:
            self.notify(f"No recorder answers: it is not possible to {what} now.", severity="warning")
        return not self.read_only and self.board.fault is None

    def show_text(self, title: str, lines: Sequence[Line]) -> None:
        """Show lines to read."""
        self.push_screen(TextDialog(title, lines))

    def show_why(self, parameter: ParameterRow) -> None:
        """Show the chain behind a value, kept fresh."""

        async def fetch() -> Sequence[Line]:
            try:
                reasons = await self.ask(list[ReasonPicture], "why", id=parameter.id)
            except RecorderError as error:
                return [f"the recorder cannot be asked: {error}"]
            return [(reason.what, reason.says) for reason in reasons]

        self.push_screen(TextDialog(f"Why is {parameter.name} as it is?", ["asking the recorder"], fetch=fetch))

    def add_trend(self, parameter: ParameterRow) -> None:
        """Draw a parameter, and say so."""
        self.run_worker(self.query_one(TrendsView).add(parameter))
        self.notify(f"{parameter.name} is drawn in Trends (3).", timeout=3)

    def action_help(self) -> None:
        """All keys."""
        if len(self.screen_stack) > 1:
            return
        everywhere = "  ".join(f"{at} {view.title}" for at, view in enumerate(_VIEWS.values(), start=1))
        here = [
            (binding.key_display or _key_name(binding.key), binding.description)
            for binding in type(self.view).BINDINGS
            if isinstance(binding, Binding)
        ]
        glyphs = self.glyphs
        lines: list[Line] = [
            ("views", everywhere),
            *((key, f"{what} ({self.view.title})") for key, what in here),
            ("arrows, PgUp …".replace("…", glyphs.ellipsis), "move; Home and End too; the mouse works as well"),
            ("q", "leave: the recorder goes on"),
            ("marks", f"{glyphs.good} good  {glyphs.uncertain} uncertain  {glyphs.bad} bad  {glyphs.stale} stale"),
            ("", f"{glyphs.none} not read; (in brackets) not of now"),
        ]
        self.show_text("Keys", lines)


def _has_terminal() -> bool:
    """Whether what it draws on is a terminal that is still there."""
    if sys.__stderr__ is None:
        return False
    try:
        os.get_terminal_size(sys.__stderr__.fileno())
    except (OSError, ValueError):
        return False
    return True


def _key_name(key: str) -> str:
    names = {"slash": "/", "plus,equals_sign": "+", "minus": "-", "escape": "Esc", "up,k": "Up", "down,j": "Down"}
    return names.get(key, key)
