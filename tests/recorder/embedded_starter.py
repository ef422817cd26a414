"""What the tests of the embedded PostgreSQL share: a program that starts a server, and looks at its processes."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.postgres import apart

PROGRAM: Final = """
import sys
from pathlib import Path
from recorder.embedded import EmbeddedPostgres
with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.pid, server.url(), flush=True)
    sys.stdin.read()
"""
DEADLINE_S: Final = 20.0


def fetch_value(url: str, query: str) -> Any:
    """The one value that a query gives."""

    async def work() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return apart(work)


def child_environment() -> dict[str, str]:
    """Our environment, with our own import path for a Python that was not installed with us."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


@contextmanager
def starter(
    folder: Path, *, python: str = sys.executable, environment: Mapping[str, str] | None = None, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A program that starts a server in a folder, prints its process and URL, and stops it at the end of its input."""
    with subprocess.Popen(
        [python, "-c", PROGRAM, os.fspath(folder)],
        env=environment or child_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def printed(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The server's process and URL, as soon as the program prints them."""
    assert process.stdout is not None
    words = process.stdout.readline().split()
    if not words:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read())
    return int(words[0]), words[1]


def wait_for_end(pidfd: int) -> None:
    """Wait until a process that is not our child has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(DEADLINE_S * 1000), "the process goes on running"


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look at a foreign process until a condition holds."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.002)


def processes_of(folder: Path) -> list[int]:
    """The processes that work in a data directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                working_folder = (entry / "cwd").readlink()
            except OSError:
                continue
            if working_folder.is_relative_to(folder.resolve()):
                found.append(int(entry.name))
    return found
