"""Definitions into the database: what would change is what does, all of it or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from hal.plan import PlanLimits
from recorder.database import Session, connect_once
from recorder.definitions.definitions import load_definitions
from recorder.definitions.file import DefinitionFile, read_definition_file
from recorder.definitions.importing import Comparison, compare, estimate, write
from recorder.errors import DatabaseError
from tests.recorder.definition_sets import HEADER, definition, write_csv

COLUMNS = f"{HEADER},set_value,set_value_parameter,scale"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks at the schema."""
    connection = await connect_once(database_url, schema="ald")
    yield connection
    await connection.close()


@pytest.fixture
def session(connection: asyncpg.Connection, database_url: str) -> Session:
    """The same as a session."""
    return Session(connection, database_url)


def file_of(folder: Path, *lines: str) -> DefinitionFile:
    """A definitions file, read."""
    return read_definition_file(write_csv(folder, *lines, header=COLUMNS))


TWO = ("heater,temperature,C,input_register,10,float,,heater/wanted,", "heater,wanted,C,holding_register,20,float,25,,")


def names(comparison: Comparison) -> tuple[list[str], list[str], list[str]]:
    """What is added, changed, removed."""
    return (
        [d.name for d in comparison.added],
        [change.definition.name for change in comparison.changed],
        [d.name for d in comparison.removed],
    )


async def test_a_dry_run_tells_what_the_import_does(
    tmp_path: Path, session: Session, connection: asyncpg.Connection
) -> None:
    """And changes nothing itself."""
    file = file_of(tmp_path, *TWO)
    before = await compare(session, "tool", file.definitions)
    assert names(before) == (["temperature", "wanted"], [], [])
    assert await connection.fetchval("SELECT count(*) FROM machines") == 0
    assert names(await write(session, "tool", file)) == names(before)
    assert await connection.fetchval("SELECT count(*) FROM component_parameters") == 2


async def test_what_is_imported_is_what_is_loaded(tmp_path: Path, session: Session) -> None:
    """Every field; a set-value parameter is linked by id, in whatever order the lines stand."""
    file = file_of(tmp_path, *TWO)
    await write(session, "tool", file)
    loaded = await load_definitions(session, "tool")
    temperature, wanted = loaded.definitions
    ignored: Any = {"id", "set_value_parameter", "set_value_parameter_id"}
    assert [d.model_dump(exclude=ignored) for d in loaded.definitions] == [
        d.model_dump(exclude=ignored) for d in file.definitions
    ]
    assert temperature.set_value_parameter_id == wanted.id
    assert wanted.set_value_parameter_id is None


async def test_an_import_of_the_same_file_changes_nothing(
    tmp_path: Path, session: Session, connection: asyncpg.Connection
) -> None:
    """No difference, no new version, also with what is not configured and with a link that leads nowhere."""
    file = file_of(
        tmp_path, *TWO, "a,b,,,,,,,", "a,c,,holding_register,70000,float,,,", "a,d,,coil,1,binary,,a/nothing,",
        "a,e,,holding_register,9,int16,,,0",
    )  # fmt: skip
    await write(session, "tool", file)
    versions = await connection.fetch("SELECT id, version FROM component_parameters ORDER BY id")
    assert (await write(session, "tool", file)).is_empty
    assert await connection.fetch("SELECT id, version FROM component_parameters ORDER BY id") == versions


async def test_a_changed_definition_keeps_its_id_and_its_old_version(
    tmp_path: Path, session: Session, connection: asyncpg.Connection
) -> None:
    """The change says from what to what; only that row gets a new version."""
    await write(session, "tool", file_of(tmp_path, *TWO))
    before = {d.name: d.id for d in (await load_definitions(session, "tool")).definitions}
    kept = await connection.fetchval("SELECT count(*) FROM component_parameter_versions")
    comparison = await write(session, "tool", file_of(tmp_path, TWO[0].replace(",10,", ",12,"), TWO[1]))
    [change] = comparison.changed
    assert change.fields == {"address": (10, 12)}
    after = await load_definitions(session, "tool")
    assert {d.name: d.id for d in after.definitions} == before
    assert await connection.fetchval("SELECT count(*) FROM component_parameter_versions") == kept + 1
    old = await connection.fetchval(
        "SELECT definition ->> 'address' FROM component_parameter_versions WHERE parameter_id = $1"
        " ORDER BY version DESC LIMIT 1",
        before["temperature"],
    )
    assert old == "10"


