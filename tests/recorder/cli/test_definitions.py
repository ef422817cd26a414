"""``definitions import``: what it says of a file, good or bad, and that a bad one changes nothing."""

import asyncio
import json

import pytest

from recorder.database import connect_once
from simulator import parameter_map
from tests.recorder.cli.command import Commands

HEADER = "component,parameter,modbus_type,modbus_address,data_type"
ROW = "Heater,power,coil,1,binary"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", ": the file is empty; its first line must name the columns"),
        (f"{ROW}\n", ":1: column component is missing; the first line must name the columns, at least component, "),
        (f"{HEADER}\n", ": it has a header but no parameters; add a line for each"),
        (f"{HEADER},colour\n{ROW},red\n", ":1: there is no column 'colour'; columns are component, parameter, unit, "),
        (f"{HEADER},unit,unit\n", ":1: column unit is there twice; rename or remove one"),
        (f"{HEADER},scale\n{ROW},1\nHeater,on,coil,2,binary,x\n", ":3: scale: 'x' is no number; nothing was imported"),
        (f"{HEADER},scale\n{ROW},nan\n", ":2: scale: 'nan' is no finite number; nothing was imported"),
        (f"{HEADER},bit\n{ROW},16\n", ":2: bit: '16' is no whole number from 0 to 15; nothing was imported"),
        (f"{HEADER},is_writable\n{ROW},maybe\n", ":2: is_writable: 'maybe' is neither true nor false"),
        (f"{HEADER},word_order\n{ROW},ABDC\n", ":2: word_order: 'ABDC' is none of ABCD, "),
        (f"{HEADER}\nHeater,,coil,1,binary\n", ":2: parameter is empty"),
        (f"{HEADER}\n{ROW},\n", ":2: 6 fields instead of 5; is a comma missing or not quoted? nothing was imported"),
        (f'{HEADER}\nHeater,"power,coil,1,binary\n', ":2: not CSV: unexpected end of data; is a quote not closed?"),
        (f"{HEADER}\nHeater,Höhe,coil,1,binary\n".encode("latin-1"), ":2: not UTF-8 text; save it as CSV UTF-8"),
        (f"{HEADER},scale\n{ROW},x\n{ROW},y\n", ":2: scale: 'x' is no number (and 1 more lines with faults)"),
    ],
)
def test_a_file_that_cannot_be_understood_is_one_line(commands: Commands, content: str | bytes, line: str) -> None:
    """File, line, column and what to do; nothing is imported."""
    (commands.folder / "tool.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    for option in ([], ["--dry-run"]):
        assert commands.refused("definitions", "import", "tool.csv", *option, status=2).startswith(
            f"error: tool.csv{line}"
        )


def test_a_file_that_is_not_there_is_named(commands: Commands) -> None:
    """So is a folder in the place of a file."""
    said = commands.refused("definitions", "import", "none.csv", status=2)
    assert said == "error: none.csv: no such file; give the path of a CSV file of definitions"
    said = commands.refused("definitions", "import", ".", status=2)
    assert said == "error: .: cannot be read: Is a directory; give the path of a CSV file"


def test_an_import_has_one_source(commands: Commands) -> None:
    """A file, a known device or the earlier recorder's database; and what belongs to one of them goes with that one."""
    for arguments in (["a.csv", "--from-database", "postgresql:///x"], ["--device", "x", "--from-database", "x"], []):
        said = commands.refused("definitions", "import", *arguments, status=2)
        assert "give one of FILE, --device NAME and --from-database DSN" in said
    said = commands.refused("definitions", "import", "a.csv", "--ignore-column", "x", status=2)
    assert "--ignore-column goes with --from-database" in said
    said = commands.refused("definitions", "import", "a.csv", "--as-device", "x", status=2)
    assert "--as-device and --component go with --device alone" in said


def test_definitions_move_in_from_the_earlier_database(
    commands: Commands, database_url: str, empty_database_url: str
) -> None:
    """Previewed, imported, and then the same."""
    tables = """
        CREATE TABLE machine_components (id int PRIMARY KEY, name text, is_activated boolean);
        CREATE TABLE component_parameters (id int, component_id int, name text, modbus_type text, modbus_address int,
                                           data_type text, byte_order text);
        INSERT INTO machine_components VALUES (1, 'Heater', true);
        INSERT INTO component_parameters VALUES (1, 1, 'set', 'holding_register', 2040, 'float', 'badc')
    """

    async def fill() -> None:
        connection = await connect_once(empty_database_url)
        try:
            await connection.execute(tables)
        finally:
            await connection.close()

    asyncio.run(fill())
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    source = ("--from-database", empty_database_url)
    said = commands.run("definitions", "import", *source, "--dry-run")
    assert "would change for 'ALD tool': 1 added, 0 changed, 0 removed" in said.stdout, said.stderr
    assert "imported for 'ALD tool': 1 added" in commands.run("definitions", "import", *source).stdout
    assert "exactly these definitions" in commands.run("definitions", "import", *source).stdout
    [listed] = json.loads(commands.run("definitions", "list", "--json").stdout)["definitions"]
    assert (listed["component"], listed["name"], listed["word_order"]) == ("Heater", "set", "CDAB")


def test_a_dry_run_needs_no_database(commands: Commands) -> None:
    """It says as JSON how many parameters there are, what is wrong with them, and what a scan costs."""
    (commands.folder / "tool.csv").write_text(
        f"{HEADER},unit\n{ROW},°C\nHeater,read,input_register,7,float,°C\nHeater,later,,,,\n", encoding="utf-8"
    )
    said = commands.run("definitions", "import", "tool.csv", "--dry-run", "--json")
    assert (said.status, said.stderr) == (0, "")
    result = json.loads(said.stdout)
    assert (result["parameters"], result["readable"], result["not_configured"]) == (3, 2, 1)
    assert result["requests_per_scan"] == 2
    assert {(finding["code"], finding["line"]) for finding in result["findings"]} == {
        ("unit_nonsense", 2),
        ("not_configured", 4),
    }
    assert result["rows_per_day"] == 2 * 864_000
    assert result["changes"] is None


def test_an_import_says_what_it_changes_and_a_second_that_it_changes_nothing(
    commands: Commands, database_url: str
) -> None:
    """First all are new, then none; a dry run between them changes nothing."""
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    path = str(parameter_map.definitions_path())
    preview = json.loads(commands.run("definitions", "import", path, "--dry-run", "--json").stdout)
    said = commands.run("definitions", "import", path)
    assert (said.status, said.stderr) == (0, "")
    added = len(preview["changes"]["added"])
    assert f"imported for 'ALD tool': {added} added, 0 changed, 0 removed" in said.stdout
    again = commands.run("definitions", "import", path).stdout
    assert "the database has exactly these definitions for 'ALD tool'" in again
    listed = json.loads(commands.run("definitions", "list", "--json").stdout)
    assert len(listed["definitions"]) == added
    table = commands.run("definitions", "list").stdout
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "Process/clock" in table


def test_an_import_that_fails_on_the_way_leaves_nothing(commands: Commands, database_url: str) -> None:
    """A file with one bad line among good ones is refused as a whole."""
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)
    (commands.folder / "tool.csv").write_text(f"{HEADER},bit\n{ROW},\nHeater,on,coil,2,binary,x\n", encoding="utf-8")
    commands.refused("definitions", "import", "tool.csv", status=2)
    said = commands.refused("definitions", "list", status=2)
    assert said == (
        "error: machine 'ALD tool' has no definitions; import them: ald-recorder definitions import FILE.csv"
    )
