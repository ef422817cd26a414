"""The second view: every parameter as it is now."""

from typing import ClassVar

from textual.binding import Binding, BindingType

from recorder.console.feed import News
from recorder.console.parameter_list_view import ParameterListView
from recorder.console.parameter_rows import VALUE_COLUMNS, ParameterRows
from recorder.console.picture import ParameterRow
from recorder.console.words import whole

_FEW = 10
"""Changes that are drawn at once; a screen full of them is drawn less often."""
_MANY_S = 0.2
_QUIET_S = 0.5
"""Where nothing changed, ages alone are drawn."""


class ValuesView(ParameterListView):
    """A list of all parameters with a filter."""

    title = "Values"
    columns = VALUE_COLUMNS
    BINDINGS: ClassVar[list[BindingType]] = [
        *ParameterListView.BINDINGS,
        Binding("t", "trend", "Trend"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002  (textual's word)
        super().__init__(id=id)
        self._drawn_s = 0.0

    def listed(self) -> ParameterRows:
        """Each with its trend."""
        return ParameterRows(self.board, self.glyphs)

    def matching(self, text: str) -> tuple[list[ParameterRow], str]:
        """Any parameter."""
        found = self.board.matching(text)
        return found, f"{whole(len(found))} of {whole(self.board.total)}"

    def draw(self, news: News) -> None:
        """Values at most so often as can be read."""
        now_s, changed = self.board.monotonic_s(), self.board.changed
        least_s = _QUIET_S if not changed else _MANY_S if changed > _FEW else 0.0
        if news is News.VALUES and not self.board.has_others and now_s - self._drawn_s < least_s:
            return
        self._drawn_s = now_s
        super().draw(news)

    def on_row_list_chosen(self) -> None:
        """Enter asks why, too."""
        self.action_why()

    def action_trend(self) -> None:
        """Draw it."""
        if self.chosen is not None:
            self.console.add_trend(self.chosen)
