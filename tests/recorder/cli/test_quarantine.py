"""``database quarantine``: list, retry and export, as an engineer uses them."""

import asyncio
import csv
import json
from pathlib import Path

import numpy as np
import pytest

from recorder.database import connect_once
from tests.postgres import apart
from tests.recorder.cli.command import Commands
from tests.recorder.entries import PROCESS, event, points
from tests.recorder.writer.test_quarantine import NO_NAN, with_values
from tests.recorder.writing import desk

ALLOW = "ALTER TABLE process_data_points DROP CONSTRAINT no_nan"


@pytest.fixture
def refused(commands: Commands, tmp_path: Path, database_url: str) -> Commands:
    """Commands on a database with two rows in quarantine."""

    async def fill() -> None:
        async with desk(tmp_path / "spool", database_url) as d:
            await d.sql.execute(NO_NAN)
            await d.spool.append([with_values(0, [0.0, np.nan, np.nan]), points(1), event()])
            d.start()
            await d.drained()

    asyncio.run(fill())
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    return commands


def test_an_empty_quarantine_says_so(commands: Commands, database_url: str) -> None:
    """In words and in JSON; retry and export find nothing to do."""
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    assert commands.run("database", "quarantine", "list").stdout == "nothing is in quarantine\n"
    said = commands.run("database", "quarantine", "list", "--json")
    assert json.loads(said.stdout) == {"refusals": 0, "rows": 0, "quarantine": []}
    assert commands.run("database", "quarantine", "retry").status == 0
    assert commands.run("database", "quarantine", "export").stdout == ""


def test_the_list_names_run_device_and_reason(refused: Commands) -> None:
    """A line each, and the totals; in JSON with everything but the content."""
    said = refused.run("database", "quarantine", "list")
    assert (said.status, said.stderr) == (0, "")
    assert said.stdout.count("23514") == 2
    assert "no_nan" in said.stdout.replace("\n", "").replace(" ", "")
    assert said.stdout.splitlines()[-1].startswith("2 in quarantine, 2 rows; ")
    listed = json.loads(refused.run("database", "quarantine", "list", "--json", "--limit", "1").stdout)
    assert (listed["refusals"], len(listed["quarantine"])) == (2, 1)
    assert listed["quarantine"][0]["process_id"] == PROCESS
    none = json.loads(refused.run("database", "quarantine", "list", "--json", "--process", "1").stdout)
    assert none["quarantine"] == []


def test_a_retry_ends_with_1_while_something_is_refused(refused: Commands, database_url: str) -> None:
    """And with 0 once the constraint is gone."""
    said = refused.run("database", "quarantine", "retry", "--json")
    assert (said.status, json.loads(said.stdout)) == (1, {"rows": 0, "events": 0, "refused": 2})

    async def allow() -> None:
        connection = await connect_once(database_url, schema="ald")
        await connection.execute(ALLOW)
        await connection.close()

    apart(allow)
    said = refused.run("database", "quarantine", "retry")
    assert (said.status, said.stdout) == (0, "stored 2 rows and 0 events; 0 refused again\n")


def test_an_export_is_ndjson_or_csv(refused: Commands) -> None:
    """Each row with its values and its bytes."""
    lines = refused.run("database", "quarantine", "export").stdout.splitlines()
    first, second = map(json.loads, lines)
    assert (first["rows"][0]["parameter_id"], second["rows"][0]["parameter_id"]) == (2, 3)
    said = refused.run("database", "quarantine", "export", str(first["id"]), "--format", "csv", "--output", "q.csv")
    assert (said.status, said.stdout) == (0, "")
    with (refused.folder / "q.csv").open(encoding="utf-8", newline="") as file:
        [row] = csv.DictReader(file)
    assert (row["parameter_id"], row["value"], row["sqlstate"]) == ("2", "nan", "23514")
    assert bytes.fromhex(row["content"]) == bytes.fromhex(first["content"])


def test_a_file_that_cannot_be_written_is_named(refused: Commands) -> None:
    """Before anything is read."""
    line = refused.refused("database", "quarantine", "export", "--output", "none/q.csv", status=2)
    assert "none/q.csv: cannot be written: " in line
