"""The parameters as rows of a list: value, set-value, deviation, quality in words and colour, age, small trend."""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from recorder.console.board import Board, Shown
from recorder.console.picture import ParameterRow
from recorder.console.row_list import Column
from recorder.console.words import Glyphs, cut, deviation, number, shortened, span, sparkline, value_text

STYLES: Final = {"good": "green", "uncertain": "yellow", "bad": "bold red", "stale": "bold magenta", "none": "dim"}
VALUE_COLUMNS: Final = (
    Column(title="", width=1),
    Column(title="parameter", width=20, share=8, most=44),
    Column(title="value", width=11, is_right=True),
    Column(title="unit", width=7),
    Column(title="set", width=9, is_right=True, from_width=70),
    Column(title="desired", width=9, is_right=True, from_width=100),
    Column(title="low  high", width=9, from_width=90),
    Column(title="quality", width=9),
    Column(title="age", width=6, is_right=True, from_width=70),
    Column(title="trend", width=10, share=1, most=60, from_width=100),
    Column(title="device", width=8, from_width=130),
)


class ParameterRows:
    """The parameters that a filter leaves."""

    def __init__(self, board: Board, glyphs: Glyphs) -> None:
        self._board = board
        self._glyphs = glyphs
        self.rows: list[ParameterRow] = []
        self._trends: dict[int, tuple[float, int, str]] = {}

    @property
    def row_count(self) -> int:
        """How many are left."""
        return len(self.rows)

    def cells(self, row: int, widths: Sequence[int]) -> Sequence[Text | str]:
        """One parameter, in the order of `VALUE_COLUMNS`."""
        parameter, glyphs = self.rows[row], self._glyphs
        shown = self._board.show(parameter)
        style = STYLES[shown.state]
        is_number = parameter.data_type not in {"binary", "ascii"}
        wanted = shown.set_value if shown.set_value is not None else parameter.desired
        compared = shown.value if shown.is_live and is_number else None
        scale, tolerance = _scale(parameter, wanted)
        is_off = (
            compared is not None and wanted is not None and tolerance is not None and abs(compared - wanted) > tolerance
        )
        return (
            Text(mark(shown.state, glyphs), style),
            name_text(parameter.name, widths[1], glyphs),
            _value(parameter, shown, glyphs),
            Text(unit_text(parameter), "dim" if not shown.is_live else ""),
            _wanted(parameter, shown, has_desired=bool(widths[5])),
            value_text(parameter.desired, parameter.data_type, unknown=""),
            Text(deviation(compared, wanted, scale, 9, glyphs), "yellow" if is_off else "cyan"),
            Text(shown.word, style),
            "" if shown.state == "none" else span(shown.age_s, unknown=glyphs.unknown),
            Text(self._trend(parameter.id, widths[9]), "cyan"),
            parameter.device,
        )

    def _trend(self, parameter_id: int, width: int) -> str:
        """A small trend; it has a new value each second, and is drawn far more often."""
        if not width:
            return ""
        sampled_s = self._board.small_trend_s(parameter_id)
        known = self._trends.get(parameter_id)
        if known is None or known[:2] != (sampled_s, width):
            drawn = sparkline(self._board.small_trend(parameter_id), width, self._glyphs)
            known = self._trends[parameter_id] = (sampled_s, width, drawn)
        return known[2]


def mark(state: str, glyphs: Glyphs) -> str:
    """The mark of a state, for those who do not see its colour."""
    marks = {"good": glyphs.good, "uncertain": glyphs.uncertain, "bad": glyphs.bad, "stale": glyphs.stale}
    return marks.get(state, glyphs.none)


def _scale(parameter: ParameterRow, wanted: float | None) -> tuple[float, float | None]:
    """What a full deviation bar means: three tolerances, else a tenth of the set-value."""
    if parameter.tolerance:
        return 3 * parameter.tolerance, parameter.tolerance
    return abs(wanted or 0.0) / 10 or 1.0, None


def name_text(name: str, width: int, glyphs: Glyphs) -> Text:
    """Component dim, parameter plain; where there is no room the component gives way.

    It never goes: many heaters have a temperature_set.
    """
    component, slash, own = name.partition("/")
    if len(name) > width and component:
        component = shortened(component, max(width // 3, width - len(own) - 1))
        own = cut(own, width - len(component) - 1, glyphs)
    return Text.assemble((f"{component}{slash}", "dim"), own)


def _wanted(parameter: ParameterRow, shown: Shown, *, has_desired: bool) -> Text:
    """The tool's set-value; where it has none and there is no room for both, the desired one, marked."""
    if shown.set_value is not None or has_desired or parameter.desired is None:
        return Text(value_text(shown.set_value, parameter.data_type, unknown=""))
    return Text(f"d {value_text(parameter.desired, parameter.data_type)}", "dim")


def _value(parameter: ParameterRow, shown: Shown, glyphs: Glyphs) -> Text:
    """The value; in brackets and dim where it is not of now, so that it never looks live."""
    text = shown.text if shown.text is not None else value_text(shown.value, parameter.data_type, unknown="")
    if not text:
        return Text(glyphs.unknown if shown.state != "none" else "", "dim")
    return Text(text, "bold") if shown.is_live else Text(f"({text.strip()})", "dim")


def unit_text(parameter: ParameterRow) -> str:
    """Its unit; a bit says on or off, and needs none."""
    return "" if parameter.data_type == "binary" else parameter.unit


def limits(parameter: ParameterRow, glyphs: Glyphs) -> str:
    """What a set-value may be, in words."""
    if parameter.data_type == "binary":
        return "off or on"
    if parameter.min_value is None and parameter.max_value is None:
        return "no limits"
    low, high = (number(value, unknown=glyphs.unknown) for value in (parameter.min_value, parameter.max_value))
    return f"{low} to {high}"
