"""``ald-recorder database roles``: who may do what in the schema."""

import re
from typing import Annotated, Final

import typer

from recorder.care.rights import OUTSIDERS, PREFIX, apply_roles
from recorder.cli.app import ConfigOption, JsonOption, read_config, run_async
from recorder.cli.database import database_app
from recorder.cli.output import print_json
from recorder.errors import UsageError

_PREFIX: Final = re.compile(r"[a-z_][a-z0-9_]{0,50}")


@database_app.command()
def roles(
    config: ConfigOption = None,
    sql: Annotated[bool, typer.Option("--sql", help="Print the statements and run none.")] = False,
    prefix: Annotated[
        str, typer.Option(help="Roles are of the whole server: PREFIX_owner, _writer and so on.")
    ] = PREFIX,
    deny: Annotated[
        list[str] | None, typer.Option(help="A role that loses what it has here. Repeat it for more.")
    ] = None,
    by_machine: Annotated[
        bool | None,
        typer.Option(
            "--by-machine/--all-machines",
            help="Let readers and operators see only the machines that machine_access gives them, or everything.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make the roles owner, writer, operator and reader, and give each what it needs; harmless to repeat."""
    if not _PREFIX.fullmatch(prefix):
        raise UsageError(f"--prefix {prefix!r}: use small letters, digits and _, beginning with a letter or _")
    settings = read_config(config)
    statements = run_async(
        apply_roles(
            settings.require_dsn(),
            schema=settings.database.schema_name,
            prefix=prefix,
            outsiders=deny or OUTSIDERS,
            by_machine=by_machine,
            dry_run=sql,
        )
    )
    if json:
        print_json({"run": not sql, "statements": statements})
    elif sql:
        print("\n".join(["BEGIN;", *(f"{statement};" for statement in statements), "COMMIT;"]))
    else:
        print(
            f"roles {prefix}_owner, {prefix}_writer, {prefix}_operator, {prefix}_reader: {len(statements)} statements"
        )
        print(f"make a login of one: CREATE ROLE name LOGIN PASSWORD '...' IN ROLE {prefix}_reader")
