"""The overview: what an operator sees at a glance, live, lost and found again."""

import pytest

from hal.health import DeviceState
from recorder.console.board import Board
from recorder.console.overview import overview_lines
from recorder.console.picture import StatusPicture, parse
from recorder.console.words import ASCII, UNICODE
from tests.console.conftest import Console, Driven
from tests.console.daemon import Daemon


async def test_run_devices_latency_and_losses_are_seen_at_once(live: Driven) -> None:
    """With zero lost in plain sight."""
    screen = await live.until("cycle 5 of 20")
    for text in ("77 recipe", "Al2O3", "operator Ada", "25 %", "● connected", "99 %", "● 0 rows", "12.2", "123"):
        assert text in screen, text
    assert "98 completed, 1 late, 0 failed, 1 skipped (overrun), 0 shed" in screen
    assert "fills in —, drains in —" in screen


async def test_what_a_newer_recorder_says_is_shown(daemon: Daemon, live: Driven) -> None:
    """Spool times, cache and lag, which an older one does not know."""
    daemon.status_changes = {
        "spool": {"entries": 4, "bytes": 5_000, "max_bytes": 10_000, "time_to_full_s": 7_200, "time_to_drain_s": 3},
        "set_values": {"hit_ratio": 0.987, "oldest_s": 42, "stale": 0},
        "event_loop_lag_ms": {"late": {"p99": 3.21}, "held": {"p99": 0.5}},
    }
    await live.until("fills in 2 h, drains in 3 s", "hit ratio 98.7 %, age 42 s", "event-loop lag 3.21 ms")


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 60)])
async def test_it_fits_every_terminal(daemon: Daemon, console: Console, size: tuple[int, int]) -> None:
    """No line is wider than the screen, and the first and last figures are there."""
    async with daemon.serving(), console(size=size) as driven:
        screen = await driven.until("LIVE", "77 recipe")
        assert len(screen.splitlines()) == size[1]
        assert max(map(len, screen.splitlines())) <= size[0]


async def test_a_terminal_too_small_says_so_and_comes_back(daemon: Daemon, console: Console) -> None:
    """With both sizes; a larger window brings the picture back."""
    async with daemon.serving(), console(size=(40, 10)) as driven:
        await driven.until("terminal too small", "40 x 10", "needs 60 x 16")
        await driven.pilot.resize_terminal(80, 24)
        await driven.until("77 recipe", without="too small")


async def test_a_lost_recorder_is_said_at_once_and_found_again(daemon: Daemon, console: Console) -> None:
    """In words, with when it is tried again; nothing needs to be pressed."""
    async with console() as driven:
        await driven.until("NO CONNECTION", "no recorder answers at", "start it: ald-recorder run", "LOST")
        async with daemon.serving():
            await driven.until("LIVE", "77 recipe", without="NO CONNECTION")
        await driven.until("LOST", "Nothing below is live")
        async with daemon.serving():
            await driven.until("LIVE", without="NO CONNECTION")


async def test_a_recorder_that_waits_for_definitions_says_why(daemon: Daemon, console: Console) -> None:
    """It answers, and is not live."""
    daemon.status_changes = {"state": "waiting for definitions", "reason": "machine 'x' has no definitions"}
    async with daemon.serving(), console() as driven:
        await driven.until("WAITS", "waiting for definitions", "machine 'x' has no definitions")


async def test_a_recorder_of_another_version_is_one_clear_line(daemon: Daemon, console: Console) -> None:
    """An older one without live values, and one whose status is of another shape."""
    daemon.without = frozenset({"values", "parameters"})
    async with daemon.serving(), console() as driven:
        await driven.until("not a command")
    daemon.without = frozenset()
    daemon.status_changes = {"devices": "none"}
    async with daemon.serving(), console() as driven:
        await driven.until("speaks another version than this", "update both")


