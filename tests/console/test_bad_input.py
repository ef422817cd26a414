"""What a terminal and its user can do to a console: nothing of it ends in a crash."""

import os
import pty
import subprocess
import time
from pathlib import Path

import pytest
from textual import events

from tests.console.conftest import Driven
from tests.console.daemon import Daemon
from tests.system.plant import command_line, environment

SIZES = ((200, 60), (30, 8), (80, 24), (1, 1), (60, 16), (300, 100))
RUBBISH = "\x1b[31m\x00\x07\r\n\t[bold]%s{}\\'\";--\ud800é漢字\U0001f9ea" * 50


@pytest.mark.parametrize("view", list("123456"))
async def test_a_resize_in_mid_draw_leaves_a_whole_picture(daemon: Daemon, live: Driven, view: str) -> None:
    """Values change and the window changes its size at once, again and again, down to one character."""
    await live.press(view)
    for columns, lines in SIZES:
        daemon.set("Process/chamber_pressure", float(columns))
        await live.pilot.resize_terminal(columns, lines)
    await live.pilot.resize_terminal(80, 24)
    screen = await live.until("LIVE", without="too small")
    assert max(map(len, screen.splitlines())) <= 80


@pytest.mark.parametrize("view", list("2456"))
async def test_rubbish_that_is_pasted_into_a_filter_is_text(live: Driven, view: str) -> None:
    """Escape sequences, markup, half a surrogate; Escape brings everything back."""
    await live.press(view, "slash")
    live.app.post_message(events.Paste(RUBBISH))
    await live.pilot.pause()
    await live.press("escape", "1")
    await live.until("LIVE", "latency, ms")


async def test_a_click_on_the_last_line_presses_the_key(live: Driven) -> None:
    """Where the mouse serves and no keyboard is."""
    await live.press("2")
    screen = await live.until("filter /")
    last = screen.splitlines()[-1]
    await live.pilot.click("KeyLine", offset=(last.index("Why so?"), 0))
    await live.until("Why is")


@pytest.mark.timeout(240)
def test_a_terminal_that_goes_away_without_a_word_ends_the_console(short_directory: Path) -> None:
    """As where nobody sends it SIGHUP: it does not stay as a process that draws for nobody."""
    terminal, own = pty.openpty()
    try:
        console = subprocess.Popen(
            command_line("console", "--socket", str(short_directory / "none.sock")),
            stdin=own,
            stdout=own,
            stderr=own,
            env={**environment(), "TERM": "xterm"},
        )
    finally:
        os.close(own)
    try:
        drawn, deadline_s = b"", time.monotonic() + 120
        while b"NO CONNECTION" not in drawn:
            assert time.monotonic() < deadline_s, drawn
            drawn += os.read(terminal, 1 << 16)
        os.close(terminal)
        console.wait(60)
    finally:
        console.kill()
        console.wait()
