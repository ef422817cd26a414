"""A plot that any terminal can show: columns of block characters."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_ASCII: Final = " .:-=+*#@"


def plot(
    times_s: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    *,
    width: int = 64,
    height: int = 6,
    unit: str = "",
    is_unicode: bool = True,
) -> Sequence[str]:
    """Draw values over time; each column shows the highest value in it, so that no pulse is lost.

    Args:
        times_s: seconds, increasing, shape ``(points,)``.
        values: shape ``(points,)``; NaN leaves a gap.
        width: columns of the plot itself.
        height: lines of the plot itself.
        unit: written beside the highest value.
        is_unicode: False draws with ASCII only.

    Returns:
        Lines of text, axis and scale included.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return ["(no values)"]
    times_s, values = times_s[finite], values[finite]
    span_s = float(times_s[-1] - times_s[0]) or 1.0
    columns = np.minimum(((times_s - times_s[0]) / span_s * width).astype(int), width - 1)
    highest = np.full(width, np.nan)
    np.fmax.at(highest, columns, values)
    low, high = float(values.min()), float(values.max())
    scale = (high - low) or 1.0
    levels = np.nan_to_num((highest - low) / scale * height * 8, nan=0.0).round().astype(int)
    levels = np.where(np.isnan(highest), 0, np.maximum(levels, 1))
    blocks = _BLOCKS if is_unicode else _ASCII
    left = max(len(f"{low:.3g}"), len(f"{high:.3g}"))
    lines = []
    for line in range(height - 1, -1, -1):
        label = f"{high:.3g}" if line == height - 1 else f"{low:.3g}" if line == 0 else ""
        cells = "".join(blocks[max(0, min(8, int(level) - line * 8))] for level in levels)
        shown_unit = f" {unit}" if unit and line == height - 1 else ""
        lines.append(f"{label:>{left}} {'│' if is_unicode else '|'}{cells}{shown_unit}")
    lines.append(f"{'':>{left}} {'└' if is_unicode else '+'}{('─' if is_unicode else '-') * width}")
    lines.append(f"{'':>{left}}  0 s{f'{span_s:.0f} s':>{width - 3}}")
    return lines
