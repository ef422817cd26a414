"""``ald-recorder service install``: units that systemd accepts, and nothing overwritten or started unasked."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from recorder.__main__ import register
from recorder.cli.app import app
from recorder.config.file import load
from recorder.errors import ConfigurationError, UsageError
from recorder.service.installation import Deed, Installation
from recorder.service.units import STARTED, Place, files, quoted
from tests.deploy.programs import PROJECT, program, said
from tests.system.plant import environment

MOST_EXPOSED = {"ald-recorder.service": 2.5, "ald-recorder-api.service": 2.0}
"""Of 10, as ``systemd-analyze security`` counts; the recorder has serial ports and adjtimex, which costs some."""


def installed(prefix: Path, *, dry_run: bool = False) -> list[Deed]:
    """Install below a folder; returns what was done."""
    deeds: list[Deed] = []
    Installation(prefix=prefix, tell=deeds.append, dry_run=dry_run).install(enable=True)
    return deeds


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A folder to install below, with a space in its path."""
    return tmp_path / "a root"


def test_systemd_accepts_every_unit(prefix: Path) -> None:
    """`systemd-analyze verify` has nothing to say: all settings known, all programs there, all units found."""
    analyze = program("systemd-analyze")
    installed(prefix)
    folder = prefix / "etc/systemd/system"
    assert said(analyze, "verify", "--man=no", *sorted(folder.iterdir())) == ""


def test_what_the_service_may_do_is_little(prefix: Path) -> None:
    """`systemd-analyze security` gives each service a low exposure."""
    analyze = program("systemd-analyze")
    installed(prefix)
    for unit in sorted((prefix / "etc/systemd/system").glob("*.service")):
        most = MOST_EXPOSED.get(unit.name, 2.0)
        said(analyze, "security", "--offline=true", f"--threshold={round(most * 10)}", unit)


def test_the_units_run_this_program_with_the_configuration_of_the_service(prefix: Path) -> None:
    """Each command line in them is one of ours; each option that it names is there."""
    installed(prefix)
    started = []
    for unit in sorted((prefix / "etc/systemd/system").glob("*.service")):
        for line in unit.read_text(encoding="utf-8").splitlines():
            if line.startswith(("ExecStart=", "ExecReload=")):
                command = line.partition("=")[2].removeprefix(quoted(Path(sys.executable))).split()
                assert command[:3] == ["-P", "-m", "recorder"]
                assert command[-2:] == ["--config", "/etc/ald-recorder/config.toml"]
                started.append(command[3:-2])
    assert ["run"] in started
    register()
    for arguments in started:
        with pytest.raises(SystemExit) as ended:
            app([*arguments, "--help"])
        assert ended.value.code == 0, arguments
    assert set(STARTED) <= {path.name for path in (prefix / "etc/systemd/system").iterdir()}


def test_the_configuration_is_written_once_and_never_overwritten(prefix: Path) -> None:
    """It has the folders of the service; what somebody wrote into it stays, also at an uninstallation."""
    installed(prefix)
    path = prefix / "etc/ald-recorder/config.toml"
    config = load(path)
    assert config.recorder.data_directory == Path("/var/lib/ald-recorder")
    assert config.control_socket == Path("/run/ald-recorder/control.sock")
    secret = prefix / "etc/ald-recorder/environment"
    assert secret.stat().st_mode & 0o777 == 0o600
    mine = '[recorder]\nmachine = "ALD 7"\ndata_directory = "/srv/my data"\n'
    path.write_text(mine)
    secret.write_text("ALD_DATABASE__DSN=postgresql://recorder:secret@db/ald\n")
    deeds = installed(prefix)
    assert path.read_text() == mine
    assert "secret" in secret.read_text()
    assert Deed(verb="keep", what=str(path)) in deeds
    unit = (prefix / "etc/systemd/system/ald-recorder.service").read_text()
    assert 'ReadWritePaths="/srv/my data"\n' in unit

    deeds = []
    Installation(prefix=prefix, tell=deeds.append).uninstall()
    assert list((prefix / "etc/systemd/system").iterdir()) == []
    assert path.read_text() == mine
    assert Deed(verb="keep", what=str(path)) in deeds
    path.write_text("[recorder]\nnumber = -1\n")
    with pytest.raises(ConfigurationError, match=r"recorder\.number.*correct it first: it is not overwritten"):
        installed(prefix)


def test_a_dry_run_says_all_and_does_nothing(prefix: Path) -> None:
    """The same deeds as the real one."""
    would = installed(prefix, dry_run=True)
    assert not prefix.exists()
    assert installed(prefix) == would
    assert {deed.verb for deed in would} == {"write", "make"}


def test_without_root_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried that must fail half-way."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UsageError) as refused:
        Installation(tell=lambda _deed: None).install(enable=False)
    assert f"run it as root, with the whole path of this program ({sys.executable} -m recorder" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_program_in_somebodys_home_can_be_read_there() -> None:
    """And one that lies elsewhere sees no home at all."""
    at_home = files(Place(python=Path("/home/ada/ald/.venv/bin/python"), user="ald"))
    elsewhere = files(Place(python=Path("/opt/ald/bin/python"), user="ald", serial_group="dialout"))
    unit = Path("/etc/systemd/system/ald-recorder.service")
    assert "ProtectHome=read-only\n" in at_home[unit]
    assert "ProtectHome=yes\n" in elsewhere[unit]
    assert "SupplementaryGroups=dialout\n" in elsewhere[unit]
    assert "SupplementaryGroups" not in at_home[unit]
    assert not [
        text for made in (at_home, elsewhere) for text in made.values() if "@python@" in text or "@user" in text
    ]
    assert quoted(Path("/opt/100 %/$x")) == '"/opt/100 %%/$$x"'


def test_an_installed_wheel_has_the_templates(tmp_path: Path) -> None:
    """The same files come out of it as out of the source tree, told as JSON."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "site")
    command = [sys.executable, "-m", "recorder", "service", "install", "--json", "--prefix", str(tmp_path / "root")]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**environment(), "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    written = [deed["what"] for deed in json.loads(done.stdout)["done"] if deed["verb"] == "write"]
    installed(tmp_path / "other")
    for path in written:
        ours = tmp_path / "other" / Path(path).relative_to(tmp_path / "root")
        assert Path(path).read_text() == ours.read_text(), path
