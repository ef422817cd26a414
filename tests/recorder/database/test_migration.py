"""The migration runner: repeatable, safe for two, and clear when something does not fit."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from recorder.database.migration import MigrationError, MigrationStatus, migrate, status
from recorder.errors import ConfigurationError, DatabaseError, DatabaseUnreachableError
from sql import load_query
from tests.postgres import TestServer, with_database
from tests.sql.migration_folder import RELEASED, migrations_until
from tests.sql.sessions import session

NAMES = sorted(path.stem for path in RELEASED.glob("0*"))
HEADER = "-- A test\n-- depends: 0001_schema\n"


@pytest.fixture(params=["database_server", "postgres_15_server"])
def server(request: pytest.FixtureRequest) -> TestServer:
    """The main server, then the oldest supported one."""
    server = request.getfixturevalue(request.param)
    assert isinstance(server, TestServer)
    return server


@pytest.fixture
def url(server: TestServer) -> Iterator[str]:
    """The DSN of a fresh database with nothing in it."""
    with server.database(migrated=False) as url:
        yield url


def folder_with(folder: Path, name: str, content: str) -> Path:
    """The first released migration and one more."""
    part = migrations_until(folder, "0001")
    (part / name).write_text(content, encoding="utf-8")
    return part


async def error_of(url: str, **options: object) -> str:
    """The one line with which a migration fails."""
    with pytest.raises(DatabaseError) as caught:
        await migrate(url, **options)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line
    return line


async def test_an_empty_database_gets_every_migration_in_order(url: str) -> None:
    """All are pending before and applied after; looking changes nothing."""
    assert await status(url) == MigrationStatus(applied=(), pending=tuple(NAMES))
    assert await status(url) == MigrationStatus(applied=(), pending=tuple(NAMES))
    assert await migrate(url) == NAMES
    assert await status(url) == MigrationStatus(applied=tuple(NAMES), pending=())


async def test_a_second_migration_does_nothing(url: str) -> None:
    """Repeating is harmless: nothing is applied, made or dropped."""
    await migrate(url)
    objects = "SELECT oid, relname FROM pg_class WHERE relnamespace = 'ald'::regnamespace ORDER BY oid"
    async with session(url) as connection:
        before = await connection.fetch(objects)
        assert await migrate(url) == []
        assert await connection.fetch(objects) == before


async def test_everything_lives_in_the_schema(url: str) -> None:
    """Nothing is put into public, bookkeeping included, so that a managed service publishes nothing."""
    await migrate(url)
    async with session(url) as connection:
        schemas = await connection.fetch(
            "SELECT DISTINCT nspname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
        )
    assert [row[0] for row in schemas] == ["ald"]


async def test_two_migrations_in_one_program_take_turns(url: str) -> None:
    """Of several at once one applies all; the others find nothing to do, and none fails."""
    applied = await asyncio.gather(*(migrate(url) for _ in range(3)))
    assert sorted(applied, key=len) == [[], [], NAMES]


async def test_two_programs_that_migrate_at_once_take_turns(url: str) -> None:
    """The same between processes."""
    program = (
        "import asyncio, sys; from recorder.database.migration import migrate;"
        " print(*asyncio.run(migrate(sys.argv[1])))"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program, url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=RELEASED.parents[1],
        )
        for _ in range(2)
    ]
    said = [await process.communicate() for process in processes]
    assert [error for _, error in said] == [b"", b""]
    assert sorted(output.decode().split() for output, _ in said) == [[], NAMES]


async def test_who_holds_the_lock_is_named(url: str) -> None:
    """Past the deadline the error says which session migrates, and where."""
    async with session(url) as holder:
        await holder.execute("SET application_name TO 'another runner'")
        assert await holder.fetchval(load_query("try_migration_lock"), "ald")
        line = await error_of(url, lock_timeout_s=0.2)
        assert f"is being migrated by pid {holder.get_server_pid()} (another runner) on " in line
        assert await migrate(url, schema="other", lock_timeout_s=0.2) == NAMES


async def test_two_schemas_of_one_database_know_nothing_of_each_other(url: str) -> None:
    """Each has its tables, its functions and its bookkeeping; names need quoting."""
    assert await migrate(url, schema="ald") == NAMES
    assert await migrate(url, schema="Fab_2") == NAMES
    for schema, machine in (("ald", "one"), ("Fab_2", "two")):
        async with session(url, schema) as connection:
            await connection.execute("INSERT INTO machines (name) VALUES ($1)", machine)
            assert await connection.fetchval("SELECT ensure_day_partition('2024-05-01')")
            await connection.execute("SELECT claim_recorder(1::int2, $1, 'h')", machine)
    for schema, machine in (("ald", "one"), ("Fab_2", "two")):
        async with session(url, schema) as connection:
            assert await connection.fetchval("SELECT name FROM machines") == machine
            assert await connection.fetchval("SELECT machine FROM recorders") == machine


@pytest.mark.parametrize("schema", ["", "1ald", "ald; DROP SCHEMA public", 'a"b', "pg_ald", "a" * 64, "ald\n"])
async def test_a_name_that_cannot_be_a_schema_is_refused(schema: str) -> None:
    """Before anything is connected to."""
    assert "cannot be the name of the schema" in await error_of("postgresql://nobody@nowhere/none", schema=schema)


async def test_a_file_changed_after_it_was_applied_is_refused(url: str, tmp_path: Path) -> None:
    """The error names the file and what to do; what is applied is left alone."""
    folder = migrations_until(tmp_path, "0002")
    await migrate(url, folder=folder)
    path = folder / "0002_functions.sql"
    path.write_text(path.read_text(encoding="utf-8") + "-- changed\n", encoding="utf-8")
    assert "migration 0002_functions was changed after it was applied" in await error_of(url, folder=folder)
    with pytest.raises(MigrationError, match="was changed"):
        await status(url, folder=folder)


async def test_a_database_of_a_newer_release_is_refused(url: str, tmp_path: Path) -> None:
    """An older program names what it does not know, rather than write into it."""
    await migrate(
        url, folder=folder_with(tmp_path, "0009_newer.sql", f"{HEADER}-- migrate: apply\n-- migrate: rollback")
    )
    line = await error_of(url)
    assert "was migrated by a newer release (0009_newer is unknown here); install that release" in line


async def test_a_migration_that_fails_leaves_nothing_of_itself(url: str, tmp_path: Path) -> None:
    """A transactional file and its bookkeeping stand or fall together."""
    content = "-- migrate: apply\nCREATE TABLE half (id int);\nSELECT 1 / 0;\n-- migrate: rollback"
    folder = folder_with(tmp_path, "0002_half.sql", HEADER + content)
    assert "division by zero" in await error_of(url, folder=folder)
    assert (await status(url, folder=folder)).applied == ("0001_schema",)
    async with session(url) as connection:
        assert await connection.fetchval("SELECT to_regclass('half')") is None


@pytest.mark.parametrize("content", ["SELECT 1;", "-- depends:\n-- migrate: apply\n", "-- m\n-- depends: none_such\n"])
async def test_a_folder_that_cannot_be_read_is_refused(url: str, tmp_path: Path, content: str) -> None:
    """A damaged file of the installation names itself."""
    assert "0002_bad" in await error_of(url, folder=folder_with(tmp_path, "0002_bad.sql", content))


async def test_a_table_that_is_held_too_long_is_named(url: str, tmp_path: Path) -> None:
    """A migration gives way to others' locks, tries again, and past the deadline says what to do."""
    content = "-- migrate: apply\nALTER TABLE machines ADD note text;\n-- migrate: rollback"
    folder = folder_with(tmp_path, "0002_note.sql", HEADER + content)
    part = tmp_path / "first"
    part.mkdir()
    await migrate(url, folder=migrations_until(part, "0001"))
    async with session(url) as holder:
        await holder.execute("BEGIN")
        await holder.execute("SELECT * FROM machines")
        line = await error_of(url, folder=folder, lock_timeout_s=0.1)
        assert "migration 0002_note" in line
        assert "end the transaction that holds the table" in line
        waiting = asyncio.create_task(migrate(url, folder=folder))
        async with session(url) as watcher:
            while not await watcher.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"):
                assert not waiting.done()
        await holder.execute("COMMIT")
        assert await waiting == ["0002_note"]


