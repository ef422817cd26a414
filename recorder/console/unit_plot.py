"""One plot of the trends: all parameters of one unit over the common window of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from textual_plot import HiResMode, PlotWidget

from recorder.console.trend import ClockAxis, LogAxis, PlainAxis

MODES: Final = (HiResMode.BRAILLE, HiResMode.HALFBLOCK, HiResMode.QUADRANT, None)
SHAPES: Final = ("⠒⠒", "▀▀", "▚▚", "██")
"""Each line has its own shape beside its own colour."""
LINE_STYLES: Final = ("cyan", "yellow", "magenta", "green", "red", "blue")
_ROOM: Final = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """A line to draw: seconds since 1970 and values."""

    times_s: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    number: int


class UnitPlot(PlotWidget):
    """A plot with a clock below and one unit at the side."""

    margin_left = 11
    margin_top = 0
    margin_bottom = 1

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit
        self.can_focus = False
        self.set_x_formatter(ClockAxis())

    def draw(self, lines: Sequence[Line], from_us: int, to_us: int, *, is_log: bool) -> None:
        """Draw anew; on a log scale what is not above zero is left out."""
        if not self.query("#legend"):
            return  # it is drawn with the next news, when its parts are there
        self.clear()
        self.set_y_formatter(LogAxis() if is_log else PlainAxis())
        seen = []
        for line in lines:
            keep = line.values > 0 if is_log else np.isfinite(line.values)
            values = np.log10(line.values[keep]) if is_log else line.values[keep]
            if len(values) > 1:
                seen.append(values)
                mode, style = MODES[line.number % len(MODES)], LINE_STYLES[line.number % len(LINE_STYLES)]
                self.plot(line.times_s[keep], values, line_style=style, hires_mode=mode)
        low = min((float(values.min()) for values in seen), default=0.0)
        high = max((float(values.max()) for values in seen), default=1.0)
        if {low, high} <= {0.0, 1.0} and not is_log:  # a bit that does not move is still off or on
            low, high = 0.0, 1.0
        room = (high - low) * _ROOM or abs(high) * _ROOM or 1.0
        self.set_xlimits(from_us / 1e6, to_us / 1e6)
        self.set_ylimits(low - room, high + room)
