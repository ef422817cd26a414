"""Runs commands of ``ald-recorder`` and looks at what they print."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from recorder.__main__ import main

LIMIT_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command came to."""

    status: object
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Commands:
    """Commands in one folder."""

    folder: Path
    environment: pytest.MonkeyPatch
    output: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> Said:
        """Run a command by the program's own entry point, in this process."""
        self.environment.setattr(sys, "argv", ["ald-recorder", *arguments])
        self.output.readouterr()
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        stdout, stderr = self.output.readouterr()
        return Said(status=status, stdout=stdout, stderr=stderr)

    def run_apart(self, *arguments: str) -> Said:
        """Run a command in a process of its own: for what changes the process, as its logs."""
        said = subprocess.run(
            [sys.executable, "-m", "recorder", *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=LIMIT_S,
            check=False,
        )
        return Said(status=said.returncode, stdout=said.stdout, stderr=said.stderr)

    def refused(self, *arguments: str, status: int, apart: bool = False) -> str:
        """Run a command that has to fail, and return the one line that it says.

        Raises:
            AssertionError: another exit status, something on standard output, a trace, or more than a line.
        """
        said = self.run_apart(*arguments) if apart else self.run(*arguments)
        assert (said.status, said.stdout) == (status, ""), said.stderr
        lines = said.stderr.splitlines()
        assert len(lines) == 1, said.stderr
        return lines[0]
