"""The real console in a real terminal, on the real recorder and the simulated tool, read off the screen."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.terminal import Terminal, needs_tmux, terminal_environment
from tests.system.plant import Plant, environment

pytestmark = [needs_tmux, pytest.mark.timeout(180)]


@pytest.fixture
def plant(short_directory: Path, database_url: str) -> Iterator[Plant]:
    """A tool that runs at its own speed, and a recorder."""
    with Plant(short_directory / "plant", database_url, speed=1) as plant:
        yield plant.start()


def console_in(folder: Path, plant: Plant, *, columns: int, lines: int, environment: dict[str, str]) -> Terminal:
    """The console on a plant's recorder."""
    command = [sys.executable, "-m", "recorder", "console", "--config", str(plant.config_path)]
    return Terminal(folder, command, columns=columns, lines=lines, environment=environment)


def test_an_operator_sees_the_run_the_fault_and_the_recovery(plant: Plant, short_directory: Path) -> None:
    """Values of the tool, its loss in words, and everything back without a key."""
    terminal = console_in(short_directory, plant, columns=80, lines=24, environment=terminal_environment())
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
        terminal.until("LIVE", "search /", "n Start a run", "q Quit")
        terminal.press("q")
        terminal.until("ended with 0")
    finally:
        terminal.end()


def test_a_terminal_without_utf_8_gets_plain_letters(plant: Plant, short_directory: Path) -> None:
    """No character that it could not show."""
    latin = terminal_environment(LC_ALL="POSIX", PYTHONIOENCODING="latin-1", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    terminal = console_in(short_directory, plant, columns=100, lines=30, environment=latin)
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
