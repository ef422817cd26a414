"""The files of one PostgreSQL server: its lock, its data, its log, and what its postmaster.pid tells."""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recorder.embedded.account import Account
from recorder.embedded.binaries import Binaries
from recorder.embedded.errors import DataDirectoryError, ServerFailedError, ServerRunningError

INITDB_DEADLINE_S: Final = 180.0
"""It takes 0.7 s on a PC; an SD card with fsync is slow."""
ORPHAN_NOTICE_S: Final = 2.0
"""A server whose program was killed is given this long to begin to stop, before it counts as somebody's."""
ORPHAN_STOP_S: Final = 60.0
"""And this long to stop: it may have much to write."""
POLL_S: Final = 0.005
STATUS_LINE: Final = 7
LOG_TAIL_LINES: Final = 20


@dataclass(frozen=True, kw_only=True)
class Postmaster:
    """What postmaster.pid says: the server's process, and starting, ready, stopping or nothing yet."""

    pid: int
    status: str


class Cluster:
    """The data directory: `cluster` (PostgreSQL's own), `postgres.log`, `lock` and mostly `socket` lie in it."""

    def __init__(self, folder: Path, account: Account) -> None:
        self.folder = folder
        self.account = account
        self.data = folder / "cluster"
        self.log = folder / "postgres.log"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the data directory; the lock ends with this process, however that ends.

        Raises:
            ServerRunningError: another process holds it.
        """
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                starter = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
                raise self._server_running(starter) from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def _server_running(self, starter: str) -> ServerRunningError:
        postmaster = self.postmaster()
        pid = postmaster.pid if postmaster else int(starter) if starter.isdecimal() else None
        server = f"PostgreSQL runs here as process {postmaster.pid}" if postmaster else "PostgreSQL is being started"
        return ServerRunningError(
            f"{self.folder}: {server}, started by process {starter or 'unknown'}: "
            "stop that program first, or choose another data directory",
            pid=pid,
        )

    def postmaster(self) -> Postmaster | None:
        """What postmaster.pid says, true or stale; None where there is none or it is half-written."""
        try:
            lines = (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
            pid = abs(int(lines[0]))
        except (OSError, ValueError, IndexError):
            return None
        return Postmaster(pid=pid, status=lines[STATUS_LINE].strip() if len(lines) > STATUS_LINE else "")

    def wait_until_free(self) -> None:
        """Let a server whose program was killed come to its end; forget a postmaster.pid whose number another took.

        Raises:
            ServerRunningError: a server goes on running.
        """
        begun = time.monotonic()
        while (postmaster := self.postmaster()) is not None and _works_in(self.data, postmaster.pid):
            patience_s = ORPHAN_STOP_S if postmaster.status == "stopping" else ORPHAN_NOTICE_S
            if time.monotonic() - begun > patience_s:
                raise ServerRunningError(
                    f"{self.folder}: PostgreSQL runs here as process {postmaster.pid}, left by another program: "
                    f"stop it with 'kill -INT {postmaster.pid}', or choose another data directory",
                    pid=postmaster.pid,
                )
            time.sleep(POLL_S)
        # After a restart of a container another process often has the old number, and PostgreSQL would refuse to start.
        # Its own test for backends that outlived the server goes with the file, so first see that there are none.
        if (
            postmaster is not None
            and sys.platform == "linux"
            and not any(_works_in(self.data, pid) for pid in _processes())
        ):
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def prepare(self, binaries: Binaries, *, durable: bool) -> None:
        """See that there is data of the right version; initdb works beside it, so half of it is never found.

        Raises:
            DataDirectoryError: the data is of another major version, or is none.
            ServerFailedError: initdb failed.
        """
        self._drop_half_made()
        if not self.data.exists():
            self._initialise(binaries, durable=durable)
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except OSError as error:
            raise DataDirectoryError(f"{self.data}: is no PostgreSQL data: move it away, or choose another") from error
        if made_by != str(binaries.major):
            raise DataDirectoryError(
                f"{self.data}: was made by PostgreSQL {made_by}, and this is {binaries.version}: "
                f"choose another data directory, move it away, or run it with PostgreSQL {made_by}"
            )
        if self.data.stat().st_uid != self.account.uid:
            raise DataDirectoryError(
                f"{self.data}: does not belong to user {self.account.name}: start as the user that made it"
            )

    def _drop_half_made(self) -> None:
        """Remove what an initdb left whose program was killed, once it has noticed and ended."""
        deadline = time.monotonic() + ORPHAN_STOP_S
        for leftover in self.folder.glob("initdb-*"):
            while any(_works_in(leftover, pid) for pid in _processes()) and time.monotonic() < deadline:
                time.sleep(POLL_S)
            shutil.rmtree(leftover, ignore_errors=True)

    def _initialise(self, binaries: Binaries, *, durable: bool) -> None:
        fresh = Path(tempfile.mkdtemp(prefix="initdb-", dir=self.folder))
        self.account.own(fresh)
        for locale in _locales(binaries.major):
            said = self.account.run(
                fresh,
                binaries.folder / "initdb",
                f"--pgdata={fresh}",
                "--username=postgres",
                "--auth=trust",  # only who can enter the socket's folder gets this far
                "--encoding=UTF8",
                "--no-instructions",
                *locale,
                *([] if durable else ["--no-sync"]),
                deadline_s=INITDB_DEADLINE_S,
            )
            if said.returncode == 0:
                break
        else:
            shutil.rmtree(fresh, ignore_errors=True)
            lines = (said.stdout + said.stderr).strip().splitlines()[-LOG_TAIL_LINES:]
            raise ServerFailedError(f"{self.folder}: initdb failed with exit status {said.returncode}", log_lines=lines)
        fresh.rename(self.data)
        if durable:
            _sync_folder(self.folder)

    def rotate_log(self) -> None:
        """Begin a new log; the one before stays as postgres.log.1."""
        with suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))

    def log_tail(self) -> list[str]:
        """The last lines of the log."""
        try:
            return self.log.read_text(errors="replace").strip().splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            return []


def server_arguments(socket_folder: Path, settings: Mapping[str, str], *, durable: bool) -> list[str]:
    """The settings as arguments of postgres, so that none is left in the data directory."""
    careless = {} if durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    quoted = os.fspath(socket_folder).replace('"', '""')
    chosen = {
        "shared_preload_libraries": "pg_stat_statements",
        "timezone": "UTC",
        **careless,
        **settings,
        "listen_addresses": "",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
    }
    return [argument for name, value in chosen.items() for argument in ("-c", f"{name}={value}")]


def _locales(major: int) -> list[list[str]]:
    if major >= 17:  # noqa: PLR2004  (its own C.UTF-8 is the same on every system)
        return [["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]]
    return [["--locale=C.UTF-8"], ["--locale=C"]]


def _processes() -> Iterator[int]:
    if sys.platform == "linux":
        yield from (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())


def _works_in(folder: Path, pid: int) -> bool:
    """Whether a process has the folder as its working folder, as every process of a server and initdb has.

    Elsewhere than on Linux this is not known, and PostgreSQL's own test has to do.
    """
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
