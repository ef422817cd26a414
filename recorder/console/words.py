"""How figures look: few digits, steady widths, a word and a mark beside each colour. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import floor, isfinite, log10
from typing import Final

UNKNOWN: Final = "—"
_DIGITS: Final = 5
_BLANKS: Final = 2
_LARGEST: Final = 1e7
_SMALLEST: Final = 1e-3
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    """The characters beyond ASCII, so that a terminal without UTF-8 has others."""

    good: str = "●"
    uncertain: str = "◐"
    bad: str = "✕"
    stale: str = "○"
    none: str = "·"
    bars: str = "▁▂▃▄▅▆▇█"
    line: str = "─"
    full: str = "█"
    empty: str = "░"
    centre: str = "│"
    unknown: str = UNKNOWN
    ellipsis: str = "…"
    right: str = "→"
    separator: str = "│"


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs(
    good="*",
    uncertain="~",
    bad="x",
    stale="o",
    none=".",
    bars="._-~=+*#",
    line="-",
    full="#",
    empty=".",
    centre="|",
    unknown="-",
    ellipsis="~",
    right="->",
    separator="|",
)


def number(value: float | None, *, unknown: str = UNKNOWN) -> str:
    """A figure with five significant digits, without zeros that mean nothing."""
    return aligned(value, unknown=unknown).rstrip()


def aligned(value: float | None, *, unknown: str = UNKNOWN) -> str:
    """The same with blanks in place of those zeros, so that the point stays where it is while the figure changes."""
    if value is None or not isfinite(value):
        return unknown
    size = abs(value)
    if size >= _LARGEST or 0 < size < _SMALLEST:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    digits = 0 if value == 0 else max(0, _DIGITS - 1 - floor(log10(size)))
    text = f"{value:.{digits}f}"
    if not digits:
        return text
    short = text.rstrip("0").rstrip(".")
    # one that is far shorter is a figure that somebody chose, and does not change
    return short.ljust(len(text)) if len(text) - len(short) <= _BLANKS else short


def value_text(value: float | None, data_type: str | None, *, unknown: str = UNKNOWN) -> str:
    """A parameter's value: a bit in words, an integer whole, any other with five digits."""
    if value is None:
        return unknown
    if data_type == "binary":
        return "on" if value else "off"
    if data_type is not None and data_type.startswith("float"):
        return aligned(value, unknown=unknown)
    return number(value, unknown=unknown)


def milliseconds(value: float | None, *, unknown: str = UNKNOWN) -> str:
    """A latency: three digits at most."""
    if value is None:
        return unknown
    if value < 10:  # noqa: PLR2004  (a digit before the point leaves room for two behind)
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004  (the same, of the next digit)


def span(seconds: float | None, *, unknown: str = UNKNOWN) -> str:
    """A length of time in at most six characters."""
    if seconds is None:
        return unknown
    if seconds < 1:
        return "<1 s"
    if seconds < _MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    if seconds < 2 * _DAY_S:
        return f"{seconds / _HOUR_S:.0f} h"
    return f"{seconds / _DAY_S:.0f} d"


def clock_span(seconds: float) -> str:
    """A length of time as hours, minutes and seconds."""
    minutes, rest = divmod(max(0, int(seconds)), _MINUTE_S)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def size(count: float | None, *, unknown: str = UNKNOWN) -> str:
    """Bytes with a unit."""
    if count is None:
        return unknown
    for unit in ("B", "kB", "MB"):
        if count < 1000:  # noqa: PLR2004  (decimal units)
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"  # noqa: PLR2004
        count /= 1000
    return f"{count:.1f} GB"


def whole(count: float | None, *, unknown: str = UNKNOWN) -> str:
    """A count, its thousands apart."""
    return unknown if count is None else f"{count:,.0f}"


def local(microseconds: int, *, date: bool = False) -> str:
    """A moment in the time zone of the terminal."""
    moment = datetime.fromtimestamp(microseconds / 1e6, UTC).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")


def sparkline(values: Sequence[float | None], width: int, glyphs: Glyphs, *, from_zero: bool = False) -> str:
    """The last values as little bars, each the highest of those it stands for; a blank where there was none."""
    if width <= 0 or not values:
        return " " * max(0, width)
    each = max(1, -(-len(values) // width))
    columns: list[float | None] = []
    for end in range(len(values), 0, -each):
        present = [value for value in values[max(0, end - each) : end] if value is not None]
        columns.insert(0, max(present) if present else None)
    known = [value for value in columns if value is not None]
    low, high = (0.0 if from_zero else min(known, default=0.0)), max(known, default=0.0)
    steps = len(glyphs.bars) - 1
    drawn = "".join(
        " " if value is None else glyphs.bars[round((value - low) / (high - low) * steps) if high > low else 0]
        for value in columns
    )
    return drawn.rjust(width)[-width:]


def bar(share: float | None, width: int, glyphs: Glyphs) -> str:
    """A filled part of a line."""
    filled = round(max(0.0, min(1.0, share or 0.0)) * width)
    return glyphs.full * filled + glyphs.empty * (width - filled)


def deviation(value: float | None, wanted: float | None, scale: float, width: int, glyphs: Glyphs) -> str:
    """How far a value is from its set-value: a bar to the left or the right of the middle, full at the scale."""
    half = width // 2
    if value is None or wanted is None:
        return " " * (2 * half + 1)
    share = max(-1.0, min(1.0, (value - wanted) / scale)) if scale > 0 else 0.0
    filled = round(abs(share) * half)
    left = glyphs.full * filled if share < 0 else ""
    right = glyphs.full * filled if share > 0 else ""
    return f"{left:>{half}}{glyphs.centre}{right:<{half}}"


def shortened(name: str, width: int) -> str:
    """A name of several words no wider than asked: its longest words lose their ends, its numbers stay whole.

    So 'Precursor 1 Heater' and 'Precursor 2 Heater' can be told apart for as long as there is room for them at all.
    """
    words = name.split(" ")
    while len(" ".join(words)) > width:
        longest = max(range(len(words)), key=lambda at: (not words[at].isdigit(), len(words[at])))
        if len(words[longest]) <= 1 or words[longest].isdigit():
            return " ".join(words)[: max(0, width)]
        words[longest] = words[longest][:-1]
    return " ".join(words)


def cut(text: str, width: int, glyphs: Glyphs) -> str:
    """A text no wider than asked, its loss in plain sight."""
    if len(text) <= width:
        return text
    return text[: max(0, width - len(glyphs.ellipsis))] + glyphs.ellipsis if width > 0 else ""
