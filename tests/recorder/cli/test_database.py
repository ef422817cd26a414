"""Commands that need the database: what they say where it is not there, not ready or will not have them."""

import json
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.postgres import with_database
from tests.recorder.cli.command import Commands
from tests.system.plant import Plant
from tests.system.records import Records


def test_a_host_that_cannot_be_reached_is_named(commands: Commands) -> None:
    """Database, host and port, the reason, and what to check."""
    commands.environment.setenv("ALD_DATABASE__DSN", "postgresql://me@127.0.0.1:1/ald")
    for command in (["database", "migrate"], ["database", "migrate", "--dry-run"], ["runs", "list"]):
        said = commands.refused(*command, status=3)
        assert "database ald at 127.0.0.1:1 is not reachable (" in said
        assert said.endswith("check that it runs and that [database] dsn is right")


@pytest.mark.parametrize("dsn", ["nonsense", "mysql://host/ald", "postgresql://me@host:port/ald"])
def test_a_dsn_that_is_none_is_a_fault_of_the_configuration(commands: Commands, dsn: str) -> None:
    """It shows what a DSN looks like."""
    commands.environment.setenv("ALD_DATABASE__DSN", dsn)
    said = commands.refused("database", "migrate", status=2)
    assert said.startswith("error: [database] dsn: ")
    assert "; expected postgresql://user:password@host/name" in said


def test_a_database_that_does_not_exist_is_named(commands: Commands, database_url: str) -> None:
    """The recorder makes its schema, not the database."""
    commands.environment.setenv("ALD_DATABASE__DSN", with_database(database_url, "ald_test_none"))
    said = commands.refused("database", "migrate", status=3)
    assert "database ald_test_none at " in said
    assert said.endswith("does not exist; create it with CREATE DATABASE")


def test_a_role_that_does_not_exist_is_refused_in_a_line(commands: Commands, database_url: str) -> None:
    """As a wrong password is: check user and password."""
    parts = urlsplit(database_url)
    netloc = f"ald_test_nobody:wrong@{parts.netloc.rpartition('@')[2]}"
    commands.environment.setenv("ALD_DATABASE__DSN", urlunsplit(parts._replace(netloc=netloc)))
    said = commands.refused("database", "migrate", status=3)
    assert "refused the login: " in said
    assert said.endswith("check user and password of the DSN")
    assert "wrong" not in said.split("refused the login")[0]


@pytest.mark.parametrize("command", [["runs", "list"], ["runs", "show", "1"], ["definitions", "list"]], ids=" ".join)
def test_a_database_without_the_schema_asks_for_migrate(
    commands: Commands, empty_database_url: str, command: list[str]
) -> None:
    """Rather than name a relation that nobody has heard of."""
    commands.environment.setenv("ALD_DATABASE__DSN", empty_database_url)
    said = commands.refused(*command, status=3)
    assert said.endswith("run: ald-recorder database migrate")


def test_migrate_says_what_it_did_and_then_that_nothing_is_left(commands: Commands, empty_database_url: str) -> None:
    """A dry run before changes nothing."""
    commands.environment.setenv("ALD_DATABASE__DSN", empty_database_url)
    pending = json.loads(commands.run("database", "migrate", "--dry-run", "--json").stdout)
    assert pending["applied"] == []
    said = commands.run("database", "migrate")
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout.splitlines() == [f"applied  {name}" for name in pending["pending"]]
    assert commands.run("database", "migrate").stdout == "schema ald is up to date\n"
    assert json.loads(commands.run("database", "migrate", "--json").stdout) == {"applied": []}
    assert commands.run("runs", "list").stdout == "no runs are recorded yet\n"


def test_a_run_that_is_not_there_is_named(commands: Commands, database_url: str) -> None:
    """And where those that are there are listed."""
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    assert commands.refused("runs", "show", "1", status=2) == (
        "error: there is no run 1; see ald-recorder runs list --all"
    )


def test_the_recorder_names_the_device_that_the_configuration_lacks(
    commands: Commands, short_directory: Path, database_url: str
) -> None:
    """It does not start, and says which section to add; then which role names no parameter."""
    plant = Plant(short_directory, database_url)
    plant.import_definitions()
    text = plant.write_config().read_text(encoding="utf-8")
    plant.config_path.write_text(text.replace("[devices.plc]", "[devices.other]"), encoding="utf-8")
    said = commands.refused("run", "--config", str(plant.config_path), status=2, apart=True)
    assert said == (
        "error: devices.plc is missing: the definitions of 'Test tool' read from device 'plc'; "
        "add [devices.plc] with its host"
    )
    plant.config_path.write_text(text.replace("Process/run_state", "Process/state"), encoding="utf-8")
    said = commands.refused("run", "--config", str(plant.config_path), status=2, apart=True)
    assert said == (
        "error: process.run_state: 'Process/state': no such parameter in the definitions of 'Test tool'; "
        "see ald-recorder definitions list"
    )
    assert Records(dsn=database_url).runs("idle") == []
