"""Making a service of the recorder, and unmaking it: each deed is said, and nothing is started unasked."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from recorder.config.file import load
from recorder.errors import ConfigurationError, OutsideError, UsageError
from recorder.service.units import (
    CONFIGURATION,
    ENVIRONMENT,
    STARTED,
    STATE_FOLDER,
    Place,
    annotated_configuration,
    files,
    serial_group,
)

ROOT: Final = Path("/")
_ENVIRONMENT_TEXT: Final = """\
# Secrets of the service, read by systemd as root: one NAME=value a line, each a field of config.toml.
# ALD_DATABASE__DSN=postgresql://recorder:password@host/ald
"""
_COMMAND_S: Final = 60

Verb = Literal["write", "keep", "make", "run", "remove"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """One thing that is done, or would be."""

    verb: Verb
    what: str


class Installation:
    """The service on one machine, or in a folder that a package is made of.

    Args:
        prefix: all files go below it; anything but / makes no user and calls no systemctl.
        user: name of the user and group that the recorder runs as.
        dry_run: only say what would be done.
        tell: called with each deed, just before it is done.
    """

    def __init__(
        self, *, prefix: Path = ROOT, user: str = "ald-recorder", dry_run: bool = False, tell: Callable[[Deed], None]
    ) -> None:
        self._prefix = prefix.absolute()
        self._user = user
        self._dry_run = dry_run
        self._tell = tell
        self._is_here = self._prefix == ROOT

    def install(self, *, enable: bool) -> None:
        """Write units, configuration and folders, and make the user; what is there already is left.

        Raises:
            UsageError: the user may not, or the configuration that is there cannot be used.
            OutsideError: a program of the system failed.
        """
        self._check_rights("install")
        written = self._folders_of_configuration()
        if self._is_here:
            self._make_user()
        here = Path(__file__).resolve().parents[2]
        place = Place(
            python=Path(sys.executable),
            user=self._user,
            serial_group=serial_group(),
            written=written,
            homes=(here, Path(sys.prefix), Path(sys.base_prefix)),
        )
        for path, text in files(place).items():
            self._write(path, text, replaces=True)
        self._write(CONFIGURATION, annotated_configuration(), replaces=False)
        self._write(ENVIRONMENT, _ENVIRONMENT_TEXT, replaces=False, mode=0o600)
        self._make_folder(STATE_FOLDER)
        self._systemctl("daemon-reload")
        if enable:
            self._systemctl("enable", "--now", *STARTED)

    def uninstall(self) -> None:
        """Stop the service and remove its units; configuration, user and recorded data stay.

        Raises:
            UsageError: the user may not.
            OutsideError: a program of the system failed.
        """
        self._check_rights("uninstall")
        paths = list(files(Place(python=Path(sys.executable), user=self._user)))
        if any(self._below(path).exists() for path in paths):
            self._systemctl("disable", "--now", *STARTED)
        for path in paths:
            self._remove(path)
        self._systemctl("daemon-reload")
        for path in (CONFIGURATION, ENVIRONMENT, STATE_FOLDER):
            if self._below(path).exists():
                self._tell(Deed(verb="keep", what=str(self._below(path))))

    def _check_rights(self, what: str) -> None:
        if self._is_here and os.geteuid() != 0 and not self._dry_run:
            raise UsageError(
                f"service {what} writes to /etc and makes a user: run it as root, with the whole path of this program "
                f"({sys.executable} -m recorder service {what}), or see what it would do: --dry-run"
            )

    def _below(self, path: Path) -> Path:
        return self._prefix / path.relative_to(ROOT)

    def _folders_of_configuration(self) -> Sequence[Path]:
        """Where the configuration that is there lets the recorder write.

        Raises:
            ConfigurationError: it cannot be used.
        """
        path = self._below(CONFIGURATION)
        if not path.exists():
            return ()
        try:
            config = load(path)
        except ConfigurationError as error:
            raise ConfigurationError(f"{error}; correct it first: it is not overwritten") from error
        return (config.recorder.data_directory,)

    def _make_user(self) -> None:
        try:
            pwd.getpwnam(self._user)
        except KeyError:
            home = ("--home-dir", str(STATE_FOLDER), "--no-create-home")
            self._run("useradd", "--system", "--user-group", *home, "--shell", "/usr/sbin/nologin", self._user)
        else:
            self._tell(Deed(verb="keep", what=f"user {self._user}"))

    def _make_folder(self, path: Path) -> None:
        folder = self._below(path)
        if folder.exists():
            self._tell(Deed(verb="keep", what=str(folder)))
            return
        self._tell(Deed(verb="make", what=str(folder)))
        if self._dry_run:
            return
        folder.mkdir(parents=True, mode=0o750)
        if self._is_here:
            shutil.chown(folder, self._user, self._user)

    def _write(self, path: Path, text: str, *, replaces: bool, mode: int = 0o644) -> None:
        file = self._below(path)
        if file.exists() and (not replaces or file.read_text(encoding="utf-8") == text):
            self._tell(Deed(verb="keep", what=str(file)))
            return
        self._tell(Deed(verb="write", what=str(file)))
        if self._dry_run:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.new")
        fresh.touch(mode=mode)
        fresh.chmod(mode)
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)

    def _remove(self, path: Path) -> None:
        file = self._below(path)
        if not file.exists():
            return
        self._tell(Deed(verb="remove", what=str(file)))
        if not self._dry_run:
            file.unlink()

    def _systemctl(self, *arguments: str) -> None:
        """Call it where systemd runs this machine, and nowhere else."""
        if self._is_here and Path("/run/systemd/system").is_dir():
            self._run("systemctl", *arguments)

    def _run(self, *command: str) -> None:
        self._tell(Deed(verb="run", what=" ".join(command)))
        if self._dry_run:
            return
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_COMMAND_S)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired) as error:
            raise OutsideError(f"{command[0]}: {error}; do by hand: {' '.join(command)}") from error
        if done.returncode:
            raise OutsideError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
