"""Commands run as a user runs them: most within the test process, since a Python takes a second to start."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recorder.cli.command import Commands


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    """Run commands in a fresh folder, without what would configure the recorder, on a terminal of 80 columns."""
    for name in tuple(os.environ):
        if name.upper().startswith("ALD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    yield Commands(folder=tmp_path, environment=monkeypatch, output=capfd)
    # what --verbose leaves in the environment
    os.environ.pop("ALD_RECORDER_VERBOSE", None)
