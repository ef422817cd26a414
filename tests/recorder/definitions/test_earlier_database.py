"""Moving in from the recorder that this one replaces: what its tables say, in our words, or a plain refusal."""

import csv
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from hal.parameter import DataType, RegisterKind, WordOrder
from recorder.definitions.earlier_database import read_earlier_database
from recorder.definitions.file import read_definition_file
from recorder.errors import DatabaseUnreachableError, UsageError

REAL_MAP = Path(__file__).parents[4] / "shared" / "data" / "ald_plc_map.csv"
TABLES = """
CREATE TYPE modbus_kind AS ENUM ('coil', 'discrete_input', 'holding_register', 'input_register');
CREATE TYPE register_type AS ENUM ('binary', 'float', 'int32', 'complex');
CREATE TYPE byte_order AS ENUM ('abcd', 'badc', 'cdab', 'dcba');
CREATE TABLE machine_components (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text, is_activated boolean);
CREATE TABLE component_parameters (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    component_id uuid REFERENCES machine_components,
    name text, unit text, min_value numeric, max_value numeric, set_value numeric, current_value numeric,
    is_writable boolean, modbus_type modbus_kind, modbus_address int, data_type register_type, byte_order byte_order,
    plc_symbol text, created_at timestamptz DEFAULT now()
);
"""
SAME = ("unit", "min_value", "max_value", "set_value", "current_value", "is_writable", "modbus_type", "modbus_address")


