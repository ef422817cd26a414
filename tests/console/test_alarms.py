"""Alarms on the console: seen at once, in words, and answered by keys and by mouse."""

import asyncio

import pytest
from textual.widgets import Input

from recorder.alarms.alarm import AlarmState, Priority
from tests.console.conftest import Console, Driven
from tests.console.daemon import Daemon

HOT, AWAY = "Process/chamber_pressure:high", "device:plc"


@pytest.fixture
def alarmed(daemon: Daemon) -> Daemon:
    """A daemon with two alarms."""
    daemon.raise_alarm(HOT, "pressure too high")
    daemon.raise_alarm(AWAY, "device plc is away", priority=Priority.MEDIUM)
    return daemon


def standing(daemon: Daemon, name: str) -> tuple[AlarmState, str]:
    """State, and who is named with it."""
    alarm = daemon.alarms[name][1]
    return alarm.state, alarm.by


async def named(driven: Driven, name: str) -> None:
    """Fill a name in where it is asked for."""
    await driven.until("your name")
    driven.app.screen.query(Input).last().value = name
    await driven.press("enter", "enter")


async def test_the_overview_begins_with_the_alarms(daemon: Daemon, live: Driven) -> None:
    """In words: none, how many nobody has acknowledged and which first, or how many somebody knows of."""
    screen = await live.until("alarms ● none stands", "77 recipe")
    assert screen.index("none stands") < screen.index("77 recipe")
    daemon.raise_alarm(HOT, "pressure too high")
    await live.until("✕ 1 UNACKNOWLEDGED: pressure too high (high)")
    daemon._say(HOT, lambda alarm, now_us: alarm.acknowledge(now_us, "Ada"))
    await live.until("◐ 1 acknowledged")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)])
async def test_alarms_stand_above_the_log_on_every_terminal(
    alarmed: Daemon, console: Console, size: tuple[int, int]
) -> None:
    """However many there are, half of the view stays for the log."""
    for at in range(40):
        alarmed.raise_alarm(f"Heater/zone_{at}:high", f"zone {at} too hot")
    alarmed.tell("device_lost", reason="timed out")
    async with alarmed.serving(), console(size=size) as driven:
        await driven.until("LIVE")
        await driven.press("6")
        screen = await driven.until("✕ alarms: 42 unacknowledged", "pressure too high", "device lost", "1 of 1")
        lines = screen.splitlines()
        assert len(lines) == size[1]
        assert sum("too hot" in line for line in lines) <= size[1] // 2
        assert screen.index("pressure too high") < screen.index("device lost")


async def test_an_alarm_is_acknowledged_by_key_and_the_name_asked_once(alarmed: Daemon, live: Driven) -> None:
    """The second goes at once, in the name of the session."""
    await live.press("6")
    await live.until("UNACKNOWLEDGED", "pressure too high")
    await live.press("a")
    await live.until("Acknowledge: pressure too high")
    await named(live, "Ada")
    await live.until_told("pressure too high: acknowledged.")
    assert standing(alarmed, HOT) == (AlarmState.ACKNOWLEDGED, "Ada")
    await live.until("1 unacknowledged, 1 acknowledged")
    await live.press("a")
    await live.until_told("pressure too high is acknowledged: there is nothing to acknowledge.")
    await live.press("down", "a")
    await live.until_told("device plc is away: acknowledged.")
    assert standing(alarmed, AWAY) == (AlarmState.ACKNOWLEDGED, "Ada")


async def test_an_alarm_that_is_over_goes_when_it_is_acknowledged(alarmed: Daemon, live: Driven) -> None:
    """Until then it stands as returned; without alarms the keys are the log's again."""
    alarmed.end_alarm(HOT)
    alarmed.tell("clock_step", offset_us=12)
    await live.press("6")
    await live.until("◐ returned")
    await live.press("A")
    await live.until("Acknowledge all 2 alarms that wait?")
    await named(live, "Bob")
    await live.until_told("All are acknowledged.")
    alarmed.end_alarm(AWAY)
    await live.until("● no alarm stands")
    await live.press("enter")
    await live.until("offset us: 12")


async def test_the_head_says_what_the_rows_below_it_say(alarmed: Daemon, live: Driven) -> None:
    """Also while the recorder has told that no alarm stands, and has not yet told which do."""
    await live.press("6")
    await live.until("alarms: 2 unacknowledged", "pressure too high")
    gate = alarmed.gates["alarms"] = asyncio.Event()
    alarmed.alarms.clear()
    await live.press("1")
    await live.until("alarms ● none stands")
    await live.press("6")
    await live.until("alarms: 2 unacknowledged", "pressure too high", without="no alarm stands")
    gate.set()
    await live.until("● no alarm stands", without="pressure too high")


