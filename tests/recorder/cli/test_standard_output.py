"""What a command prints comes whole, whatever its reader and the system do, or the command says that it did not."""

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.plant import environment
from tests.system.waiting import until

PRINTED = {f"parameter {number}": "°C" * 10 for number in range(5_000)}
COMMAND = f"""
from recorder.cli import app
from recorder.cli.output import print_json

@app.app.command("much")
def much() -> None:
    print_json({{f"parameter {{number}}": "°C" * 10 for number in range({len(PRINTED)})}})

app.main()
"""
"""A command that prints five times what a pipe holds."""
BUFFERING = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


@contextmanager
def printing(unbuffered: str, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process, which has ended when the block has."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, "much"],
        env={**environment(), "PYTHONUNBUFFERED": unbuffered, "PYTHONUTF8": "1"},
        stdout=stdout,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until_full(pipe: int) -> None:
    """Wait for a writer that fills a pipe nobody reads, and so waits too."""
    size = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    until("a full pipe", lambda: struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0] == size)


@BUFFERING
def test_a_signal_in_the_middle_of_a_write_loses_nothing(unbuffered: str) -> None:
    """A process that was stopped goes on where it was: the system reports a part of the write as done."""
    with printing(unbuffered) as process:
        assert process.stdout is not None
        until_full(process.stdout.fileno())
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        process.send_signal(signal.SIGCONT)
        printed, complaint = process.communicate()
    assert json.loads(printed) == PRINTED
    assert (process.returncode, complaint) == (0, b"")


@BUFFERING
def test_a_pipe_that_does_not_block_loses_nothing(unbuffered: str) -> None:
    """Another process that shares the pipe may have made it so: the command waits for the reader all the same."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe:
        os.set_blocking(writer, False)
        with printing(unbuffered, writer) as process:
            os.close(writer)
            until_full(reader)
            printed = pipe.read()
            _, complaint = process.communicate()
    assert json.loads(printed) == PRINTED
    assert (process.returncode, complaint) == (0, b"")


@BUFFERING
def test_what_cannot_be_written_is_one_line_and_no_success(unbuffered: str) -> None:
    """A disk that is full: a file with half of a document must not pass for the whole."""
    with Path("/dev/full").open("wb") as full, printing(unbuffered, full.fileno()) as process:
        _, complaint = process.communicate()
    assert complaint == b"error: standard output: No space left on device; what was printed is not whole\n"
    assert process.returncode == 3


@BUFFERING
def test_a_reader_who_leaves_ends_the_command_without_a_word(unbuffered: str) -> None:
    """As `| head` does; the exit status says that not all was read."""
    with printing(unbuffered) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"{"
        process.stdout.close()
        assert process.stderr is not None
        complaint = process.stderr.read()
        process.wait()
    assert (process.returncode, complaint) == (1, b"")