@pytest.fixture
async def earlier(empty_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The tables of the earlier recorder, empty."""
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(TABLES)
    yield connection
    await connection.close()


async def add(earlier: asyncpg.Connection, component: str, *, is_activated: bool | None = True) -> str:
    """A component."""
    statement = "INSERT INTO machine_components (name, is_activated) VALUES ($1, $2) RETURNING id"
    return str(await earlier.fetchval(statement, component, is_activated))


async def add_parameter(earlier: asyncpg.Connection, component: str, name: str, place: Sequence[object]) -> None:
    """A parameter: kind, address, type, byte order."""
    await earlier.execute(
        "INSERT INTO component_parameters (component_id, name, unit, min_value, max_value, set_value, is_writable,"
        " modbus_type, modbus_address, data_type, byte_order) VALUES ($1, $2, '°C', 0, 99.5, 20, true, $3, $4, $5, $6)",
        component,
        name,
        *place,
    )


async def test_its_words_become_ours(earlier: asyncpg.Connection, empty_database_url: str) -> None:
    """What it called badc is CDAB; what says nothing takes the word order that is asked for."""
    heater = await add(earlier, "Heater")
    silent = await add(earlier, "Pump", is_activated=None)
    await add_parameter(earlier, heater, "set", ("holding_register", 2040, "float", "badc"))
    await add_parameter(earlier, heater, "plain", ("holding_register", 2042, "int32", "abcd"))
    await add_parameter(earlier, heater, "reversed", ("input_register", 2044, "float", "dcba"))
    await add_parameter(earlier, silent, "on", ("coil", 4, "binary", None))
    await add_parameter(earlier, silent, "not configured", (None, None, None, None))
    await add_parameter(earlier, await add(earlier, "Old", is_activated=False), "gone", ("coil", 9, "binary", None))
    file = await read_earlier_database(empty_database_url, word_order=WordOrder.ABCD)
    found = {definition.full_name: definition for definition in file.definitions}
    assert {name: definition.word_order for name, definition in found.items()} == {
        "Heater/set": WordOrder.CDAB,
        "Heater/plain": WordOrder.ABCD,
        "Heater/reversed": WordOrder.DCBA,
        "Pump/on": WordOrder.ABCD,
        "Pump/not configured": WordOrder.ABCD,
    }
    one = found["Heater/set"]
    assert (one.register_kind, one.address, one.data_type) == (RegisterKind.HOLDING_REGISTER, 2040, DataType.FLOAT32)
    assert (one.unit, one.min_value, one.max_value, one.set_value, one.is_writable) == ("°C", 0.0, 99.5, 20.0, True)
    assert not found["Pump/not configured"].is_configured
    assert [finding.code for finding in file.findings if finding.parameter == "Pump/not configured"] == [
        "not_configured"
    ]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            ("holding_register", 1, "float", "cdab"),
            "Heater/x: word_order 'cdab' is not known here; known are abcd, badc",
        ),
        (("holding_register", 1, "complex", None), "Heater/x: data_type 'complex' is not known here; known are "),
    ],
)
async def test_a_word_that_is_not_known_is_refused_by_name(
    earlier: asyncpg.Connection, empty_database_url: str, place: Sequence[object], said: str
) -> None:
    """A guess would be recorded for years."""
    await add_parameter(earlier, await add(earlier, "Heater"), "x", place)
    with pytest.raises(UsageError, match=said):
        await read_earlier_database(empty_database_url)


async def test_a_column_that_is_not_known_is_refused_by_name(
    earlier: asyncpg.Connection, empty_database_url: str
) -> None:
    """It may say how a value is read; one that is named as of no meaning is passed over."""
    await add_parameter(earlier, await add(earlier, "Heater"), "x", ("coil", 1, "binary", None))
    await earlier.execute("ALTER TABLE component_parameters ADD scaling_factor numeric, ADD owner text")
    with pytest.raises(UsageError, match=r"not known: owner, scaling_factor; .*--ignore-column"):
        await read_earlier_database(empty_database_url)
    file = await read_earlier_database(empty_database_url, without=["owner", "scaling_factor"])
    assert len(file.definitions) == 1
    await earlier.execute("ALTER TABLE component_parameters RENAME name TO owner_s_name")
    with pytest.raises(UsageError, match="owner_s_name"):
        await read_earlier_database(empty_database_url, without=["owner", "scaling_factor"])


async def test_other_tables_are_said_to_be_none_of_it(
    earlier: asyncpg.Connection, empty_database_url: str, database_url: str
) -> None:
    """No tables, empty ones, our own, and a database that is away."""
    with pytest.raises(UsageError, match="component_parameters is empty"):
        await read_earlier_database(empty_database_url)
    with pytest.raises(UsageError, match=r"schema elsewhere of .* has no tables .*--from-schema"):
        await read_earlier_database(empty_database_url, schema="elsewhere")
    with pytest.raises(UsageError, match="component_parameters is empty"):
        await read_earlier_database(database_url, schema="ald")
    await earlier.execute("ALTER TABLE component_parameters DROP component_id")
    with pytest.raises(UsageError, match="are not those of the earlier recorder"):
        await read_earlier_database(empty_database_url)
    with pytest.raises(DatabaseUnreachableError):
        await read_earlier_database("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.skipif(not REAL_MAP.exists(), reason=f"{REAL_MAP.name} of the real tool is not beside this repository")
async def test_the_real_tables_say_what_their_export_says(earlier: asyncpg.Connection, empty_database_url: str) -> None:
    """All 137 parameters of the real tool, by the database and by the CSV."""
    with REAL_MAP.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    components = {name: await add(earlier, name) for name in dict.fromkeys(row["component"] for row in rows)}
    for row in rows:
        await earlier.execute(
            f"INSERT INTO component_parameters (component_id, name, {', '.join(SAME)}, data_type, plc_symbol)"
            " VALUES ($1, $2, $3::text, $4::text::numeric, $5::text::numeric, $6::text::numeric, $7::text::numeric,"
            " $8::text::boolean, $9::text::modbus_kind, $10::text::int, $11::text::register_type, $12)",
            components[row["component"]],
            row["parameter"],
            *(row[name] or None for name in SAME),
            row["data_type"] or None,
            row["plc_symbol"] or None,
        )
    assert (await read_earlier_database(empty_database_url)).definitions == read_definition_file(REAL_MAP).definitions