async def test_an_alarm_is_shelved_for_some_minutes_and_comes_back(alarmed: Daemon, live: Driven) -> None:
    """What is no time is refused before it is sent."""
    await live.press("6")
    await live.until("pressure too high")
    await live.press("s")
    await live.until("Shelve: pressure too high", "comes back by itself")
    minutes, name = live.app.screen.query(Input)
    minutes.value, name.value = "2000", ""
    await live.press("enter", "enter", "enter")
    await live.until("at most 1440 minutes")
    minutes.value = "30"
    await live.press("enter")
    await live.until("Say who you are.")
    name.value = "Ada"
    await live.press("enter")
    await live.until_told("pressure too high: shelved for 30 min.")
    await live.until("shelved 30 min", "1 unacknowledged, 1 shelved")
    await live.press("u")
    await live.until_told("pressure too high: not shelved any more.")
    assert standing(alarmed, HOT) == (AlarmState.UNACKNOWLEDGED, "")
    await live.press("u")
    await live.until_told("it is not shelved.")


async def test_enters_that_come_at_once_stop_at_the_button(alarmed: Daemon, live: Driven) -> None:
    """Two of them in the last field, as over a slow line, press nothing and leave nothing."""
    await live.press("6")
    await live.until("pressure too high")
    await live.press("s")
    await live.until("Shelve: pressure too high")
    last = live.app.screen.query(Input).last()
    for _ in range(2):
        last.post_message(Input.Submitted(last, last.value))
    await live.pilot.pause()
    focused = live.app.screen.focused
    assert focused is not None
    assert focused.id == "done"


async def test_enter_shows_an_alarm_whole_and_buttons_answer_it(alarmed: Daemon, live: Driven) -> None:
    """The same with the mouse: a click moves the cursor, a second opens, a button acknowledges."""
    await live.press("6")
    await live.until("pressure too high")
    await live.press("enter")
    await live.until("UNACKNOWLEDGED", HOT, "value", "5.5 Torr", "limit", "5 Torr", "< Shelve: s >")
    await live.press("escape")
    await live.pilot.click("#alarm-rows", offset=(20, 2))
    await live.pilot.click("#alarm-rows", offset=(20, 2), times=2)
    await live.until("device:plc")
    await live.pilot.click("#acknowledge")
    await live.until("Acknowledge: device plc is away")
    await named(live, "Ada")
    await live.until_told("device plc is away: acknowledged.")


async def test_the_cursor_stays_on_its_alarm(alarmed: Daemon, live: Driven) -> None:
    """So that a new one above it is not acknowledged in its place; Tab leads to the log and back."""
    live.app.operator = "Ada"
    await live.press("6")
    await live.until("pressure too high")
    await live.press("down")
    first = dict(alarmed.alarms)
    alarmed.alarms.clear()
    alarmed.raise_alarm("recorder:losses", "rows were lost")
    alarmed.alarms.update(first)
    await live.until("rows were lost")
    await live.press("tab", "a")
    await live.until_told("device plc is away: acknowledged.")
    await live.press("tab", "home", "a")
    await live.until_told("rows were lost: acknowledged.")


@pytest.mark.parametrize("key", ["a", "A", "s", "u"])
async def test_a_console_that_only_shows_answers_no_alarm(alarmed: Daemon, console: Console, key: str) -> None:
    """It says why."""
    async with alarmed.serving(), console(read_only=True) as driven:
        await driven.until("LIVE")
        await driven.press("6")
        await driven.until("pressure too high")
        await driven.press(key)
        await driven.until_told("This console only shows: it cannot acknowledge or shelve an alarm.")
    assert not {"acknowledge", "shelve", "unshelve"} & {request["command"] for request in alarmed.asked}


async def test_what_the_recorder_refuses_is_said(alarmed: Daemon, live: Driven) -> None:
    """Somebody else was quicker; and a recorder without alarms has none."""
    live.app.operator = "Ada"
    await live.press("6")
    await live.until("pressure too high")
    definition, alarm = alarmed.alarms[HOT]
    alarmed.alarms[HOT] = (definition, alarm.acknowledge(alarmed.now_us, "Bob")[0])
    await live.press("a")
    await live.until_told("is acknowledged: there is nothing to acknowledge")
    alarmed.status_changes = {"alarms": None}
    await live.until("this recorder has none")
