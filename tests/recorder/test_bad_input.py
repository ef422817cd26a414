"""What is typed wrong on a first day is refused in one line that names it and says what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal.errors import NotConnectedError
from recorder.acquisition.lines import make_links
from recorder.cli.app import exit_status
from recorder.config.transport import TransportConfig

HEADER = "component,parameter,modbus_type,modbus_address,data_type\n"


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALD_")}
    done = subprocess.run(
        [sys.executable, "-m", "recorder", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("max_registers = 50\nmax_register_gap = 60", "max_register_gap 60 is above max_registers 50"),
        ("max_bits = 16\nmax_bit_gap = 17", "max_bit_gap 17 is above max_bits 16"),
        ("port = 65536", "port: Input should be less than or equal to 65535 (got 65536)"),
        ('forbidden = ["holding_register 0..65536"]', "is no range of addresses within 0…65535"),
    ],
)
def test_a_device_that_cannot_be_is_refused_by_field(tmp_path: Path, settings: str, said: str) -> None:
    """Exit 2, one line, before anything is opened."""
    (tmp_path / "config.toml").write_text(f"[devices.plc]\n{settings}\n", encoding="utf-8")
    status, printed, error = run(tmp_path, "check")
    assert (status, printed) == (2, "")
    assert said in error
    assert error.count("\n") == 1


def test_a_gap_that_nobody_typed_follows_a_shorter_request(tmp_path: Path) -> None:
    """The default of 16 is no contradiction of a device that takes 10."""
    (tmp_path / "config.toml").write_text("[devices.plc]\nmax_registers = 10\n", encoding="utf-8")
    assert run(tmp_path, "check")[0] == 1


def test_an_address_of_65536_and_two_claims_of_one_place_are_faults_of_the_check(tmp_path: Path) -> None:
    """By line of the file, with what to do."""
    (tmp_path / "map.csv").write_text(
        f"{HEADER}H,a,holding_register,65536,uint16\nH,b,holding_register,10,float\nH,c,holding_register,11,float\n",
        encoding="utf-8",
    )
    (tmp_path / "config.toml").write_text("[devices.plc]\nport = 1\n", encoding="utf-8")
    status, printed, _ = run(tmp_path, "check", "--definitions", "map.csv")
    flat = " ".join(printed.split())
    assert status == 1
    assert "line 2: H/a: address 65536 is not one of 0…65535; it is not read" in flat
    assert "overlaps 10..11 of H/b; check both against the manual" in flat
    assert "connect to 127.0.0.1:1: Connect call failed" in flat or "Connection refused" in flat


def test_an_expectation_without_a_number_and_a_file_that_is_not_there_are_wrong_use(tmp_path: Path) -> None:
    """Exit 2 and one line each."""
    (tmp_path / "map.csv").write_text(f"{HEADER}H,a,holding_register,1,uint16\n", encoding="utf-8")
    for arguments, said in (
        (("--definitions", "map.csv", "--expect", "H/a=warm"), "'warm' is no number"),
        (("--definitions", "map.csv", "--expect", "H/a"), "is not NAME=VALUE"),
        (("--definitions", "nothing.csv"), "nothing.csv: no such file"),
    ):
        status, _, error = run(tmp_path, "check", *arguments)
        assert status == 2
        assert said in error
        assert error.count("\n") == 1


@pytest.fixture
def port_without_rights(short_directory: Path) -> Iterator[Path]:
    """A file that nobody may open; root, who may, is somebody else for the length of the test."""
    port = short_directory / "ttyUSB0"
    port.touch(mode=0o000)
    short_directory.chmod(0o755)
    user = os.geteuid()
    if user == 0:
        port.group()  # imports what another user may not be able to read
        os.seteuid(65_534)
    try:
        yield port
    finally:
        os.seteuid(user)


async def test_a_serial_port_without_rights_names_the_group(port_without_rights: Path) -> None:
    """Exit 3: what is missing is not in the configuration."""
    transport = TransportConfig(transport="rtu", serial_path=str(port_without_rights))
    with pytest.raises(NotConnectedError, match="no right to open it: add this user to the group") as refused:
        await make_links({"plc": transport})["plc"]()
    assert exit_status(refused.value) == 3
