"""A real terminal: a window of tmux on a server of its own, and what is on its screen."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.system.plant import environment
from tests.system.waiting import DEADLINE_S, until

needs_tmux = pytest.mark.skipif(
    shutil.which("tmux") is None, reason="no tmux on this machine (on Debian: apt-get install tmux)"
)


def terminal_environment(**more: str) -> dict[str, str]:
    """Of a terminal with sixteen colours and UTF-8."""
    names = ("LC_ALL", "LC_CTYPE", "LANG", "COLORTERM", "TMUX")
    kept = {name: value for name, value in environment().items() if name not in names}
    return {**kept, "TERM": "xterm", "LANG": "C.UTF-8", **more}


class Terminal:
    """A program in a window of tmux, on a server of its own."""

    def __init__(
        self, folder: Path, command: Sequence[str], *, columns: int, lines: int, environment: dict[str, str]
    ) -> None:
        self._socket = folder / "tmux.sock"
        self._environment = {**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._is_closed = False
        # the window outlives the program, so that what it says at its end can be read
        line = f"{shlex.join(command)}; echo ended with $?; sleep 600"
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

    @property
    def pid(self) -> int:
        """The process in the window: a shell, and the program below it."""
        return int(self._run("display-message", "-p", "#{pane_pid}"))

    def until(self, *texts: str, deadline_s: float = DEADLINE_S) -> str:
        """Wait until all of these are on the screen."""
        seen = [""]

        def found() -> str:
            seen[0] = self.screen
            return seen[0] if all(text in seen[0] for text in texts) else ""

        try:
            return until(f"{texts} on the screen", found, deadline_s=deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{seen[0]}") from None

    def end(self) -> None:
        """Close the window and its server; again is nothing."""
        if not self._is_closed:
            self._is_closed = True
            self._run("kill-server")
