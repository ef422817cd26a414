"""The demo on a terminal: the console on its run, the summary on leaving, and nothing left behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.terminal import Terminal, needs_tmux, terminal_environment
from tests.system.plant import command_line
from tests.system.processes import alive, family
from tests.system.waiting import until

pytestmark = [needs_tmux, pytest.mark.timeout(480)]
START_S = 180.0


@pytest.fixture
def open_demo(short_directory: Path) -> Iterator["DemoOpener"]:
    """Start the demo in a terminal; what it started ends with the test."""
    opener = DemoOpener(short_directory)
    yield opener
    opener.close()


class DemoOpener:
    """Terminals with a demo in them, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._terminal: Terminal | None = None

    def __call__(self, *arguments: str) -> Terminal:
        """Start one."""
        environment = terminal_environment(
            HOME=str(self._folder / "home"), ALD_DEMO_DIRECTORY=str(self._folder / "a demo")
        )
        command = command_line("demo", *arguments)
        self._terminal = Terminal(self._folder, command, columns=100, lines=45, environment=environment)
        return self._terminal

    def close(self) -> None:
        """Let the terminal go away, if it has not."""
        if self._terminal is not None:
            self._terminal.end()


def test_the_console_shows_the_run_until_it_is_left_and_then_the_summary(open_demo: "DemoOpener") -> None:
    """It stays when the run has ended, says so, and its q brings the same summary as ever."""
    terminal = open_demo("--speed", "5", "--cycles", "2")
    terminal.until("LIVE", "a run of a simulated tool is recorded", deadline_s=START_S)
    terminal.until("the run has ended and all of it is stored", "LIVE", deadline_s=START_S)
    terminal.press("q")
    screen = terminal.until("audit      balances", "chamber pressure, Torr", "ended with 0", deadline_s=START_S)
    assert "cycles     2, at 5 times" in screen


def test_no_console_goes_as_before(open_demo: "DemoOpener") -> None:
    """It ends by itself."""
    terminal = open_demo("--no-console", "--speed", "50", "--cycles", "2")
    screen = terminal.until("audit      balances", "ended with 0", deadline_s=START_S)
    assert "LIVE" not in screen


def test_ctrl_c_and_a_terminal_that_goes_away_leave_no_process(open_demo: "DemoOpener") -> None:
    """Neither the demo, nor the tool, the recorder, PostgreSQL."""
    for end in ("C-c", "hang up"):
        terminal = open_demo("--speed", "1")
        terminal.until("LIVE", deadline_s=START_S)
        members = family(terminal.pid)
        # shell, demo, simulator, recorder, and PostgreSQL with its own
        assert len(members) > 7
        left = {member for member in members if member.pid != terminal.pid}
        if end == "C-c":
            terminal.press("C-c")
            terminal.until("ended with 130")
            until("the end of its processes", lambda: not alive(left), deadline_s=30)  # noqa: B023  (called here)
        terminal.end()
        until("the end of its processes", lambda: not alive(left), deadline_s=30)  # noqa: B023  (called here)
