"""What is asked of the kernel so that idle processors wake in time."""

import os
import struct
from pathlib import Path

import pytest

from recorder.acquisition.wake_up import FILE, wake_up_within


def test_the_request_is_written_and_the_file_held_open_for_as_long_as_the_block_runs(tmp_path: Path) -> None:
    """The kernel keeps its promise only while the file is open, so it must be, and no longer."""
    file = tmp_path / "latency"
    file.touch()
    with wake_up_within(20, file=file) as refused:
        assert refused is None
        assert file.read_bytes() == struct.pack("=i", 20)
        assert _is_open(file)
    assert not _is_open(file)


def test_nothing_is_asked_where_the_configuration_says_nothing(tmp_path: Path) -> None:
    """By default the system's own power saving is left alone."""
    file = tmp_path / "latency"
    file.touch()
    with wake_up_within(None, file=file) as refused:
        assert refused is None
        assert not _is_open(file)
    assert file.read_bytes() == b""


@pytest.mark.parametrize(("name", "advice"), [("absent", "leave the setting out"), ("folder", "the right to write it")])
def test_a_refusal_is_one_line_that_says_what_to_do_and_stops_nothing(tmp_path: Path, name: str, advice: str) -> None:
    """Without the right the recorder records all the same."""
    (tmp_path / "folder").mkdir()
    with wake_up_within(0, file=tmp_path / name) as refused:
        assert refused is not None
        assert "cpu_wake_up_us" in refused
        assert str(tmp_path / name) in refused
        assert advice in refused
        assert "\n" not in refused


def test_the_kernel_takes_the_request() -> None:
    """The real file accepts what is written, where this user may write it."""
    if not os.access(FILE, os.W_OK):
        pytest.skip(f"this user may not write {FILE}")
    with wake_up_within(100) as refused:
        assert refused is None


def _is_open(file: Path) -> bool:
    """Whether this process holds the file open."""
    return any(os.path.realpath(link) == str(file.resolve()) for link in Path("/proc/self/fd").iterdir())
