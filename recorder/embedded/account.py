"""The user that the server runs as, and the way to run a program as that user."""

import os
import pwd
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recorder.embedded import child
from recorder.embedded.errors import EmbeddedError

UNPRIVILEGED_USERS: Final = ("postgres", "nobody")
"""Whom root becomes, in this order: PostgreSQL refuses to run as root, and we create no users."""

PROBE_DEADLINE_S: Final = 30.0


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user of the server; `switch` says that it is not the user of this process."""

    name: str
    uid: int
    gid: int
    switch: bool

    def command(self, folder: Path, program: Path | str, *arguments: str) -> list[str]:
        """The command line that runs a program in a folder as this user, and ends with this process."""
        uid, gid = (self.uid, self.gid) if self.switch else (-1, -1)
        script = os.fspath(Path(child.__file__).resolve())
        launcher = [sys.executable, "-I", "-S", script, str(os.getpid()), str(uid), str(gid), self.name]
        return [*launcher, os.fspath(folder), os.fspath(program), *arguments]

    def run(
        self, folder: Path, program: Path | str, *arguments: str, deadline_s: float = PROBE_DEADLINE_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end as this user; its output is text, its exit status is for the caller to judge.

        Raises:
            EmbeddedError: it did not end in time.
        """
        try:
            return subprocess.run(  # noqa: S603  (programs of the PostgreSQL that we chose)
                self.command(folder, program, *arguments),
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EmbeddedError(f"{program} did not end within {deadline_s:g} s: is the machine overloaded?") from error

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can enter an existing folder: asked of the system, so that ACLs and mounts count."""
        if not self.switch:
            return os.access(folder, os.X_OK)
        return self.run(folder, "/bin/true").returncode != child.FOLDER_REFUSED

    def own(self, path: Path) -> None:
        """Give this user a file or folder that we have just made."""
        if self.switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account() -> Account:
    """The user of this process, or for root the first of `UNPRIVILEGED_USERS` that exists.

    Raises:
        EmbeddedError: root, and none of them exists.
    """
    uid = os.geteuid()
    if uid != 0:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:  # a container that was given a number
            name = str(uid)
        return Account(name=name, uid=uid, gid=os.getegid(), switch=False)
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, switch=True)
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and none of the users {', '.join(UNPRIVILEGED_USERS)} exists: "
        "create one of them, or start this program as an ordinary user"
    )


def environment() -> dict[str, str]:
    """Our environment without what would steer PostgreSQL; messages in English, time in UTC."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
