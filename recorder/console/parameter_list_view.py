"""What the views that list parameters share: a filter, the values of those in sight, and why one is as it is."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from recorder.console.feed import News
from recorder.console.filter_bar import FilterBar
from recorder.console.picture import ParameterRow
from recorder.console.row_list import Column, RowList, RowSource
from recorder.console.view import View


class ListedParameters(RowSource, Protocol):
    """Parameters as rows."""

    rows: list[ParameterRow]


class ParameterListView(View):
    """A list of parameters with a filter; which ones, and what is done with the chosen one, is for the view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("w", "why", "Why so?"),
        Binding("escape", "clear", "Clear", show=False),
    ]

    columns: ClassVar[Sequence[Column]]

    @abstractmethod
    def listed(self) -> ListedParameters:
        """The rows, made once."""

    @abstractmethod
    def matching(self, text: str) -> tuple[list[ParameterRow], str]:
        """The parameters of a filter, and how many they are in words."""

    def compose(self) -> ComposeResult:
        """Filter and list."""
        self._rows = self.listed()
        yield FilterBar("filter /", "name, unit or device")
        yield RowList(self.columns, self._rows)

    @property
    def wanted(self) -> Sequence[int]:
        """Those in sight."""
        return [self._rows.rows[row].id for row in self.query_one(RowList).visible_rows if row < len(self._rows.rows)]

    @property
    def chosen(self) -> ParameterRow | None:
        """The one under the cursor."""
        cursor = self.query_one(RowList).cursor
        return self._rows.rows[cursor] if cursor < len(self._rows.rows) else None

    def take_focus(self) -> None:
        """The keys move the cursor."""
        self.screen.set_focus(self.query_one(RowList))

    def take_news(self, news: News) -> None:
        """Other parameters, or other values of those in sight."""
        if news is News.PARAMETERS or (not self._rows.rows and self.board.parameters):
            self._filter()
        self.draw(news)

    def draw(self, news: News) -> None:  # noqa: ARG002  (a view may draw some news less often)
        """Show what is known now."""
        self.query_one(RowList).update_rows()

    def _filter(self) -> None:
        bar = self.query_one(FilterBar)
        self._rows.rows, count = self.matching(bar.text)
        bar.show_count(count)
        self.query_one(RowList).update_rows()
        self.console.ask_soon()

    def on_filter_bar_changed(self) -> None:
        """Each key narrows or widens."""
        self.query_one(RowList).cursor = 0
        self._filter()

    def on_filter_bar_left(self) -> None:
        """The list has the keys again."""
        self.take_focus()

    def on_row_list_moved(self) -> None:
        """Other rows are in sight."""
        self.console.ask_soon()

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterBar).focus_input()

    def action_clear(self) -> None:
        """Show all."""
        self.query_one(FilterBar).action_leave(clear=True)

    def action_why(self) -> None:
        """Ask why the value is as it is."""
        if self.chosen is not None:
            self.console.show_why(self.chosen)
