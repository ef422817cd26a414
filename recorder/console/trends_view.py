"""The third view: several parameters over time, those of one unit in one plot, all over the same window."""

import asyncio
from collections.abc import Sequence
from itertools import chain
from typing import ClassVar, Final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Static
from textual_plot import PlotWidget

from recorder.cli.plot import plot
from recorder.console.feed import News
from recorder.console.picture import ParameterRow, TrendPicture
from recorder.console.trend import Window, band_line, points
from recorder.console.unit_plot import LINE_STYLES, SHAPES, Line, UnitPlot
from recorder.console.view import View
from recorder.console.words import local, span, value_text
from recorder.errors import RecorderError

MOST: Final = 6
_DRAW_S: Final = 0.5
_PAN: Final = 0.25
_ZOOM: Final = 0.5
_PARTS: Final = 400
_MARGIN: Final = 12
_GAP: Final = 3
_LOG_UNITS: Final = frozenset({"Torr", "mTorr", "mbar", "Pa", "hPa"})
_EMPTY: Final = (
    "No parameter is drawn yet.\n\nPress 2 for the values, choose one, and press t to draw it here; up to six, "
    "those with the same unit share a plot. Left and right move through time, + and - zoom, l switches "
    "to a logarithmic scale, f follows what comes, c begins anew."
)


