"""Logs: JSON where nobody looks, words on a terminal, and the libraries' own the same way."""

import json
import subprocess
import sys
from typing import Any

import pytest

PROGRAM = """
import logging, sys
import structlog
from recorder.logs import configure
log = structlog.get_logger()
configure(level=sys.argv[1], form=sys.argv[2])
log.debug("quiet")
log.info("recording", parameters=110, machine="é")
logging.getLogger("somebody").warning("of %s", "another")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("broken")
"""


def run(level: str, form: str) -> list[str]:
    """What a process writes to its standard error, which is no terminal."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, form], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout == "", "results go to standard output, logs do not"
    return done.stderr.splitlines()


@pytest.mark.parametrize("form", ["auto", "json"])
def test_elsewhere_than_on_a_terminal_each_line_is_json(form: str) -> None:
    """With event, level, UTC time and its keys; a trace is within its line."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in run("info", form)]
    assert [line["event"] for line in lines] == ["recording", "of another", "broken"]
    assert lines[0]["parameters"] == 110
    assert lines[0]["level"] == "info"
    assert lines[0]["timestamp"].endswith("Z")
    assert "ZeroDivisionError" in lines[2]["exception"]


def test_for_people_there_are_words() -> None:
    """Without colours where there is no terminal."""
    lines = run("info", "console")
    assert "recording" in lines[0]
    assert "parameters=110" in lines[0]
    assert "\\x1b" not in "".join(lines)


def test_the_level_decides_what_is_told() -> None:
    """Debug tells all, error only errors."""
    assert json.loads(run("debug", "json")[0])["event"] == "quiet"
    assert [json.loads(line)["event"] for line in run("error", "json")] == ["broken"]
