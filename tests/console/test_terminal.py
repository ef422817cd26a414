"""The real console in a real terminal, on the real recorder and the simulated tool, read off the screen."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.plant import Plant, environment
from tests.system.waiting import until

pytestmark = [
    pytest.mark.skipif(
        shutil.which("tmux") is None, reason="no tmux on this machine (on Debian: apt-get install tmux)"
    ),
    pytest.mark.timeout(180),
]


class Terminal:
    """The console in a window of tmux, on a server of its own."""

    def __init__(self, folder: Path, plant: Plant, *, columns: int, lines: int, environment: dict[str, str]) -> None:
        self._socket = folder / "tmux.sock"
        self._environment = {**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-m", "recorder", "console", "--config", str(plant.config_path)]
        # the window outlives the console, so that what it says at its end can be read
        line = f"{shlex.join(command)}; echo ended with $?; sleep 60"
        self._run("-u", "new-session", "-d", "-x", str(columns), "-y", str(lines), line)

    def _run(self, *arguments: str) -> str:
        program = ["tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments]
        said = subprocess.run(program, capture_output=True, encoding="utf-8", env=self._environment, check=True)
        return said.stdout

    @property
    def screen(self) -> str:
        """What is on it."""
        return self._run("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Press keys, as tmux names them."""
        self._run("send-keys", *keys)

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size."""
        self._run("resize-window", "-x", str(columns), "-y", str(lines))

    def until(self, *texts: str) -> str:
        """Wait until all of these are on the screen."""
        seen = [""]

        def found() -> str:
            seen[0] = self.screen
            return seen[0] if all(text in seen[0] for text in texts) else ""

        try:
            return until(f"{texts} on the screen", found)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{seen[0]}") from None

    def end(self) -> None:
        """Close the window and its server."""
        self._run("kill-server")


@pytest.fixture
def plant(short_directory: Path, database_url: str) -> Iterator[Plant]:
    """A tool that runs at its own speed, and a recorder."""
    with Plant(short_directory / "plant", database_url, speed=1) as plant:
        yield plant.start()


def terminal_environment(**more: str) -> dict[str, str]:
    """Of a terminal with sixteen colours and UTF-8."""
    names = ("LC_ALL", "LC_CTYPE", "LANG", "COLORTERM", "TMUX")
    kept = {name: value for name, value in environment().items() if name not in names}
    return {**kept, "TERM": "xterm", "LANG": "C.UTF-8", **more}


def test_an_operator_sees_the_run_the_fault_and_the_recovery(plant: Plant, short_directory: Path) -> None:
    """Values of the tool, its loss in words, and everything back without a key."""
    terminal = Terminal(short_directory, plant, columns=80, lines=24, environment=terminal_environment())
    try:
        terminal.until("LIVE", "plc", "● connected", "● 0 rows")
        terminal.press("2")
        terminal.until("filter /", "192 of 192")
        terminal.press("/")
        terminal.press("-l", "chamber heater temperature_read")
        screen = terminal.until("1 of 192", "● ", "good")
        assert re.search(r"temperature_read +\(?1?\d\d", screen), screen
        terminal.press("Enter")
        plant.kill_simulator()
        terminal.until("✕ ", "no device")
        terminal.press("w")
        terminal.until("Why is Chamber Heater/temperature_read", "next try", "Connection refused")
        terminal.press("q")
        plant.start_simulator()
        terminal.until("1 of 192", "● ", "good")
        terminal.press("4")
        terminal.until("search /")
        plant.stop()
        terminal.until("NO CONNECTION", "LOST")
        plant.start_daemon()
        terminal.until("LIVE")
        for columns, lines in ((200, 60), (60, 16), (30, 8), (80, 24)):
            terminal.resize(columns, lines)
        terminal.until("LIVE", "search /")
        terminal.press("q")
        terminal.until("ended with 0")
    finally:
        terminal.end()


def test_a_terminal_without_utf_8_gets_plain_letters(plant: Plant, short_directory: Path) -> None:
    """No character that it could not show."""
    latin = terminal_environment(LC_ALL="POSIX", PYTHONIOENCODING="latin-1", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    terminal = Terminal(short_directory, plant, columns=100, lines=30, environment=latin)
    try:
        for key in ("1", "2", "4", "6", "1"):
            terminal.press(key)
            terminal.until("* LIVE")
        assert terminal.until("* connected", "latency, ms").isascii()
    finally:
        terminal.end()


def test_one_picture_for_a_script(plant: Plant) -> None:
    """As text and as JSON; without a recorder it is one line and status 3."""
    command = [sys.executable, "-m", "recorder", "console", "--once", "--config", str(plant.config_path)]

    def once(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *more], capture_output=True, encoding="utf-8", env=environment(), check=False, timeout=60
        )

    text = once()
    assert (text.returncode, text.stderr) == (0, "")
    assert "latency, ms" in text.stdout
    assert "Chamber Heater/temperature_read" in text.stdout
    assert '"is_live": true' in once("--json").stdout
    plant.stop()
    away = once()
    assert (away.returncode, away.stdout) == (3, "")
    assert "start it: ald-recorder run" in away.stderr
    assert len(away.stderr.splitlines()) == 1
