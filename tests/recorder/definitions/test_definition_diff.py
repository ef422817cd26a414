"""File, database and last good copy are compared field by field, by function and by command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.database import single_session
from recorder.definitions.definitions import load_definitions, save_last_good
from recorder.definitions.diff import difference
from recorder.definitions.export import write_definition_file
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from simulator.parameter_map import definitions_path
from tests.postgres import apart
from tests.recorder.check.seen import temperature

MAP = definitions_path()


def test_equal_sources_have_no_difference() -> None:
    """Whatever their ids, and whether the set-value is known by name or by id."""
    read = temperature("read", set_value_parameter="Chamber/set")
    wanted = temperature("set", address=200)
    stored = [read.model_copy(update={"id": 7, "set_value_parameter": "", "set_value_parameter_id": 8})]
    stored.append(wanted.model_copy(update={"id": 8, "set_value": 25.0}))
    assert difference({"file": [read, wanted], "database": stored}) == []


def test_each_field_that_differs_is_one_line_with_all_sources() -> None:
    """Also where a source lacks the parameter altogether."""
    one, other = temperature(address=100), temperature(address=101, range_high=500)
    found = difference({"file": [one], "database": [other], "last good": []})
    assert [(item.field, item.values) for item in found] == [
        ("", {"file": "there", "database": "there", "last good": "absent"}),
        ("address", {"file": 100, "database": 101, "last good": "absent"}),
        ("range_high", {"file": 450.0, "database": 500.0, "last good": "absent"}),
    ]


@pytest.fixture
def folder(tmp_path: Path, database_url: str) -> Path:
    """A folder with configuration, imported definitions and their last good copy."""
    (tmp_path / "config.toml").write_text(
        f'[recorder]\nmachine = "Test tool"\n[database]\ndsn = "{database_url}"\n', encoding="utf-8"
    )

    async def prepare() -> None:
        async with single_session(database_url, "ald") as session:
            await write(session, "Test tool", read_definition_file(MAP))
            save_last_good(await load_definitions(session, "Test tool"), tmp_path / "var" / "definitions.json")

    apart(prepare)
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`definitions diff` in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALD_")}
    return subprocess.run(
        [sys.executable, "-m", "recorder", "definitions", "diff", *arguments],
        cwd=folder,
        env=environment | {"COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_three_sources_that_agree_are_exit_0(folder: Path) -> None:
    """After an import and a start of the recorder."""
    done = run(folder, os.fspath(MAP))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "file and database and last good agree in 192 parameters\n"


def test_a_file_that_was_changed_but_not_imported_is_exit_1(folder: Path) -> None:
    """Field by field, for people within 80 columns and for programs."""
    definitions = read_definition_file(MAP).definitions
    changed = definitions[1].model_copy(update={"address": 2100})
    write_definition_file(folder / "new.csv", [definitions[0], changed, *definitions[2:]])
    done = run(folder, "new.csv")
    assert done.returncode == 1
    assert "1 parameter differs" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    answer = json.loads(run(folder, "new.csv", "--json").stdout)
    assert answer["differences"] == [
        {
            "parameter": changed.full_name,
            "field": "address",
            "values": {"file": 2100, "database": definitions[1].address, "last good": definitions[1].address},
        }
    ]


def test_one_source_alone_is_exit_3(tmp_path: Path) -> None:
    """With the reason why there is no other."""
    (tmp_path / "config.toml").write_text("", encoding="utf-8")
    done = run(tmp_path, os.fspath(MAP))
    assert done.returncode == 3
    assert "there is nothing to compare: database.dsn is empty" in done.stderr