@asynccontextmanager
async def role(server: TestServer, url: str) -> AsyncIterator[tuple[str, str]]:
    """A role with no rights but to connect, and its DSN; gone with all it owns afterwards."""
    name, password = f"ald_test_{secrets.token_hex(4)}", secrets.token_hex(8)
    async with session(url, "public") as owner:
        try:
            await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        except asyncpg.InsufficientPrivilegeError:
            pytest.skip("the tests' own role may not create roles on this server")
        try:
            parts = urlsplit(url)
            place = parts.netloc.rpartition("@")[2]
            yield name, urlunsplit(parts._replace(netloc=f"{name}:{password}@{place}"))
        finally:
            await owner.execute(f"DROP OWNED BY {name} CASCADE")
            await owner.execute(f"DROP ROLE {name}")


async def test_a_role_without_rights_on_public_may_migrate_into_its_own_schema(server: TestServer, url: str) -> None:
    """The right to make a schema is enough; so is a schema that somebody made for the role."""
    async with session(url, "public") as owner, role(server, url) as (name, its_url):
        await owner.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        refused = await error_of(its_url)
        assert "permission denied for database" in refused
        assert "grant" in refused
        await owner.execute(f"CREATE SCHEMA given AUTHORIZATION {name}")
        assert await migrate(its_url, schema="given") == NAMES
        database = await owner.fetchval("SELECT current_database()")
        await owner.execute(f'GRANT CREATE ON DATABASE "{database}" TO {name}')
        assert await migrate(its_url) == NAMES


async def test_a_role_that_may_not_use_the_schema_is_told_what_to_grant(server: TestServer, url: str) -> None:
    """PostgreSQL itself would say that no table exists, or that no schema was selected."""
    await migrate(url)
    async with session(url) as owner, role(server, url) as (name, its_url):
        with pytest.raises(DatabaseError, match=f"GRANT USAGE ON SCHEMA ald TO {name}"):
            await status(its_url)
        assert f"GRANT USAGE, CREATE ON SCHEMA ald TO {name}" in await error_of(its_url)
        await owner.execute(f"GRANT USAGE, CREATE ON SCHEMA ald TO {name}")
        assert "permission denied for table schema_migrations" in await error_of(its_url)


async def test_a_database_that_does_not_exist_is_named(server: TestServer) -> None:
    """The line says which database and how to make it."""
    line = await error_of(with_database(server.dsn, "ald_test_none_such"))
    assert "ald_test_none_such" in line
    assert "does not exist" in line


async def test_a_server_that_is_not_there_is_named(unused_tcp_port: int) -> None:
    """Host, port and database are said; the password is not."""
    with pytest.raises(DatabaseUnreachableError) as caught:
        await migrate(f"postgresql://someone:secret@127.0.0.1:{unused_tcp_port}/fab")
    line = str(caught.value)
    assert f"database fab at 127.0.0.1:{unused_tcp_port}" in line
    assert "secret" not in line
    assert "\n" not in line


async def test_a_dsn_that_is_none_is_refused() -> None:
    """A wrong setting is a wrong setting, and no unreachable server."""
    with pytest.raises(ConfigurationError):
        await migrate("not a dsn")