async def test_every_view_comes_by_its_number_and_by_a_click(live: Driven) -> None:
    """And the line of tabs says which it is."""
    for key, text in (("2", "filter /"), ("3", "No parameter is drawn yet"), ("4", "search /"), ("5", "can be set")):
        await live.press(key)
        await live.until(text)
    await live.press("6")
    await live.until("what, device or detail")
    await live.pilot.click("#tabs", offset=(3, 0))
    await live.until("latency, ms")


async def test_the_keys_are_explained(live: Driven) -> None:
    """With those of the view in front, and what the marks mean."""
    await live.press("2", "question_mark")
    await live.until("Keys", "Why so? (Values)", "leave: the recorder", "(in brackets) not of now")
    await live.press("escape")
    await live.until("filter /")


async def test_q_leaves(live: Driven) -> None:
    """The recorder goes on."""
    await live.press("q")
    await live.pilot.pause()
    assert live.app._exit


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_without_unicode_only_ascii_is_drawn(width: int) -> None:
    """On a terminal whose locale is not UTF-8."""
    board = Board()
    status = {"state": "recording", "devices": [{"name": "plc", "state": "connected"}], "lost": 3}
    board.take_status(parse(StatusPicture, status))
    for glyphs in (ASCII, UNICODE):
        lines = [line.plain for line in overview_lines(board, width, glyphs)]
        assert max(map(len, lines)) <= width
        assert "".join(lines).isascii() == (glyphs is ASCII)


async def test_every_view_says_that_samples_wait_in_the_spool(daemon: Daemon, console: Console) -> None:
    """Live and on this disk, though the database is away; the Overview says for how long there is room."""
    daemon.status_changes = {
        "writer": {"state": "away", "last_error": "database x at y is not reachable; check that it runs", "rows": 9},
        "spool": {"entries": 4, "bytes": 5_000, "max_bytes": 10_000, "time_to_full_s": 7_200, "time_to_drain_s": None},
    }
    async with daemon.serving(), console() as driven:
        await driven.until(
            "LIVE, spools", "away: samples are kept in the spool, which has room for 2 h", "check that it runs"
        )
        for key in "23456":
            await driven.press(key)
            await driven.until("LIVE, spools")
        daemon.status_changes = {}
        await driven.until("● LIVE", without="spools")


async def test_every_view_says_that_no_device_answers(daemon: Daemon, console: Console) -> None:
    """Nothing of the tool is live then, nor is known whether it is idle."""
    daemon.process = {"process_id": 78, "kind": "idle"}
    daemon.device_state = DeviceState.BACKING_OFF
    async with daemon.serving(), console() as driven:
        await driven.until("✕ NO DEVICE", "the tool is not heard", without="LIVE")
        for key in "23456":
            await driven.press(key)
            await driven.until("✕ NO DEVICE")
        daemon.device_state = DeviceState.CONNECTED
        await driven.until("● LIVE")


def test_one_device_of_several_that_is_away_or_frozen_is_named_for_what_it_is() -> None:
    """The rest of the screen is live."""
    board = Board()
    devices = [{"name": "plc", "state": "connected"}, {"name": "gauge", "state": "backing_off"}]
    status = {"state": "recording", "machine": "x", "writer": {"state": "away"}}
    board.take_status(parse(StatusPicture, {**status, "devices": devices}))
    assert board.trouble == "device away"
    board.take_status(parse(StatusPicture, {**status, "devices": [{**devices[0], "frozen": True}]}))
    assert board.trouble == "frozen"
    board.take_status(parse(StatusPicture, {**status, "devices": devices[:1]}))
    assert board.trouble == "spools"


async def test_nothing_of_a_lost_recorder_stays_green(daemon: Daemon, console: Console) -> None:
    """What it said last is dim, whatever it was."""
    async with console() as driven:
        async with daemon.serving():
            await driven.until("LIVE", "● connected")
        await driven.until("LOST", "● connected")
        lines = overview_lines(driven.app.board, 80, UNICODE)
        assert {str(line.style) for line in lines} == {"dim"}
        assert not any(line.spans for line in lines)
