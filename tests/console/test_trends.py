"""Trends: several parameters over one window of time, and the arithmetic behind the picture."""

import asyncio

import numpy as np

from recorder.console.board import Band
from recorder.console.trend import ClockAxis, LogAxis, PlainAxis, Window, band_line, points
from recorder.console.words import UNICODE
from tests.console.conftest import Console, Driven
from tests.console.daemon import Daemon

NOW_US = 1_795_000_000_000_000


async def test_parameters_are_drawn_with_history_and_live(daemon: Daemon, live: Driven) -> None:
    """Those of one unit in one plot; each with its value in words."""
    await live.press("2")
    await live.until("chamber_pressure")
    await live.press("t", "down", "t", "3")
    await live.until("Process/chamber_pressure 0.5 Torr", "Heater/temperature_set 1.5 °C", "1 min, follows, log Torr")
    daemon.set("Process/chamber_pressure", 3.25)
    await live.until("Process/chamber_pressure 3.25 Torr")
    assert len(live.app.query("UnitPlot")) == 2
    assert daemon.asked_for("trend")[-1]["run"] == 77


async def test_the_window_moves_zooms_and_follows_again(daemon: Daemon, live: Driven) -> None:
    """By keys; further back the database is asked for more."""
    await live.press("2")
    await live.until("chamber_pressure")
    await live.press("t", "3")
    await live.until("1 min, follows")
    await live.press("plus")
    await live.until("30 s, follows")
    await live.press("minus", "minus", "left")
    await live.until("2 min, held at")
    asked = len(daemon.asked_for("trend"))
    await live.press("left", "left", "left", "left", "left", "left", "left", "left")
    assert await live.comes(lambda: len(daemon.asked_for("trend")) > asked)
    await live.press("f")
    await live.until("2 min, follows")
    await live.press("l")
    await live.until("follows]", without="log")
    await live.press("c")
    await live.until("No parameter is drawn yet")


async def test_history_comes_too_where_a_parameter_was_added_before_its_first_value(
    daemon: Daemon, console: Console
) -> None:
    """What time it is in the tool is known by its values alone: until then nobody can ask for what was before."""
    gate = daemon.gates["values"] = asyncio.Event()
    async with daemon.serving(), console() as driven:
        await driven.until("LIVE")
        await driven.press("2")
        await driven.until("chamber_pressure")
        await driven.press("t", "3")
        await driven.until("1 min, follows")
        assert not daemon.asked_for("trend")
        gate.set()
        assert await driven.comes(lambda: bool(daemon.asked_for("trend")))
    (asked,) = daemon.asked_for("trend")
    assert abs(daemon.now_us - asked["to_us"]) < 60_000_000


async def test_without_unicode_a_trend_is_plain_characters(daemon: Daemon, console: Console) -> None:
    """No braille and no boxes."""
    async with daemon.serving(), console(is_unicode=False) as driven:
        await driven.until("* LIVE")
        await driven.press("2")
        await driven.until("chamber_pressure")
        await driven.press("t", "3")
        await driven.until("1 Process/chamber_pressure 0.5 Torr")
        plots = driven.app.query_one("#plots").region
        drawn = "\n".join(driven.screen.splitlines()[plots.y : plots.bottom])
        assert drawn.isascii(), drawn


def test_no_pulse_is_lost_where_there_are_more_samples_than_columns() -> None:
    """Each column has its lowest and its highest value."""
    samples = [(NOW_US + at * 1000, 100.0 if at == 777 else 1.0) for at in range(10_000)]
    times_s, values = points(samples, NOW_US, NOW_US + 10_000_000, 50)
    assert len(values) <= 2 * 51
    assert values.max() == 100.0
    assert (np.diff(times_s) >= 0).all()


def test_a_window_beyond_now_follows() -> None:
    """Panning on to the newest sample is how one gets back to it."""
    window = Window(span_s=60)
    window.pan(-0.5, NOW_US)
    assert window.bounds_us(NOW_US) == (NOW_US - 90_000_000, NOW_US - 30_000_000)
    window.zoom(2.0, NOW_US)
    assert window.span_s == 120
    window.pan(10, NOW_US)
    assert window.end_us is None


def test_bands_name_the_cycles_where_there_is_room() -> None:
    """The one that reaches into the window stands at its edge."""
    bands = [Band(at_us=NOW_US + at * 1_000_000, step=at, cycle=1 + at // 4) for at in range(-4, 8)]
    assert band_line(bands, NOW_US, NOW_US + 10_000_000, 20, UNICODE) == "│c1     │c2         "
    steps = [Band(at_us=NOW_US + at * 1_000_000, step=at, cycle=None) for at in range(1, 10)]
    assert band_line(steps, NOW_US, NOW_US + 10_000_000, 20, UNICODE).startswith("  │ │ │")


def test_axes_have_few_and_short_numbers() -> None:
    """Whole steps of the clock, decades, ones, twos and fives."""
    assert LogAxis().get_ticks_and_labels(-2.2, 0.5) == ([-2.0, -1.0, 0.0], ["0.01", "0.1", "1"])
    assert LogAxis().get_ticks_and_labels(0.1, 1.1)[1] == ["2", "5", "10"]
    assert PlainAxis().get_ticks_and_labels(0.0, 1.0)[1] == ["0", "0.5", "1"]
    assert PlainAxis().get_ticks_and_labels(3.0, 3.0 + 1e-12)
    assert len(ClockAxis().get_ticks(1.795e9, 1.795e9 + 60)) <= 6


async def test_what_is_named_beforehand_is_drawn_from_the_start(daemon: Daemon, console: Console) -> None:
    """A name that the recorder does not know is passed over."""
    named = ["Process/chamber_pressure", "No/such", "Heater/temperature_set"]
    async with daemon.serving(), console(trends=named) as driven:
        await driven.until("LIVE")
        await driven.press("3")
        await driven.until("Process/chamber_pressure 0.5 Torr", "Heater/temperature_set 1.5 °C", "1 min, follows")
