"""The second view: every parameter as it is now."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from recorder.console.feed import News
from recorder.console.filter_bar import FilterBar
from recorder.console.parameter_rows import VALUE_COLUMNS, ParameterRows
from recorder.console.picture import ParameterRow
from recorder.console.row_list import RowList
from recorder.console.view import View
from recorder.console.words import whole

_FEW = 10
"""Changes that are drawn at once; a screen full of them is drawn less often."""
_MANY_S = 0.2
_QUIET_S = 0.5
"""Where nothing changed, ages alone are drawn."""


class ValuesView(View):
    """A list of all parameters with a filter."""

    title = "Values"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter"),
        Binding("w", "why", "Why so?"),
        Binding("t", "trend", "Trend"),
        Binding("escape", "clear", "Clear", show=False),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002  (textual's word)
        super().__init__(id=id)
        self._drawn_s = 0.0

    def compose(self) -> ComposeResult:
        """Filter and list."""
        self._rows = ParameterRows(self.board, self.glyphs)
        yield FilterBar("filter /", "name, unit or device")
        yield RowList(VALUE_COLUMNS, self._rows)

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
        now_s, changed = self.board.monotonic_s(), self.board.changed
        least_s = _QUIET_S if not changed else _MANY_S if changed > _FEW else 0.0
        if news is News.VALUES and not self.board.has_others and now_s - self._drawn_s < least_s:
            return
        self._drawn_s = now_s
        self.query_one(RowList).update_rows()

    def _filter(self) -> None:
        bar = self.query_one(FilterBar)
        self._rows.rows = self.board.matching(bar.text)
        bar.show_count(f"{whole(len(self._rows.rows))} of {whole(self.board.total)}")
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

    def on_row_list_chosen(self) -> None:
        """Enter asks why, too."""
        self.action_why()

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

    def action_trend(self) -> None:
        """Draw it."""
        if self.chosen is not None:
            self.console.add_trend(self.chosen)
