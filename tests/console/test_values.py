"""The values: live where they are, never where they are not, found as one types, ten thousand as well as ten."""

import asyncio
from typing import Any

import pytest

from hal.health import DeviceState
from hal.parameter import DataType, RegisterKind
from hal.quality import Quality
from recorder.definitions.definitions import Definition, DefinitionSet
from tests.console.conftest import Console, Driven
from tests.console.daemon import Daemon, make_definitions


async def test_a_value_is_shown_with_unit_set_value_quality_and_age(live: Driven) -> None:
    """In words beside the colour."""
    await live.press("2")
    screen = await live.until("chamber_pressure", "31 of 31", "good")
    line = next(line for line in screen.splitlines() if "chamber_pressure" in line)
    assert line.split() == ["●", "Process/chamber_pressure", "0.5", "Torr", "good", "<1", "s"]
    line = next(line for line in screen.splitlines() if "temperature_set" in line)
    assert "d 120" in line


async def test_a_wide_terminal_draws_how_far_a_value_is_from_what_is_desired(daemon: Daemon, console: Console) -> None:
    """As a bar to the left where it is too low."""
    async with daemon.serving(), console(size=(120, 24)) as driven:
        await driven.until("LIVE")
        await driven.press("2")
        screen = await driven.until("low high", "temperature_set", "good")
        line = next(line for line in screen.splitlines() if "temperature_set" in line)
        assert "█" in line, "far below the desired value"


@pytest.mark.parametrize("key", ["2", "5"])
@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_two_heaters_can_be_told_apart_on_a_small_terminal(
    daemon: Daemon, console: Console, size: tuple[int, int], key: str
) -> None:
    """A set-value without its component would be changed on the wrong heater."""
    fields: dict[str, Any] = {"register_kind": RegisterKind.HOLDING_REGISTER, "is_writable": True}
    names = ("Precursor 1 Heater", "Precursor 2 Heater", "Precursor 12 Heater")
    definitions = tuple(
        Definition(id=at, component=name, name="temperature_set", address=2 * at, data_type=DataType.FLOAT32, **fields)
        for at, name in enumerate(names, start=1)
    )
    heaters = Daemon(path=daemon.path, definitions=DefinitionSet(machine="Heaters", definitions=definitions))
    async with heaters.serving(), console(size=size) as driven:
        await driven.until("LIVE")
        await driven.press(key)
        screen = await driven.until("/temperature_set", "2.5")
        shown = [line.split("/temperature_set")[0] for line in screen.splitlines() if "/temperature_set" in line]
        assert [number for line in shown for number in line.split() if number.isdigit()] == ["1", "2", "12"], screen
        assert all("Pre" in line for line in shown), screen


async def test_rows_that_come_when_the_view_is_open_are_drawn_whole(daemon: Daemon, console: Console) -> None:
    """The scroll bar that comes with them takes its room from the columns, not the unit from an age."""
    gate = daemon.gates["parameters"] = asyncio.Event()
    async with daemon.serving(), console() as driven:
        await driven.until("LIVE")
        await driven.press("2")
        await driven.until("filter /", without="of 31")
        gate.set()
        screen = await driven.until("31 of 31", "chamber_pressure", "good")
    line = next(line for line in screen.splitlines() if "chamber_pressure" in line)
    assert line.split()[-3:] == ["good", "<1", "s"]


async def test_a_change_is_drawn(daemon: Daemon, live: Driven) -> None:
    """Without a key."""
    await live.press("2")
    await live.until("chamber_pressure")
    daemon.set("Process/chamber_pressure", 7.125)
    await live.until("7.125")


async def test_a_value_that_is_bad_is_in_brackets_with_the_word_why(daemon: Daemon, live: Driven) -> None:
    """And its last good one is kept, with its age."""
    await live.press("2")
    await live.until("● Process/chamber_pressure")
    daemon.set("Process/chamber_pressure", 0.5, Quality.COMMUNICATION_FAILURE)
    await live.until("✕ Process/chamber_pressure", "(0.5)", "no answer")
    daemon.set("Process/chamber_pressure", 2000.0, Quality.OUT_OF_RANGE)
    await live.until("◐ Process/chamber_pressure", "2000", "range")
    daemon.set("Process/chamber_pressure", 0.25, Quality.FROZEN)
    await live.until("◐ Process/chamber_pressure", "(0.25)", "frozen")


async def test_a_value_that_is_no_longer_scanned_looks_stale(daemon: Daemon, live: Driven) -> None:
    """The daemon answers, and its scans do not end."""
    await live.press("2")
    await live.until("● Process/chamber_pressure")
    daemon.now_us += 12_000_000
    await live.until("○ Process/chamber_pressure", "(0.5)", "stale", "12 s")


async def test_what_is_not_configured_says_so(live: Driven) -> None:
    """It has no value and no age."""
    await live.press("2")
    await live.until("31 of 31")
    await live.press("end")
    await live.until("Spare/not_configured", "not read")


async def test_a_filter_narrows_as_one_types_and_clears(live: Driven) -> None:
    """By words of name and unit; Escape shows all again."""
    await live.press("2", "slash")
    await live.type("torr")
    await live.until("1 of 31", "chamber_pressure", without="temperature_set")
    await live.press("escape")
    await live.until("31 of 31", "temperature_set")


async def test_rubbish_in_a_filter_finds_nothing_and_harms_nothing(live: Driven) -> None:
    """Markup, control characters, what is no text, and a great deal of it."""
    await live.press("2", "slash")
    for rubbish in ("[bold red]", "\x1b[31m\x00\x07", "%s{}\\'\";--", "ß" * 5_000, "\ud800"):
        live.app.query_one("FilterBar Input").value = rubbish  # type: ignore[attr-defined]
        await live.until("0 of 31")
    await live.press("escape")
    await live.until("31 of 31")


async def test_a_key_answers_why_a_value_is_stale(daemon: Daemon, live: Driven) -> None:
    """With the chain: since when, last error, next try."""
    daemon.device_state = DeviceState.BACKING_OFF
    daemon.set("Process/chamber_pressure", 0.5, Quality.NOT_CONNECTED)
    await live.press("2", "w")
    await live.until("Why is Process/chamber_pressure", "device not connected", "away for 34 s")
    await live.until("3 in a row failed", "Connection refused", "in 2.5 s")
    await live.press("escape")
    await live.until("filter /")


async def test_the_mouse_moves_and_asks(live: Driven) -> None:
    """One click chooses a row, two ask why."""
    await live.press("2")
    await live.until("temperature_set")
    await live.pilot.click("#values RowList", offset=(5, 2))
    assert live.app.query_one("#values RowList").cursor == 1  # type: ignore[attr-defined]
    await live.pilot.click("#values RowList", offset=(5, 2), times=2)
    await live.until("Why is Heater/temperature_set")


async def test_ten_thousand_parameters_scroll_and_only_those_in_sight_are_asked_for(
    daemon: Daemon, console: Console
) -> None:
    """Definitions come in pages, values for a screen."""
    many = Daemon(path=daemon.path, definitions=make_definitions(10_000))
    async with many.serving(), console() as driven:
        await driven.until("LIVE")
        await driven.press("2")
        await driven.until("10,001 of 10,001")
        for key in ("pagedown", "end", "home", "pagedown"):
            await driven.press(key)
        await driven.press("end")
        await driven.until("value_9999", "9999.5")
        asked = many.asked_for("values")
        assert max(len(request["ids"]) for request in asked) < 60
        assert all(request.get("limit", 500) <= 500 for request in many.asked_for("parameters"))
