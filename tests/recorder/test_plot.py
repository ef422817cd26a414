"""A plot that any terminal can show, in which no pulse is lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recorder.cli.plot import plot

finite = st.floats(-1e12, 1e12)


def body(lines: list[str], separator: str = "│") -> list[str]:
    """The columns of the plot alone, from the top."""
    return [line.partition(separator)[2] for line in lines if separator in line]


def test_a_ramp_rises() -> None:
    """From the lowest block to the highest, with the scale and the unit beside them."""
    lines = list(plot(np.arange(8.0), np.arange(8.0), width=8, height=1, unit="Torr"))
    assert lines == ["7 │▁▁▂▃▅▆▇█ Torr", "  └────────", "   0 s  7 s"]


def test_a_pulse_shorter_than_a_column_shows() -> None:
    """One sample of 10,000 stands as high as it was."""
    values = np.zeros(10_000)
    values[5_003] = 1.0
    top, *_ = body(list(plot(np.arange(10_000.0), values, width=20, height=3)))
    assert top.count("█") == 1


def test_a_gap_is_left_empty() -> None:
    """Where there were no values, nothing is drawn."""
    times = np.arange(10.0)
    values = np.where((times > 3) & (times < 7), np.nan, 1.0)
    assert body(list(plot(times, values, width=10, height=1)))[0].rstrip() == "▁▁▁▁   ▁▁▁"


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Every character."""
    lines = plot(np.arange(20.0), np.sin(np.arange(20.0)), is_unicode=False, unit="V")
    assert all(line.isascii() for line in lines)


def test_nothing_to_draw_is_said() -> None:
    """No values, or none that are numbers."""
    assert plot(np.array([]), np.array([])) == ["(no values)"]
    assert plot(np.array([1.0]), np.array([np.nan])) == ["(no values)"]


@given(
    st.lists(st.tuples(st.floats(0, 1e6), finite | st.just(float("nan"))), min_size=1, max_size=50),
    st.integers(10, 100),
    st.integers(1, 10),
)
def test_any_trace_fits_its_frame(points: list[tuple[float, float]], width: int, height: int) -> None:
    """Also one point, a constant, very large and very small values."""
    points.sort(key=lambda point: point[0])
    times, values = (np.array(column) for column in zip(*points, strict=True))
    lines = list(plot(times, values, width=width, height=height))
    if np.isfinite(values).any():
        drawn = body(lines)
        assert len(drawn) == height
        assert {len(line) for line in drawn} == {width}
        assert len(lines) == height + 2
