"""Set-values: limits in sight, a reason, a question, and what the tool said afterwards."""

import pytest

from hal.quality import Quality
from recorder.console.picture import ParameterRow
from recorder.console.set_values_view import check_change, parse_value
from tests.console.conftest import Console, Driven
from tests.console.daemon import Daemon

HEATER = ParameterRow(id=2, name="Heater/temperature_set", unit="°C", min_value=0.0, max_value=300.0)
VALVE = ParameterRow(id=3, name="Valve 1/is_open", data_type="binary")


async def fill(live: Driven, value: str, reason: str) -> None:
    """Open the dialog of the heater and go on from it."""
    await live.press("5")
    await live.until("1 can be set")
    await live.press("enter")
    await live.until("Change Heater/temperature_set", "limits: 0 to 300 °C", "in the tool: 1.5", "desired: 120")
    await live.type(value)
    await live.press("tab")
    await live.type(reason)
    await live.press("tab", "tab", "tab", "enter")


async def test_a_change_is_asked_confirmed_and_read_back(daemon: Daemon, live: Driven) -> None:
    """What is sent is what the daemon's command takes."""
    await fill(live, "140.5", "new recipe")
    await live.until(
        "Write Heater/temperature_set?", "→ 140.5 °C", "reason: new recipe", "This writes to the tool now."
    )
    await live.press("y")
    await live.until("outcome: done", "before: 1.5 °C", "read back: 140.5 °C")
    (asked,) = daemon.asked_for("set")
    assert asked["values"] == {"Heater/temperature_set": 140.5}
    assert (asked["reason"], asked["during_recipe"]) == ("new recipe", False)
    assert asked["changed_by"]
    await live.press("enter")
    await live.until("● Heater/temperature_set", "140.5")


async def test_an_open_dialog_follows_the_tool(daemon: Daemon, live: Driven) -> None:
    """What the tool says when it is confirmed counts, not what it said when the dialog was opened."""
    await fill(live, "140.5", "new recipe")
    await live.until("1.5 °C → 140.5 °C")
    daemon.set("Heater/temperature_set", 90.25)
    await live.until("90.25 °C → 140.5 °C")
    daemon.set("Heater/temperature_set", 90.25, Quality.BAD)
    await live.until("not known now → 140.5 °C")


async def test_no_is_no(daemon: Daemon, live: Driven) -> None:
    """Enter on the question leaves the tool alone."""
    await fill(live, "140", "x")
    await live.until("Write Heater/temperature_set?")
    await live.press("enter")
    await live.until("1 can be set")
    assert not daemon.asked_for("set")


async def test_what_is_wrong_is_said_before_it_is_sent(daemon: Daemon, live: Driven) -> None:
    """1e400 is no number, and no reason is no change."""
    await fill(live, "1e400", "")
    await live.until("1e400 is no number that can be set.")
    assert not daemon.asked_for("set")


async def test_a_recorder_that_takes_no_set_values_is_a_polite_word(daemon: Daemon, console: Console) -> None:
    """Nothing was written, and it says so."""
    daemon.without = frozenset({"set"})
    async with daemon.serving(), console() as driven:
        await driven.until("LIVE")
        await fill(driven, "141", "x")
        await driven.until("Write Heater/temperature_set?")
        await driven.press("y")
        await driven.until_told("does not take set-values yet: update it. Nothing was written.")


async def test_a_refusal_is_shown_with_its_reason(daemon: Daemon, live: Driven) -> None:
    """As the daemon gives it."""
    daemon.set_outcome = "refused"
    await fill(live, "141", "x")
    await live.until("Write Heater/temperature_set?")
    await live.press("y")
    await live.until("outcome: refused")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", 1.5), ("1,5", 1.5), ("on", 1.0), ("OFF", 0.0), ("-3e2", -300.0)]
    + [(text, None) for text in ("", "x", "nan", "inf", "1e400", "1..2", "0x10", "[bold]")],
)
def test_numbers_are_understood_or_refused(text: str, value: float | None) -> None:
    """Comma or point; nothing that no tool can hold."""
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("parameter", "value", "fault"),
    [
        (HEATER, "300", ""),
        (HEATER, "300.1", "300.1 is above the limit of 300 °C."),
        (HEATER, "-1", "-1 is below the limit of 0 °C."),
        (VALVE, "2", "It can be off or on."),
        (VALVE, "on", ""),
    ],
)
def test_limits_are_checked(parameter: ParameterRow, value: str, fault: str) -> None:
    """Here for the operator's sake; the recorder does it again."""
    fields = {"value": value, "reason": "x", "changed_by": "Ada", "during_recipe": "no"}
    assert check_change(parameter, fields) == fault


@pytest.mark.parametrize(
    ("field", "text", "fault"),
    [("reason", "", "why"), ("changed_by", "", "who"), ("during_recipe", "maybe", "yes or no")],
)
def test_every_field_is_needed(field: str, text: str, fault: str) -> None:
    """Reason and name stay with the change."""
    fields = {"value": "1", "reason": "x", "changed_by": "Ada", "during_recipe": "no", field: text}
    assert fault in check_change(HEATER, fields)
