"""The last view: alarms above, and below what happened, newest first."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from recorder.console.alarm_list import AlarmList
from recorder.console.board import Board
from recorder.console.event_words import detail_text, event_sign
from recorder.console.feed import News
from recorder.console.filter_bar import FilterBar
from recorder.console.picture import EventPicture
from recorder.console.row_list import Column, RowList
from recorder.console.view import View
from recorder.console.words import Glyphs, local, whole

COLUMNS: Final = (
    Column(title="", width=1),
    Column(title="time", width=8),
    Column(title="what", width=22),
    Column(title="device", width=10, from_width=70),
    Column(title="detail", width=20, share=1),
)


class EventRows:
    """Events, newest first, as far as a filter leaves them."""

    def __init__(self, board: Board, glyphs: Glyphs) -> None:
        self._board = board
        self._glyphs = glyphs
        self._rows: list[EventPicture] = []

    @property
    def row_count(self) -> int:
        """How many are left."""
        return len(self._rows)

    def filter(self, text: str) -> None:
        """Keep those with every word of the text."""
        words = text.lower().split()
        self._rows = [event for event in reversed(self._board.events) if all(w in _searched(event) for w in words)]

    def at(self, row: int) -> EventPicture:
        """The event of a row."""
        return self._rows[row]

    def cells(self, row: int, widths: Sequence[int]) -> Sequence[Text | str]:
        """One event."""
        del widths
        event, glyphs = self._rows[row], self._glyphs
        sign, style = event_sign(event, glyphs)
        kind = event.kind.replace("_", " ")
        return (Text(sign, style), local(event.at_us), Text(kind, style), event.device, detail_text(event.detail))


def _searched(event: EventPicture) -> str:
    return f"{event.kind.replace('_', ' ')} {event.device} {detail_text(event.detail)}".lower()


class EventsView(View):
    """The alarms, and a list of events with a filter."""

    title = "Events"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "say('acknowledge')", "Acknowledge"),
        Binding("A", "say('acknowledge_all')", "All"),
        Binding("s", "say('shelve')", "Shelve"),
        Binding("u", "say('unshelve')", "Unshelve"),
        Binding("tab", "other_list", "Alarms, log", show=False),
        Binding("slash", "filter", "Filter"),
        Binding("escape", "clear", "Clear", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Alarms, filter and list."""
        self._rows = EventRows(self.board, self.glyphs)
        yield AlarmList(self)
        yield FilterBar("filter /", "what, device or detail")
        yield RowList(COLUMNS, self._rows, id="log")

    @property
    def _log(self) -> RowList:
        return self.query_one("#log", RowList)

    @property
    def _alarms(self) -> AlarmList:
        return self.query_one(AlarmList)

    def take_focus(self) -> None:
        """The keys move the cursor: of the alarms where there are any."""
        self.screen.set_focus(self._log if self._alarms.is_empty else self._alarms.row_list)

    def take_news(self, news: News) -> None:
        """New events, and alarms with how many of each there are and how long the shelved ones stay so."""
        if news is News.EVENTS:
            self._filter()
        if news in {News.STATUS, News.ALARMS, News.EVENTS, News.LINK}:
            was_empty, had_focus = self._alarms.is_empty, self._alarms.row_list.has_focus
            self._alarms.show()
            is_empty = self._alarms.is_empty
            # who has begun to read the log is left there
            is_free = self._log.has_focus and self._log.cursor == 0
            if (had_focus and is_empty) or (is_free and was_empty and not is_empty):
                self.take_focus()

    def _filter(self) -> None:
        bar = self.query_one(FilterBar)
        self._rows.filter(bar.text)
        bar.show_count(f"{whole(self._rows.row_count)} of {whole(len(self.board.events))}")
        self._log.update_rows()

    def on_filter_bar_changed(self) -> None:
        """Each key narrows or widens."""
        self._log.cursor = 0
        self._filter()

    def on_filter_bar_left(self) -> None:
        """The log has the keys again."""
        self.screen.set_focus(self._log)

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Show an alarm or an event whole."""
        if event.rows is not self._log:
            self._alarms.open(event.row)
            return
        chosen = self._rows.at(event.row)
        lines = [
            f"{name.replace('_', ' ')}: {value}" for name, value in chosen.detail.items() if value not in ("", None)
        ]
        when = f"{local(chosen.at_us, date=True)}  {chosen.device}".rstrip()
        self.console.show_text(chosen.kind.replace("_", " "), [when, *lines])

    def action_say(self, what: str) -> None:
        """Acknowledge or shelve the alarm under the cursor, whichever list has the keys."""
        self._alarms.say(what)

    def action_other_list(self) -> None:
        """The keys go to the other list."""
        is_log = self._log.has_focus and not self._alarms.is_empty
        self.screen.set_focus(self._alarms.row_list if is_log else self._log)

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterBar).focus_input()

    def action_clear(self) -> None:
        """Show all."""
        self.query_one(FilterBar).action_leave(clear=True)
