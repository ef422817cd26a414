"""Folders of a test run: short paths for Unix sockets, memory for the data of its servers."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")
NEEDED_BYTES: Final = 4 * 1024**3
"""Docker gives a container 64 MB of it, which is not enough."""


@contextmanager
def short_directory(parent: Path | None = None) -> Iterator[Path]:
    """A folder with a path short enough for Unix sockets, which the server's user may enter as well."""
    parent = parent or Path("/tmp")
    _drop_leftovers(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"ald-{os.getpid()}-", dir=parent))
    try:
        if os.geteuid() == 0:
            folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server_directory() -> Iterator[Path]:
    """A folder for a server's data: in memory where there is enough of it.

    On a disk a fresh database from a template takes 0.4 s even without fsync, in memory 0.02 s.
    """
    try:
        roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= NEEDED_BYTES
    except OSError:
        roomy = False
    with short_directory(MEMORY if roomy else None) as folder:
        yield folder


def _drop_leftovers(parent: Path) -> None:
    """Remove what test runs left that were killed: memory would be lost until the next boot."""
    for folder in parent.glob("ald-*-*"):
        found = re.match(r"ald-(\d+)-", folder.name)
        if found is not None and not Path(f"/proc/{found[1]}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)
