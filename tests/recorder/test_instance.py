"""One recorder a data directory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recorder.errors import AlreadyRunningError, SpoolError
from recorder.instance import only_recorder_of

HOLD = """
import sys
from pathlib import Path
from recorder.instance import only_recorder_of
with only_recorder_of(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


def test_a_second_recorder_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    """One line with process, time and what to do."""
    with holder(tmp_path) as process:
        with pytest.raises(AlreadyRunningError) as caught, only_recorder_of(tmp_path):
            pass
        message = str(caught.value)
        assert message.startswith(f"{tmp_path}: a recorder runs here already (process {process.pid}, since 2")
        assert "stop it first" in message
        assert "\n" not in message


def test_a_folder_is_free_again_however_its_recorder_ended(tmp_path: Path) -> None:
    """In order, or by kill -9: the lock is the process's, not the file's."""
    with holder(tmp_path):
        pass
    with holder(tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with only_recorder_of(tmp_path):
            pass
    with only_recorder_of(tmp_path):
        pass


def test_two_folders_are_two_recorders(tmp_path: Path) -> None:
    """On one machine; the folders are made."""
    with only_recorder_of(tmp_path / "a" / "b"), only_recorder_of(tmp_path / "c"):
        assert (tmp_path / "a" / "b" / "recorder.lock").exists()


@pytest.mark.parametrize("content", ["", "garbage", "[]", "{}"])
def test_a_lock_file_that_says_nothing_is_no_obstacle(tmp_path: Path, content: str) -> None:
    """Neither to lock it nor to say that it is held."""
    with holder(tmp_path):
        (tmp_path / "recorder.lock").write_text(content)
        with pytest.raises(AlreadyRunningError, match="which one is not known"), only_recorder_of(tmp_path):
            pass
    with only_recorder_of(tmp_path):
        pass


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    """It names the field."""
    (tmp_path / "file").touch()
    said = r"cannot be written \(Not a directory\); check \[recorder\] data_directory"
    with pytest.raises(SpoolError, match=said), only_recorder_of(tmp_path / "file" / "var"):
        pass
