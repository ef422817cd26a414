"""Child processes of the demo: started, waited for, and ended whatever happens.

Each reads its standard input to the end and stops there, so it also ends when this process is killed with -9.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from recorder.config.file import ENVIRONMENT_PREFIX
from recorder.errors import DemoError

END_DEADLINE_S: Final = 15.0


@contextmanager
def child(*arguments: str, log: Path, name: str, answers: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Run one of our own commands for as long as the block runs, then end it in order.

    Args:
        arguments: of ``ald-recorder``.
        log: file for its standard error, and for its standard output where it answers nothing.
        name: how errors call it.
        answers: whether the caller reads its standard output.
    """
    with log.open("w", encoding="utf-8") as log_file:
        process = subprocess.Popen(  # noqa: S603  (this very program)
            [sys.executable, "-m", "recorder", *arguments, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else log_file,
            stderr=log_file,
            text=True,
            env=_environment(),
            # Ctrl-C on the terminal is for the demo alone; it ends its children in order
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end(process, name)


def _environment() -> dict[str, str]:
    """Without the user's own configuration: a demo must not record into the database of a real tool."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(ENVIRONMENT_PREFIX)}


def end(process: subprocess.Popen[str], name: str) -> None:
    """End a child in order; by force only when it does not."""
    assert process.stdin is not None
    process.stdin.close()
    process.terminate()
    try:
        process.wait(END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise DemoError(f"the {name} did not end within {END_DEADLINE_S:g} s and was killed") from None
    finally:
        if process.stdout is not None:
            process.stdout.close()


def first_answer(process: subprocess.Popen[str], log: Path, name: str) -> dict[str, Any]:
    """The JSON object that a child prints first.

    Raises:
        DemoError: it ended before that; the message has its last line of log.
    """
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        try:
            answer: dict[str, Any] = json.loads(text)
        except ValueError:
            continue
        return answer
    process.wait(END_DEADLINE_S)
    raise DemoError(f"the {name} did not start: {last_line(log)}")


def last_line(log: Path) -> str:
    """The last line of a log, for an error message."""
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else f"nothing was logged in {log}"


def check_alive(process: subprocess.Popen[str], log: Path, name: str) -> None:
    """Raise when a child has ended on its own.

    Raises:
        DemoError: with its last line of log.
    """
    if process.poll() is not None:
        raise DemoError(f"the {name} ended with status {process.returncode}: {last_line(log)}")


class Deadline:
    """A time limit that is shared by several waits."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def check(self, what: str) -> None:
        """Raise when the time is over.

        Raises:
            DemoError: naming what was waited for.
        """
        if time.monotonic() > self._end:
            raise DemoError(f"{what} did not come in time; is this machine very busy? try a lower --speed")
