"""What is read: loaded whole or not at all, and kept for a start without the database."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from recorder.database import Session, connect_once
from recorder.definitions.definitions import DefinitionSet, load_definitions, load_last_good, save_last_good
from recorder.errors import DefinitionsError
from tests.recorder.definition_sets import definition

SET = DefinitionSet(
    machine="tool",
    definitions=(
        definition("a", 1, id=1, sentinels=(1.0, 2.5), unit="°C"),
        definition("b", None, id=2),
        definition("c", 70_000, id=3),
    ),
)


class ShortSession(Session):
    """A session whose answers lose their last row on the way."""

    async def fetch(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        return (await super().fetch(query, *arguments))[:-1]


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A machine with three parameters, one of them inactive, one in a component that is not activated."""
    connection = await connect_once(database_url, schema="ald")
    await connection.execute(
        """
        INSERT INTO machines (name) VALUES ('tool'), ('other');
        INSERT INTO machine_components (machine_id, name, is_activated) VALUES (1, 'on', true), (1, 'off', false);
        INSERT INTO component_parameters (component_id, name, register_kind, address, data_type, is_active)
        VALUES (1, 'a', 'coil', 1, 'binary', true), (1, 'b', NULL, NULL, NULL, true), (1, 'c', NULL, NULL, NULL, false),
               (2, 'd', 'coil', 2, 'binary', true);
        """
    )
    yield connection
    await connection.close()


async def test_active_parameters_of_activated_components_are_loaded(
    connection: asyncpg.Connection, database_url: str
) -> None:
    """What is not configured is among them: it is listed, not read."""
    loaded = await load_definitions(Session(connection, database_url), "tool")
    assert [d.full_name for d in loaded.definitions] == ["on/a", "on/b"]
    assert [d.full_name for d in loaded.readable] == ["on/a"]
    assert loaded.machine == "tool"


@pytest.mark.parametrize("machine", ["other", "nobody"])
async def test_a_machine_without_definitions_says_what_to_do(
    connection: asyncpg.Connection, database_url: str, machine: str
) -> None:
    """Import them."""
    with pytest.raises(DefinitionsError, match=f"machine '{machine}' has no definitions; import them: ald-recorder"):
        await load_definitions(Session(connection, database_url), machine)


async def test_a_load_that_is_not_complete_is_refused(connection: asyncpg.Connection, database_url: str) -> None:
    """A recorder that reads a part of the tool would look healthy."""
    with pytest.raises(DefinitionsError, match="1 of 2 definitions arrived"):
        await load_definitions(ShortSession(connection, database_url), "tool")


async def test_a_row_that_cannot_be_is_named(connection: asyncpg.Connection, database_url: str) -> None:
    """A newer release may know more kinds than this one."""
    await connection.execute("ALTER TABLE component_parameters DROP CONSTRAINT component_parameters_data_type_check")
    await connection.execute("UPDATE component_parameters SET data_type = 'quad' WHERE name = 'a'")
    with pytest.raises(DefinitionsError, match="data_type"):
        await load_definitions(Session(connection, database_url), "tool")


def test_a_set_knows_what_can_be_read() -> None:
    """No address, and an address that cannot be, are not configured."""
    assert [d.name for d in SET.readable] == ["a"]
    assert SET.find("chamber/b") == SET.definitions[1]
    assert SET.find("chamber/x") is None


def test_the_version_is_of_what_decides_the_record() -> None:
    """A live set-value is no part of it; an address is."""

    def changed(**fields: Any) -> str:
        first = SET.definitions[0].model_copy(update=fields)
        return SET.model_copy(update={"definitions": (first, *SET.definitions[1:])}).version

    assert changed(set_value=99.0) == SET.version
    assert changed(address=2) != SET.version
    assert changed(unit="K") != SET.version


def test_the_last_good_copy_comes_back_as_it_was(tmp_path: Path) -> None:
    """Written whole in place of the one before, in a folder that is made."""
    path = tmp_path / "var" / "definitions.json"
    save_last_good(SET.model_copy(update={"definitions": ()}), path)
    save_last_good(SET, path)
    assert load_last_good(path, "tool") == SET
    assert load_last_good(path, "tool").version == SET.version  # type: ignore[union-attr]
    assert [kept.name for kept in path.parent.iterdir()] == ["definitions.json"]


def test_a_copy_of_another_machine_is_not_used(tmp_path: Path) -> None:
    """A controller that was moved must not record one tool by the map of another."""
    save_last_good(SET, tmp_path / "d.json")
    assert load_last_good(tmp_path / "d.json", "another tool") is None


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe", b"[]", b'{"machine": "tool"}', b'{"machine": 1}'])
def test_a_damaged_copy_is_none(tmp_path: Path, content: bytes | None) -> None:
    """Cut off, of something else, or not there."""
    path = tmp_path / "d.json"
    if content is not None:
        path.write_bytes(content)
    assert load_last_good(path, "tool") is None


def test_a_disk_that_refuses_the_copy_stops_nothing(tmp_path: Path) -> None:
    """This start has its definitions."""
    (tmp_path / "file").touch()
    save_last_good(SET, tmp_path / "file" / "d.json")
    (tmp_path / "d.new").mkdir()
    save_last_good(SET, tmp_path / "d.json")
    assert load_last_good(tmp_path / "d.json", "tool") is None
