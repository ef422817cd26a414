"""Brings a database to the schema of this release, while others record.

Files are read by pogo-migrate; the bookkeeping is our own, in the migrated schema itself:
see docs/decisions/0003-migrations.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pogo_core.error import BadMigrationError
from pogo_core.migration import Migration, topological_sort

from recorder.database import FOREIGN_ERRORS, connect_once, translate
from recorder.database.dsn import describe_dsn
from recorder.errors import DatabaseError
from sql import load_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import asyncpg

OLDEST_SERVER: Final = 15
"""Major version of the oldest PostgreSQL that is tested."""

_SCHEMA_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_POLL_S: Final = 0.05
_LOCK_WAIT: Final = "500ms"
"""Whoever waits for a table lock holds up all who come later, so a migration gives way and tries again.

Less than PostgreSQL's deadlock_timeout of 1 s, so that a deadlock ends the migration's attempt and not a writer's.
"""

_TRY_AGAIN: Final = {"55P03", "40P01"}
"""SQLSTATEs lock_not_available and deadlock_detected: PostgreSQL 18 documentation, appendix A."""


class MigrationError(DatabaseError):
    """The schema cannot be brought to this release; one line says what, where and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrationStatus:
    """Migrations of this release, in the order in which they are applied."""

    applied: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    migration: Migration
    content: str

    @property
    def name(self) -> str:
        return str(self.migration.id)

    @property
    def content_hash(self) -> str:
        return content_hash(self.content)


def content_hash(content: str) -> str:
    """What the bookkeeping keeps of a migration, to notice one that was changed."""
    return hashlib.sha256(content.encode()).hexdigest()


def released_migrations(folder: Path | None = None) -> tuple[str, ...]:
    """Names of the migrations of this release, in the order in which they are applied.

    Raises:
        MigrationError: a file cannot be read.
    """
    return tuple(_read_files(folder))


async def migrate(
    dsn: str, *, schema: str = "ald", lock_timeout_s: float = 60, folder: Path | None = None
) -> list[str]:
    """Apply what is pending and return the names applied; harmless to repeat, safe when two do it at once.

    Args:
        dsn: of the database itself, not of a pooler in transaction mode: the lock belongs to the session.
        schema: made where it is missing; everything lives in it.
        lock_timeout_s: how long to wait for another migration, and for locks on tables, before giving up.
        folder: the migrations, where not those of this release.

    Raises:
        ConfigurationError: the DSN cannot be parsed.
        DatabaseError: no connection, no right, or a statement was refused.
        MigrationError: the database and this release do not fit, or another migration holds the lock.
    """
    files = _read_files(folder)
    async with _connection(dsn, schema) as connection:
        where = f"schema {schema} of {describe_dsn(dsn)}"
        deadline = asyncio.get_running_loop().time() + lock_timeout_s
        await _take_lock(connection, schema=schema, where=where, deadline=deadline)
        await _ensure_bookkeeping(connection, schema, where)
        status = _compare(files, await _applied(connection), where)
        for name in status.pending:
            await _apply(connection, files[name], where=where, deadline=deadline)
        return list(status.pending)


async def status(dsn: str, schema: str = "ald", *, folder: Path | None = None) -> MigrationStatus:
    """Compare a database with this release; changes nothing.

    Raises:
        ConfigurationError: the DSN cannot be parsed.
        DatabaseError: no connection or no right.
        MigrationError: the database and this release do not fit.
    """
    files = _read_files(folder)
    async with _connection(dsn, schema) as connection:
        where = f"schema {schema} of {describe_dsn(dsn)}"
        state = await _schema_state(connection, schema)
        if state["is_there"] and not state["may_use"]:
            raise MigrationError(
                f"{where}: role {state['role']} may not look into it; "
                f"GRANT USAGE ON SCHEMA {schema} TO {state['role']}, or use another role"
            )
        return _compare(files, await _applied(connection) if state["has_bookkeeping"] else {}, where)


@asynccontextmanager
async def _connection(dsn: str, schema: str) -> AsyncIterator[asyncpg.Connection]:
    if not _SCHEMA_NAME.fullmatch(schema) or schema.lower().startswith("pg_"):
        raise MigrationError(
            f"{schema!r} cannot be the name of the schema; use letters, digits and _, at most 63, and not pg_..."
        )
    connection = await connect_once(dsn, application_name="ald-recorder migrate")
    try:
        version = await connection.fetchval(load_query("server_version"))
        if version // 10_000 < OLDEST_SERVER:
            raise MigrationError(
                f"{describe_dsn(dsn)} is PostgreSQL {version // 10_000}; use PostgreSQL {OLDEST_SERVER} or later"
            )
        await connection.execute(load_query("prepare_migration_session"), schema, _LOCK_WAIT)
        await connection.execute(load_query("become_owner_of_schema"), schema)
        yield connection
    except FOREIGN_ERRORS as error:
        raise _one_line(translate(error, operation=f"migrate schema {schema}", dsn=dsn)) from error
    finally:
        # the lock ends with the session
        await _close(connection)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=5)
    except FOREIGN_ERRORS:
        connection.terminate()


