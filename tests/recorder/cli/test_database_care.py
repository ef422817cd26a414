"""``database roles|health|maintain`` as a user types them."""

import json

import pytest

from tests.recorder.cli.command import Commands


def test_maintain_makes_a_fresh_database_well(commands: Commands, database_url: str) -> None:
    """Health ends with 1 and says what to run; after that it ends with 0, for people and for programs."""
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    before = commands.run("database", "health", "--brief")
    assert before.status == 1
    assert "today has no partition; run: ald-recorder" in before.stdout
    assert max(map(len, before.stdout.splitlines())) <= 80
    done = json.loads(commands.run("database", "maintain", "--weekly", "--json").stdout)
    assert done["period"] == "weekly"
    assert [item["error"] for item in done["done"] if item["error"]] == []
    after = commands.run("database", "health", "--json")
    assert after.status == 0
    assert json.loads(after.stdout)["well"] is True
    assert all(line.startswith("done") for line in commands.run("database", "maintain").stdout.splitlines())


def test_roles_of_a_database_without_the_schema_ask_for_migrate(commands: Commands, empty_database_url: str) -> None:
    """As every other command does."""
    commands.environment.setenv("ALD_DATABASE__DSN", empty_database_url)
    said = commands.refused("database", "roles", "--sql", status=3)
    assert said.endswith("has no schema ald; run: ald-recorder database migrate")


@pytest.mark.parametrize("command", ["health", "maintain"])
def test_care_of_a_database_without_tables_asks_once_for_migrate(
    commands: Commands, empty_database_url: str, command: str
) -> None:
    """And not for each index that is not there."""
    commands.environment.setenv("ALD_DATABASE__DSN", empty_database_url)
    said = commands.refused("database", command, status=3)
    assert said == f"error: database {command}: schema ald has no tables yet; run: ald-recorder database migrate"


def test_roles_can_be_printed_for_who_may_make_them(commands: Commands, database_url: str) -> None:
    """One transaction to read before it is run; a prefix that is no name is refused."""
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    lines = commands.run("database", "roles", "--sql", "--prefix", "ald_test_fab").stdout.splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    assert "CREATE ROLE ald_test_fab_writer NOLOGIN;" in lines
    said = commands.refused("database", "roles", "--prefix", "No Name", status=2)
    assert said.startswith("error: --prefix 'No Name': use small letters")


def test_one_period_at_a_time(commands: Commands) -> None:
    """Each includes those before it."""
    said = commands.refused("database", "maintain", "--daily", "--weekly", status=2)
    assert said.endswith("each includes those before it")
