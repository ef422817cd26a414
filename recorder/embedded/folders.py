"""Where the embedded PostgreSQL keeps its things: its data directory and its socket."""

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from recorder.embedded.account import Account, server_account
from recorder.embedded.errors import DataDirectoryError

LONGEST_SOCKET_PATH_BYTES: Final = 107
"""sun_path of Linux's unix(7) is 108 bytes with its closing zero (104 elsewhere)."""
PORT: Final = 5432
"""Only part of the socket's file name: the folder is the server's own."""


def default_data_directory(name: str) -> Path:
    """The data directory of that name: in the user's data folder, for root in /var/lib; not made yet.

    Where there is no home that can be written to, it is below the folder for temporary files.
    """
    account = server_account()
    for parent in _parents(account):
        nearest = next(folder for folder in (parent, *parent.parents) if folder.exists())
        if os.access(nearest, os.W_OK | os.X_OK) and account.can_enter(nearest):
            return parent / name
    raise DataDirectoryError("no folder for the data of the embedded PostgreSQL can be written to: name one")


def _parents(account: Account) -> Iterator[Path]:
    if account.switch:
        yield Path("/var/lib/ald-recorder")
        yield Path("/var/tmp/ald-recorder")  # noqa: S108  (its owner is checked before it is used)
        return
    data_home = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(data_home):  # noqa: PTH117  (the XDG specification: a relative one is to be ignored)
        yield Path(data_home) / "ald-recorder"
    with suppress(RuntimeError):  # a user without an entry and without $HOME
        yield Path.home() / ".local" / "share" / "ald-recorder"
    yield Path(tempfile.gettempdir()) / f"ald-recorder-{account.uid}"


def make_data_directory(path: Path, account: Account) -> None:
    """Make the folder and those above it that are missing; folders that exist keep their modes.

    Raises:
        DataDirectoryError: it cannot be made, belongs to somebody else, or the server's user cannot enter it.
    """
    missing = [folder for folder in (path, *path.parents) if not os.path.lexists(folder)]
    try:
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755 if account.switch else 0o700)
        status = path.stat()
    except OSError as error:
        raise DataDirectoryError(f"{path}: cannot be made: {error.strerror}: choose another data directory") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise DataDirectoryError(f"{path}: is not a folder of the user of this program: choose another data directory")
    shared = path.parent.stat()
    if shared.st_uid not in (0, os.geteuid()) and shared.st_mode & stat.S_IWOTH == 0:
        raise DataDirectoryError(f"{path.parent}: belongs to user {shared.st_uid}: choose another data directory")
    if not account.can_enter(path):
        raise DataDirectoryError(
            f"{path}: user {account.name}, as whom the server runs, cannot enter it: "
            "choose a data directory below folders that everyone can enter, such as /var/lib"
        )


def make_socket_folder(data_directory: Path, account: Account) -> Path:
    """Make an empty folder of mode 0700 for the socket, in the data directory where the path is short enough.

    What an earlier server left there is removed, so the caller holds the data directory's lock.
    """
    folder = data_directory / "socket"
    if not _fits(folder):
        name = "ald-recorder-" + hashlib.sha256(os.fsencode(data_directory)).hexdigest()[:12]
        base = _short_base(account)
        folder = base / name
        if os.path.lexists(folder) and folder.lstat().st_uid not in (os.geteuid(), account.uid):
            folder = Path(tempfile.mkdtemp(prefix="ald-recorder-", dir=base))  # somebody else took the name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
        account.own(folder)
    except OSError as error:
        raise DataDirectoryError(f"{folder}: cannot make the socket's folder: {error.strerror}") from error
    return folder


def _fits(folder: Path) -> bool:
    socket = os.fsencode(folder / f".s.PGSQL.{PORT}")
    # A comma separates hosts in a connection URL.
    return len(socket) <= LONGEST_SOCKET_PATH_BYTES and b"," not in socket


def _short_base(account: Account) -> Path:
    runtime = "/run" if account.switch else os.environ.get("XDG_RUNTIME_DIR", "")
    candidates = [Path(text) for text in (runtime, tempfile.gettempdir(), "/tmp") if text]  # noqa: S108
    for base in candidates:
        fits = _fits(base / "ald-recorder-012345678901")
        if fits and base.is_dir() and os.access(base, os.W_OK | os.X_OK) and account.can_enter(base):
            return base
    raise DataDirectoryError(f"no folder with a short path for the socket in {', '.join(map(str, candidates))}")