async def _take_lock(connection: asyncpg.Connection, *, schema: str, where: str, deadline: float) -> None:
    """Poll for the lock: whoever waits inside pg_advisory_lock deadlocks with CREATE INDEX CONCURRENTLY."""
    clock = asyncio.get_running_loop()
    while not await connection.fetchval(load_query("try_migration_lock"), schema):
        if clock.time() >= deadline:
            holder = await connection.fetchrow(load_query("migration_lock_holder"), schema)
            who = "a session that has just ended"
            if holder is not None:
                who = f"pid {holder['pid']} ({holder['application_name'] or 'unnamed'}) on {holder['host']}"
            raise MigrationError(f"{where} is being migrated by {who}; wait for it, or end it, and run again")
        await asyncio.sleep(_POLL_S)


async def _ensure_bookkeeping(connection: asyncpg.Connection, schema: str, where: str) -> None:
    if not (await _schema_state(connection, schema))["is_there"]:
        await connection.execute(await connection.fetchval(load_query("create_schema_statement"), schema))
    state = await _schema_state(connection, schema)
    # said here, since PostgreSQL passes over a schema in search_path that the role may not use
    if not (state["may_use"] and state["may_create"]):
        raise MigrationError(
            f"{where}: role {state['role']} may not create in it; "
            f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {state['role']}, or use the role that owns it"
        )
    if not state["has_bookkeeping"]:
        await connection.execute(load_query("create_schema_migrations"))


async def _schema_state(connection: asyncpg.Connection, schema: str) -> Mapping[str, Any]:
    [state] = await connection.fetch(load_query("schema_state"), schema)
    return dict(state)


async def _applied(connection: asyncpg.Connection) -> dict[str, str]:
    return {row["name"]: row["content_hash"] for row in await connection.fetch(load_query("applied_migrations"))}


def _read_files(folder: Path | None) -> dict[str, _File]:
    """Read the migrations in the order of their dependencies."""
    folder = folder or Path(str(resources.files("sql"))) / "migrations"
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".sql", ".py"})
    try:
        ordered = topological_sort([migration.load() for migration in [Migration(p.stem, p, None) for p in paths]])
    except BadMigrationError as error:
        raise MigrationError(f"{folder}: {error}; install the program anew") from error
    contents = {path.stem: path.read_text(encoding="utf-8") for path in paths}
    return {str(migration.id): _File(migration=migration, content=contents[migration.id]) for migration in ordered}


def _compare(files: Mapping[str, _File], applied: Mapping[str, str], where: str) -> MigrationStatus:
    if unknown := sorted(applied.keys() - files.keys()):
        raise MigrationError(
            f"{where} was migrated by a newer release ({', '.join(unknown)} is unknown here); install that release"
        )
    for name, applied_hash in applied.items():
        if files[name].content_hash != applied_hash:
            raise MigrationError(
                f"migration {name} was changed after it was applied to {where}; "
                "put the released file back and make the change in a new migration"
            )
    return MigrationStatus(
        applied=tuple(name for name in files if name in applied),
        pending=tuple(name for name in files if name not in applied),
    )


async def _apply(connection: asyncpg.Connection, file: _File, *, where: str, deadline: float) -> None:
    """Apply one file and keep that it was; gives way to others' locks until the deadline."""
    clock = asyncio.get_running_loop()
    while True:
        try:
            if file.migration.use_transaction:
                async with connection.transaction():
                    await file.migration.apply(connection)
                    await connection.execute(load_query("record_migration"), file.name, file.content_hash)
            else:
                # a concurrent build waits for older transactions, and holds up neither reads nor writes meanwhile
                patience = f"{max(1, round((deadline - clock.time()) * 1000))}ms"
                await connection.execute(load_query("set_lock_timeout"), patience)
                for drop in await connection.fetch(load_query("invalid_index_drops"), file.content):
                    await connection.execute(drop[0])
                await file.migration.apply(connection)
                await connection.execute(load_query("set_lock_timeout"), _LOCK_WAIT)
                await connection.execute(load_query("record_migration"), file.name, file.content_hash)
        except FOREIGN_ERRORS as error:
            state = getattr(error, "sqlstate", None)
            if state in _TRY_AGAIN and clock.time() < deadline:
                await asyncio.sleep(_POLL_S)
                continue
            if state in _TRY_AGAIN:
                raise MigrationError(
                    f"migration {file.name} of {where}: {_flat(error)}; end the transaction that holds the table "
                    "(see pg_stat_activity) and run again"
                ) from error
            raise
        else:
            return


def _one_line(error: DatabaseError) -> DatabaseError:
    return type(error)(_flat(error))


def _flat(error: BaseException) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines())
