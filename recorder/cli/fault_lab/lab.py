"""The fault lab itself: a folder and a PostgreSQL, shared by scenarios, each of which gets a plant of its own."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from recorder.cli.fault_lab.plant import Plant
from recorder.database.migration import migrate
from recorder.embedded import EmbeddedPostgres

PREFIX: Final = "ald-lab-"
SERVER_SETTINGS: Final = {"synchronous_commit": "on", "full_page_writes": "on"}
"""A commit survives the end of the server, whatever else is saved."""

Choice = TypeVar("Choice")


class Lab:
    """What scenarios share.

    Args:
        folder: see `lab_folder`.
        server: started, and of this lab alone: scenarios stop it.
        is_short: whether scenarios take their short form.
    """

    def __init__(self, folder: Path, server: EmbeddedPostgres, *, is_short: bool) -> None:
        self.folder = folder
        self.server = server
        self.is_short = is_short

    def choose(self, *, short: Choice, long: Choice) -> Choice:
        """What belongs to the form in which scenarios are carried out."""
        return short if self.is_short else long

    @asynccontextmanager
    async def plant(self, name: str, *, seed: int, **options: Any) -> AsyncIterator[Plant]:
        """A tool, a recorder and a schema for one scenario; nothing of it runs on afterwards.

        Args:
            name: of the scenario.
            seed: of the tool.
            options: of `Plant`; ``dsn`` where the recorder goes through a proxy.
        """
        schema = name.replace("-", "_")
        await migrate(self.server.url(), schema=schema)
        dsn = options.pop("dsn", None) or self.server.url()
        async with Plant(self.folder / name, dsn, schema=schema, seed=seed, **options) as plant:
            yield plant


@contextmanager
def lab_folder() -> Iterator[Path]:
    """A folder under the system's temporary one, removed at the end; what a killed lab left goes first."""
    parent = Path(tempfile.gettempdir())
    for leftover in parent.glob(f"{PREFIX}*"):
        _remove_if_left(leftover)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    if os.geteuid() == 0:
        folder.chmod(0o755)  # the server runs as another user then
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_if_left(folder: Path) -> None:
    """Remove the folder of a lab that has gone."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # somebody else's, or just being made
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
