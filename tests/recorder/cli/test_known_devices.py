"""``definitions import --device`` and ``definitions devices``, on a real database."""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hal.devices import KNOWN_DEVICES
from recorder.__main__ import main
from recorder.database import single_session
from recorder.definitions.definitions import DefinitionSet, load_definitions

MACHINE = "Test tool"
PLC = """component,parameter,unit,modbus_type,modbus_address,data_type
Chamber,pressure,Torr,input_register,100,float
Valve 1,open,boolean,coil,15,binary
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Result]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs ``ald-recorder definitions`` with a configuration that names no database."""
    config = tmp_path / "config.toml"
    config.write_text(f'[recorder]\nmachine = "{MACHINE}"\n\n[devices.plc]\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["ald-recorder", "definitions", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as exit_:
            status = int(str(exit_.code))
        printed = capsys.readouterr()
        return Result(status=status, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A fresh database that the commands use."""
    monkeypatch.setenv("ALD_DATABASE__DSN", database_url)
    return database_url


@pytest.fixture
def plc(tmp_path: Path) -> Path:
    """A definitions file of the tool's own PLC."""
    file = tmp_path / "plc.csv"
    file.write_text(PLC, encoding="utf-8")
    return file


def active(dsn: str) -> DefinitionSet:
    """The active definitions in the database."""

    async def load() -> DefinitionSet:
        async with single_session(dsn, "ald") as session:
            return await load_definitions(session, MACHINE)

    return asyncio.run(load())


def names_of(dsn: str, device: str) -> set[str]:
    """Full names of the active parameters of a device."""
    return {definition.full_name for definition in active(dsn).definitions if definition.device == device}


def test_a_known_device_is_imported_under_its_own_names(command: Command, database: str) -> None:
    """Without further options the device is called as it is known, with underscores."""
    result = command("import", "--device", "watlow-ez-zone")
    assert result.status == 0, result.err
    process_value = active(database).find("EZ-ZONE/process_value")
    assert process_value is not None
    assert (process_value.device, process_value.address, process_value.word_order) == ("watlow_ez_zone", 360, "CDAB")
    set_point = active(database).find("EZ-ZONE/closed_loop_set_point")
    assert set_point is not None
    assert process_value.set_value_parameter_id == set_point.id
    assert "has no [devices.watlow_ez_zone] yet" in result.out
    assert "°F" in result.out


def test_a_known_device_is_imported_as_another_device_and_component(command: Command, database: str) -> None:
    """Two controllers of one make stand side by side, each with its set-value."""
    for device, component in (("heater_1", "Chuck heater"), ("heater_2", "Wall heater")):
        options = ("--as-device", device, "--component", component)
        assert command("import", "--device", "eurotherm-3200", *options).status == 0
    for device, component in (("heater_1", "Chuck heater"), ("heater_2", "Wall heater")):
        assert names_of(database, device) == {
            f"{component}/{parameter}" for parameter in KNOWN_DEVICES["eurotherm-3200"].row_sources
        }
        value, set_value = (active(database).find(f"{component}/{n}") for n in ("process_value", "working_set_point"))
        assert value is not None
        assert set_value is not None
        assert value.set_value_parameter_id == set_value.id


def test_the_parameters_of_other_devices_stay_active(command: Command, database: str, plc: Path) -> None:
    """Importing one device takes nothing of another out of service."""
    assert command("import", plc).status == 0
    result = command("import", "--device", "omega-cni", "--json")
    assert result.json["changes"]["removed"] == []
    assert names_of(database, "plc") == {"Chamber/pressure", "Valve 1/open"}
    assert len(names_of(database, "omega_cni")) == 4


def test_a_parameter_that_the_known_device_no_longer_has_is_taken_out_of_service(
    command: Command, database: str, tmp_path: Path
) -> None:
    """Of the device itself, what is not known is removed as by a file."""
    old = tmp_path / "old.csv"
    row = "Omega CNi,gone,,holding_register,40,int16,omega_cni"
    old.write_text(f"{PLC.splitlines()[0]},device\n{row}\n", encoding="utf-8")
    assert command("import", old).status == 0
    result = command("import", "--device", "omega-cni", "--json")
    assert result.json["changes"]["removed"] == ["Omega CNi/gone"]
    assert "Omega CNi/gone" not in names_of(database, "omega_cni")


def test_importing_twice_changes_nothing(command: Command, database: str) -> None:
    """The second time the database has exactly these definitions."""
    assert command("import", "--device", "prevac-mg15").status == 0
    assert command("import", "--device", "prevac-mg15", "--json").json["changes"] == {
        "added": [],
        "changed": {},
        "removed": [],
    }


def test_a_component_that_another_device_has_is_refused(command: Command, database: str) -> None:
    """A second controller of the same make cannot take over the parameters of the first unnoticed."""
    assert command("import", "--device", "alicat-mc", "--as-device", "mfc1").status == 0
    result = command("import", "--device", "alicat-mc", "--as-device", "mfc2")
    assert result.status == 2
    assert "read from device 'mfc1' already" in result.err
    assert "--component" in result.err
    assert names_of(database, "mfc2") == set()
    assert len(names_of(database, "mfc1")) == 5


def test_a_dry_run_needs_no_database_and_plans_with_the_devices_limits(command: Command) -> None:
    """An Omega answers for one register a request, and the plan shows so."""
    result = command("import", "--device", "omega-cni", "--dry-run", "--json")
    assert result.status == 0
    assert result.json["requests_per_scan"] == 4
    assert result.json["changes"] is None
    assert "max_registers = 1" in command("import", "--device", "omega-cni", "--dry-run").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of FILE, --device NAME and --from-database DSN"),
        (("plc.csv", "--device", "omega-cni"), "give one of FILE, --device NAME and --from-database DSN"),
        (("plc.csv", "--as-device", "plc2"), "go with --device"),
        (("plc.csv", "--component", "Chuck"), "go with --device"),
        (("--device", "omega"), "no known device 'omega'; there are alicat-mc, "),
        (("--device", "omega-cni", "--as-device", "a device"), "'a device' is not a device name"),
        (("--device", "omega-cni", "--as-device", ""), "'' is not a device name"),
        (("--device", "omega-cni", "--component", " "), "cannot name a component"),
        (("--device", "omega-cni", "--component", "a/b"), "cannot name a component"),
    ],
)
def test_wrong_use_is_one_line_and_status_2(command: Command, plc: Path, arguments: tuple[str, ...], said: str) -> None:
    """The line says what to give instead, and nothing is read or written."""
    result = command("import", *arguments, "--dry-run")
    assert result.status == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_the_known_devices_are_listed_with_their_sources(command: Command) -> None:
    """An engineer sees where each was read before trusting it."""
    result = command("devices")
    assert result.status == 0
    for known in KNOWN_DEVICES.values():
        assert f"{known.name}: {known.title}" in result.out
        assert all(source.title in result.out and source.place in result.out for source in known.sources)


def test_the_known_devices_are_listed_as_json(command: Command) -> None:
    """A program gets every row with its sources, and the day they were read."""
    listed = {entry["name"]: entry for entry in command("devices", "--json").json}
    assert set(listed) == set(KNOWN_DEVICES)
    watlow = listed["watlow-ez-zone"]
    assert any("page 13" in source for source in watlow["row_sources"]["closed_loop_set_point"])
    assert {source["read_on"] for source in watlow["sources"]} == {"2026-11-22"}
    assert watlow["notes"]