class TrendsView(View, can_focus=True):
    """Up to six parameters."""

    title = "Trends"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "pan(-1)", "Back"),
        Binding("right", "pan(1)", "On"),
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", key_display="+"),
        Binding("minus", "zoom(-1)", "Out"),
        Binding("l", "log", "Log"),
        Binding("f", "follow", "Follow"),
        Binding("backspace", "remove", "Remove last", show=False),
        Binding("c", "clear", "Clear"),
    ]

    def __init__(self, *, id: str) -> None:  # noqa: A002  (textual's word)
        super().__init__(id=id)
        self._chosen: list[ParameterRow] = []
        self._window = Window()
        self._is_log: dict[str, bool] = {}
        self._history: dict[int, list[tuple[int, float | None]]] = {}
        self._history_from_us = 0
        self._is_history_due = False
        self._drawn_s = 0.0
        self._rebuilding = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """Legend, plots, steps."""
        yield Static("", id="legend-line")
        yield Static(_EMPTY, classes="hint -shown")
        yield Vertical(id="plots")
        yield Static("", id="bands")

    @property
    def wanted(self) -> Sequence[int]:
        """Those that are drawn; the board keeps their samples wherever the operator looks."""
        return [row.id for row in self._chosen]

    def take_focus(self) -> None:
        """The keys move the window."""
        self.screen.set_focus(self)

    async def add(self, parameter: ParameterRow) -> None:
        """Draw one more; the first leaves where there are too many."""
        if parameter.id in self.wanted:
            return
        self._chosen = [*self._chosen[-MOST + 1 :], parameter]
        self._is_log.setdefault(parameter.unit, parameter.unit in _LOG_UNITS)
        async with self._rebuilding:
            await self._rebuild()
        self._is_history_due = True
        self._load()

    async def _rebuild(self) -> None:
        self.board.follow(self.wanted)
        self.query_one(".hint").set_class(not self._chosen, "-shown")
        plots = self.query_one("#plots", Vertical)
        units = list(dict.fromkeys(row.unit for row in self._chosen))
        await plots.remove_children()
        if self.console.encoding_is_unicode:
            await plots.mount(*(UnitPlot(unit) for unit in units))
        else:
            await plots.mount(*(Static("", classes="ascii-plot") for _ in units))
        self.call_after_refresh(self._draw)

    def _load(self) -> None:
        """Ask the database for what was before the console looked."""
        process, now_us = self.board.process, self.board.now_us()
        if process is None or not now_us or not self._chosen:
            return  # before the first values nobody knows what time it is there
        self._is_history_due = False
        from_us, to_us = self._window.bounds_us(now_us)
        self._history_from_us = from_us - (to_us - from_us)
        self.run_worker(self._fetch(process.process_id, self._history_from_us, to_us), exclusive=True, group="trend")

    async def _fetch(self, run: int, from_us: int, to_us: int) -> None:
        try:
            found = await self.console.ask(
                TrendPicture, "trend", run=run, ids=self.wanted, from_us=from_us, to_us=to_us, parts=_PARTS
            )
        except RecorderError:
            return  # what is live is drawn all the same
        part_us = (found.to_us - found.from_us) / found.parts
        for parameter_id, parts in found.series.items():
            samples: list[tuple[int, float | None]] = []
            for part, low, high in parts:
                at_us = round(found.from_us + (part - 1) * part_us)
                samples += [(at_us, low), (at_us + round(part_us / 2), high)]
            self._history[parameter_id] = samples
        self._draw()

    def take_news(self, news: News) -> None:
        """Twice a second while it follows; else what is seen stays."""
        if self._is_history_due:
            self._load()
        now_s = self.board.monotonic_s()
        if news is News.VALUES and now_s - self._drawn_s < _DRAW_S:
            return
        if news is not News.VALUES or self._window.end_us is None:
            self._draw()

    def on_resize(self) -> None:
        """Other columns."""
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        if self.console.view is not self:
            return
        self._drawn_s = self.board.monotonic_s()
        self._show_legend()
        if not self._chosen:
            self.query_one("#bands", Static).update("")
            return
        from_us, to_us = self._window.bounds_us(self.board.now_us())
        width = max(10, self.size.width - _MARGIN - 1)
        lines = {row.id: self._line(row, number, from_us, to_us, width) for number, row in enumerate(self._chosen)}
        for widget in self.query(UnitPlot):
            own = [lines[row.id] for row in self._chosen if row.unit == widget.unit]
            widget.draw(own, from_us, to_us, is_log=self._is_log.get(widget.unit, False))
        self._draw_ascii(lines, width)
        bands = band_line(tuple(self.board.bands), from_us, to_us, width, self.glyphs)
        self.query_one("#bands", Static).update(Text(f"{'step':<{_MARGIN}}{bands}", "dim", no_wrap=True))

    def _draw_ascii(self, lines: dict[int, Line], width: int) -> None:
        """Where the terminal has no UTF-8: the first parameter of each unit, in columns of plain characters."""
        for widget, unit in zip(self.query(".ascii-plot"), dict.fromkeys(r.unit for r in self._chosen), strict=False):
            assert isinstance(widget, Static)
            line = next(lines[row.id] for row in self._chosen if row.unit == unit)
            height = max(3, self.query_one("#plots").size.height // max(1, len(self.query(".ascii-plot"))) - 3)
            drawn = plot(line.times_s, line.values, width=width - 4, height=height, unit=unit, is_unicode=False)
            widget.update(Text("\n".join(drawn)))

    def _line(self, row: ParameterRow, number: int, from_us: int, to_us: int, width: int) -> Line:
        live = self.board.trends.get(row.id) or ()
        first_us = live[0][0] if live else to_us
        older = (sample for sample in self._history.get(row.id, ()) if sample[0] < first_us)
        times_s, values = points(chain(older, live), from_us, to_us, width)
        return Line(times_s=times_s, values=values, number=number)

    def _show_legend(self) -> None:
        items: list[Text] = []
        for number, row in enumerate(self._chosen):
            shown = self.board.show(row)
            value = value_text(shown.value, row.data_type, unknown=self.glyphs.unknown)
            shape = SHAPES[number % len(SHAPES)] if self.console.encoding_is_unicode else f"{number + 1}"
            style = LINE_STYLES[number % len(LINE_STYLES)]
            told = f"{value} {row.unit}" if shown.is_live else f"({value}) {row.unit} {shown.word}"
            items.append(Text.assemble((f"{shape} ", style), f"{row.name} ", (told, "bold")))
        if self._chosen:
            logged = [unit or "no unit" for unit, is_log in self._is_log.items() if is_log]
            held = "follows" if self._window.end_us is None else f"held at {local(self._window.end_us)}"
            scale = f", log {' '.join(logged)}" if logged else ""
            items.append(Text(f"[{span(self._window.span_s)}, {held}{scale}]", "dim"))
        self.query_one("#legend-line", Static).update(_in_lines(items, self.size.width))

    def on_plot_widget_scale_changed(self, event: PlotWidget.ScaleChanged) -> None:
        """The mouse moved or zoomed one plot: all show the same window."""
        event.stop()
        now_us = self.board.now_us()
        self._window.span_s = max(2.0, event.x_max - event.x_min)
        end_us = round(event.x_max * 1e6)
        self._window.end_us = None if end_us >= now_us else end_us
        self._moved()

    def _moved(self) -> None:
        self._draw()
        if self._chosen and self._window.bounds_us(self.board.now_us())[0] < self._history_from_us:
            self._load()

    def action_pan(self, direction: int) -> None:
        """Through time."""
        self._window.pan(direction * _PAN, self.board.now_us())
        self._moved()

    def action_zoom(self, direction: int) -> None:
        """See less or more of it."""
        self._window.zoom(_ZOOM if direction > 0 else 1 / _ZOOM, self.board.now_us())
        self._moved()

    def action_follow(self) -> None:
        """Back to what comes."""
        self._window.end_us = None
        self._draw()

    def action_log(self) -> None:
        """Logarithmic or plain, for every unit that is drawn."""
        units = {row.unit for row in self._chosen}
        is_log = not any(self._is_log.get(unit) for unit in units)
        self._is_log |= dict.fromkeys(units, is_log)
        self._draw()

    async def action_remove(self) -> None:
        """One less."""
        self._chosen = self._chosen[:-1]
        async with self._rebuilding:
            await self._rebuild()

    async def action_clear(self) -> None:
        """Begin anew."""
        self._chosen, self._window = [], Window()
        self._history.clear()
        async with self._rebuilding:
            await self._rebuild()


def _in_lines(items: Sequence[Text], width: int) -> Text:
    """Items beside each other, none broken but one that is wider than the line."""
    text, room = Text(), width
    for item in items:
        if text and item.cell_len + _GAP > room:
            text.append("\n")
            room = width
        elif text:
            text.append(" " * _GAP)
            room -= _GAP
        text.append_text(item)
        room -= item.cell_len
    return text
