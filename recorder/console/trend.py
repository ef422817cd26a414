"""What is drawn of trends: a window of time, points for so many columns, axes for clocks and logarithms. No screen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

import numpy as np
import numpy.typing as npt
from textual_plot.axis_formatter import AxisFormatter

from recorder.console.board import Band
from recorder.console.words import Glyphs, local, number

SHORTEST_S: Final = 2.0
LONGEST_S: Final = 24 * 3600.0
_NICE_S: Final = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_DECADE: Final = (1, 2, 5)
_FEW: Final = 2


@dataclass(kw_only=True)
class Window:
    """What of time is seen.

    Attributes:
        span_s: how much.
        end_us: UTC microseconds of the right edge; None follows the newest sample.
    """

    span_s: float = 60.0
    end_us: int | None = None

    def bounds_us(self, now_us: int) -> tuple[int, int]:
        """From and to."""
        end_us = now_us if self.end_us is None else self.end_us
        return end_us - round(self.span_s * 1e6), end_us

    def pan(self, share: float, now_us: int) -> None:
        """Move by a share of the window; beyond now it follows again."""
        end_us = self.bounds_us(now_us)[1] + round(share * self.span_s * 1e6)
        self.end_us = None if end_us >= now_us else end_us

    def zoom(self, factor: float, now_us: int) -> None:
        """See less (factor below 1) or more; the middle stays, unless it follows."""
        before_s = self.span_s
        self.span_s = max(SHORTEST_S, min(LONGEST_S, before_s * factor))
        if self.end_us is not None:
            end_us = self.end_us + round((self.span_s - before_s) / 2 * 1e6)
            self.end_us = None if end_us >= now_us else end_us


def points(
    samples: Iterable[tuple[int, float | None]], from_us: int, to_us: int, columns: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lowest and highest value of each column, so that no pulse is lost; seconds and values."""
    inside = [(at_us, value) for at_us, value in samples if value is not None and from_us <= at_us <= to_us]
    times_us = np.array([at_us for at_us, _ in inside], np.int64)
    values = np.array([value for _, value in inside], np.float64)
    if len(inside) > 2 * columns:
        column = (times_us - from_us) * columns // max(1, to_us - from_us)
        starts = np.flatnonzero(np.diff(column, prepend=-1))
        low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
        times_us = np.repeat(times_us[starts], 2)
        values = np.column_stack((low, high)).ravel()
    return times_us / 1e6, values


def band_line(bands: Sequence[Band], from_us: int, to_us: int, width: int, glyphs: Glyphs) -> str:
    """Where cycles began, or steps where the recipe has no cycles, on one line as wide as the plot."""
    has_cycles = any(band.cycle for band in bands)
    starts: list[tuple[int, str]] = []
    told: int | None = None
    for band in bands:
        number_now = band.cycle if has_cycles else band.step
        if band.at_us > to_us or (starts and number_now == told):
            continue
        told = number_now
        label = "" if not number_now else f"{'c' if has_cycles else 's'}{number_now}"
        column = (band.at_us - from_us) * width // max(1, to_us - from_us)
        if column < 0:
            starts.clear()  # only the last one that began before the window reaches into it
        starts.append((max(0, column), label))
    cells = [" "] * width
    ends = [*(column for column, _ in starts[1:]), width][: len(starts)]
    for (column, label), end in zip(starts, ends, strict=True):
        text = f"{glyphs.separator}{label}" if len(label) + 1 < end - column else glyphs.separator
        cells[column : column + len(text)] = text[: width - column]
    return "".join(cells[:width])


class ClockAxis(AxisFormatter):
    """Seconds since 1970 as local time of day."""

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        """Ticks at whole steps of the clock."""
        most = min(max_ticks, 6)
        step = next((s for s in _NICE_S if (max_ - min_) / s <= most), _NICE_S[-1])
        return [float(t) for t in np.arange(ceil(min_ / step) * step, max_, step)]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Hours, minutes and seconds."""
        return [local(round(tick * 1e6)) for tick in ticks]


class LogAxis(AxisFormatter):
    """Decimal logarithms as the numbers that they are of."""

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        """Whole decades; and two and five of each where there are few."""
        decades = range(floor(min_), ceil(max_) + 1)
        whole = [float(d) for d in decades if min_ <= d <= max_]
        if len(whole) > _FEW:
            return whole[:: max(1, len(whole) // max_ticks)]
        return [t for d in decades for m in _DECADE if min_ <= (t := d + log10(m)) <= max_]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """As plain numbers where they are short."""
        return [number(float(f"{10**tick:.2g}")) for tick in ticks]


class PlainAxis(AxisFormatter):
    """Numbers as everywhere else in the console."""

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        """Ticks at 1, 2 and 5."""
        raw = (max_ - min_) / min(max_ticks, 4)
        power = 10.0 ** floor(log10(raw)) if raw > 0 else 1.0
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw)
        return [float(t) for t in np.arange(ceil(min_ / step) * step, max_ + step / 1000, step)]

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """Few digits, and no -0."""
        return [number(float(f"{tick:.6g}") + 0.0) for tick in ticks]