async def test_a_link_to_a_set_value_can_be_moved_and_taken_away(tmp_path: Path, session: Session) -> None:
    """By name in the file, by id in the database."""
    other = "heater,other,C,holding_register,30,float,,,"
    await write(session, "tool", file_of(tmp_path, *TWO, other))
    moved = TWO[0].replace("heater/wanted", "heater/other")
    [change] = (await write(session, "tool", file_of(tmp_path, moved, TWO[1], other))).changed
    assert change.fields == {"set_value_parameter": ("heater/wanted", "heater/other")}
    gone = TWO[0].replace("heater/wanted", "")
    await write(session, "tool", file_of(tmp_path, gone, TWO[1], other))
    assert {d.set_value_parameter_id for d in (await load_definitions(session, "tool")).definitions} == {None}


async def test_a_live_set_value_is_left_alone(tmp_path: Path, session: Session, connection: asyncpg.Connection) -> None:
    """The file's is for a new parameter; what an operator set since then stays, and is no difference."""
    await write(session, "tool", file_of(tmp_path, *TWO))
    assert await connection.fetchval("SELECT set_value FROM component_parameters WHERE name = 'wanted'") == 25
    await connection.execute("UPDATE component_parameters SET set_value = 99 WHERE name = 'wanted'")
    assert (await write(session, "tool", file_of(tmp_path, *TWO))).is_empty
    await write(session, "tool", file_of(tmp_path, TWO[0], TWO[1].replace(",20,", ",22,")))
    assert await connection.fetchval("SELECT set_value FROM component_parameters WHERE name = 'wanted'") == 99


async def test_what_the_file_no_longer_has_is_taken_out_of_service(
    tmp_path: Path, session: Session, connection: asyncpg.Connection
) -> None:
    """Its row stays for its points; one that comes back gets its old id."""
    await write(session, "tool", file_of(tmp_path, *TWO))
    ids = {d.name: d.id for d in (await load_definitions(session, "tool")).definitions}
    comparison = await write(session, "tool", file_of(tmp_path, TWO[1]))
    assert names(comparison) == ([], [], ["temperature"])
    assert [d.name for d in (await load_definitions(session, "tool")).definitions] == ["wanted"]
    assert await connection.fetchval("SELECT count(*) FROM component_parameters") == 2
    assert (await compare(session, "tool", file_of(tmp_path, TWO[1]).definitions)).is_empty
    assert names(await write(session, "tool", file_of(tmp_path, *TWO))) == (["temperature"], [], [])
    assert {d.name: d.id for d in (await load_definitions(session, "tool")).definitions} == ids


async def test_machines_do_not_touch_each_other(tmp_path: Path, session: Session) -> None:
    """The same names on another machine are other parameters."""
    await write(session, "tool A", file_of(tmp_path, *TWO))
    assert names(await compare(session, "tool B", file_of(tmp_path, *TWO).definitions))[0] == ["temperature", "wanted"]
    await write(session, "tool B", file_of(tmp_path, TWO[1]))
    assert len((await load_definitions(session, "tool A")).definitions) == 2


async def test_an_import_that_fails_leaves_nothing_behind(
    tmp_path: Path, session: Session, connection: asyncpg.Connection
) -> None:
    """A value that the table refuses in the last row takes machine, component and the rows before it along."""
    file = file_of(tmp_path, *TWO)
    bad = definition("bad", 1, tolerance=-1.0)
    with pytest.raises(DatabaseError, match="upsert_parameter"):
        await write(session, "tool", DefinitionFile(path=file.path, definitions=(*file.definitions, bad), findings=()))
    for table in ("machines", "machine_components", "component_parameters"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_five_thousand_parameters_arrive_whole(session: Session, tmp_path: Path) -> None:
    """No limit cuts the load, and it takes less than a start waits for it."""
    lines = [f"c{n % 50},p{n},,holding_register,{n},uint16,,," for n in range(5000)]
    await write(session, "tool", file_of(tmp_path, *lines))
    async with asyncio.timeout(3):
        loaded = await load_definitions(session, "tool")
    assert {d.full_name for d in loaded.definitions} == {f"c{n % 50}/p{n}" for n in range(5000)}


def test_an_estimate_counts_what_is_configured() -> None:
    """Requests of one pass; rows and bytes of a day at each interval; a device's own limits."""
    definitions = [definition(f"p{n}", n) for n in range(10)]
    definitions += [definition(f"slow{n}", 100 + n, scan_interval_ms=1000) for n in range(5)]
    definitions += [definition("other", 0, device="b"), definition("none", None)]
    load = estimate(definitions, {"plc": PlanLimits(max_registers=5, max_register_gap=0)})
    assert {key: len(plan.blocks) for key, plan in load.plans.items()} == {
        ("b", 100): 1,
        ("plc", 100): 2,
        ("plc", 1000): 1,
    }
    assert load.requests_per_scan == 4
    assert load.rows_per_day == 11 * 864_000 + 5 * 86_400
