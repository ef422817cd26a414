"""PgBouncer in transaction mode, in front of the server of a test."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from recorder.embedded.account import environment, server_account

PROGRAM: Final = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
"""None where it is not installed."""
MISSING: Final = "no PgBouncer on this machine (on Debian: apt-get install pgbouncer)"
_START_S: Final = 10.0
_CONFIGURATION: Final = """\
[databases]
* = {target}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
listen_port = 6432
pool_mode = transaction
auth_type = any
default_pool_size = 3
min_pool_size = 2
server_round_robin = 1
logfile = {folder}/pgbouncer.log
"""
"""As it comes, but that each transaction goes to another session of the server, so that what relies on one fails."""


@contextmanager
def transaction_pooler(dsn: str, folder: Path) -> Iterator[str]:
    """Run it for as long as the block runs; gives the DSN that leads through it to the same database.

    Args:
        dsn: of the server.
        folder: an empty one with a short path.
    """
    assert PROGRAM is not None
    parts = urlsplit(dsn)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    target = {
        "host": parts.hostname or query["host"],
        "port": str(parts.port or query.get("port", "5432")),
        "user": unquote(parts.username or "postgres"),
        "password": unquote(parts.password or ""),
    }
    account = server_account()
    account.own(folder)
    file = folder / "pgbouncer.ini"
    file.write_text(
        _CONFIGURATION.format(target=" ".join(f"{k}='{v}'" for k, v in target.items() if v), folder=folder),
        encoding="utf-8",
    )
    account.own(file)
    process = subprocess.Popen(
        account.command(folder, PROGRAM, str(file)),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(folder / ".s.PGSQL.6432", process, folder / "pgbouncer.log")
        yield f"postgresql://{target['user']}@{parts.path}?host={quote(str(folder), safe='')}&port=6432"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(path))
            except OSError:
                time.sleep(0.02)
            else:
                return
    said = log.read_text(encoding="utf-8") if log.exists() else "nothing"
    raise AssertionError(f"PgBouncer did not start: {said}")
