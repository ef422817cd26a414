"""Four roles with the least that each needs, and row-level security by machine: docs/decisions/0010-rights.md."""

from collections.abc import Sequence
from typing import Final

from recorder.care.connection import care_connection
from recorder.database.dsn import describe_dsn
from recorder.errors import DatabaseError
from sql import load_query

PREFIX: Final = "recorder"
OUTSIDERS: Final = ("anon", "authenticated")
"""Roles under which managed services let everybody in; they are shut out beside PUBLIC where they exist."""
OPERATION: Final = "database roles"
_LOCK_WAIT: Final = "2s"
"""Whoever waits for a table holds up the writer behind it; the command can be run again."""


async def apply_roles(
    dsn: str,
    *,
    schema: str,
    prefix: str = PREFIX,
    outsiders: Sequence[str] = OUTSIDERS,
    by_machine: bool | None = None,
    dry_run: bool = False,
) -> list[str]:
    """Make the roles and give each what it needs; harmless to repeat. Returns the statements, in their order.

    Args:
        dsn: of a role that may create roles and owns the schema.
        schema: it must have been migrated.
        prefix: of the names of the roles, which belong to the whole server and not to one database.
        outsiders: roles that lose whatever they were given, where they exist.
        by_machine: switches row-level security on or off; None leaves it as it is.
        dry_run: run nothing.

    Raises:
        DatabaseError: no connection, no schema, or not the right to do it.
    """
    async with care_connection(dsn, schema, operation=OPERATION) as connection:
        state = await connection.fetchrow(load_query("schema_owner"), schema)
        if state is None:
            raise DatabaseError(
                f"{OPERATION}: {describe_dsn(dsn)} has no schema {schema}; run: ald-recorder database migrate"
            )
        if not (dry_run or (state["may_create_roles"] and state["may_act_as_owner"])):
            raise DatabaseError(
                f"{OPERATION}: {describe_dsn(dsn)}: role {state['role']} must have CREATEROLE and be in "
                f"{state['owner']}, who owns schema {schema}; or print the statements for who may: --sql"
            )
        async with connection.transaction():
            asked = [
                ("role_statements", (schema, prefix, list(outsiders), True)),
                ("grant_statements", (schema, prefix)),
            ]
            if by_machine is not None:
                asked.append(("row_security_statements", (schema, prefix, by_machine)))
            statements = [
                row["statement"]
                for name, arguments in asked
                for row in await connection.fetch(load_query(name), *arguments)
            ]
            if not dry_run:
                await connection.execute(load_query("set_lock_timeout"), _LOCK_WAIT)
                for statement in statements:
                    await connection.execute(statement)
        return statements


async def renew_rights(dsn: str, *, schema: str) -> str | None:
    """Extend the rights of the roles to what a migration made; returns their prefix, None where there are no roles.

    Raises:
        DatabaseError: no connection, or not the right to do it.
    """
    async with care_connection(dsn, schema, operation="renew rights") as connection, connection.transaction():
        prefix: str | None = await connection.fetchval(load_query("roles_prefix"), schema)
        if prefix is None:
            return None
        for name, arguments in (
            ("role_statements", (schema, prefix, list(OUTSIDERS), False)),
            ("grant_statements", (schema, prefix)),
        ):
            for row in await connection.fetch(load_query(name), *arguments):
                await connection.execute(row["statement"])
        return prefix
