"""``ald-recorder database``: the schema, and the embedded server of the demo."""

import signal
import sys
from typing import Annotated

import typer

from recorder.care.migration_script import migration_script
from recorder.care.rights import renew_rights
from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.demo_database import DemoOption, database_of, demo_server
from recorder.cli.output import print_json
from recorder.database.migration import migrate as migrate_schema
from recorder.database.migration import released_migrations
from recorder.database.migration import status as migration_status

database_app = typer.Typer(help="The schema in PostgreSQL.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(database_app, name="database")


@database_app.command()
def migrate(
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is to be done.")] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print what is to be done as SQL; without a DSN, for an empty database.")
    ] = False,
    concurrently: Annotated[
        bool,
        typer.Option(
            "--concurrently/--no-concurrently",
            help="With --sql: build indexes while others write, by psql; or plain SQL for any program.",
        ),
    ] = True,
    json: JsonOption = False,
) -> None:
    """Bring the schema up to date; harmless when it is."""
    settings = read_config(config)
    schema = settings.database.schema_name
    if sql:
        has_dsn = bool(settings.database.dsn.get_secret_value())
        pending = (
            run_async(migration_status(settings.require_server_dsn(), schema=schema)).pending
            if has_dsn
            else released_migrations()
        )
        print(migration_script(pending, schema=schema, concurrently=concurrently), end="")
        return
    dsn = settings.require_server_dsn()
    if dry_run:
        state = run_async(migration_status(dsn, schema=schema))
        if json:
            print_json({"applied": state.applied, "pending": state.pending})
        else:
            print("\n".join([f"applied  {name}" for name in state.applied] + [f"pending  {n}" for n in state.pending]))
        return
    applied = run_async(migrate_schema(dsn, schema=schema))
    if applied:
        run_async(renew_rights(dsn, schema=schema))
    if json:
        print_json({"applied": applied})
    else:
        print("\n".join(f"applied  {name}" for name in applied) or f"schema {schema} is up to date")


@database_app.command()
def url(config: ConfigOption = None, demo: DemoOption = False) -> None:
    """Print the URL of the database, for psql and other programs."""
    with database_of(config, demo=demo) as place:
        print(place.dsn)


@database_app.command()
def serve() -> None:
    """Keep the demo's database running until Ctrl-C, so that psql and other programs can look at it."""
    with demo_server() as server:
        print(server.url())
        print("Running until Ctrl-C; in another terminal: psql and this URL, then \\dt ald.*", file=sys.stderr)
        typer.get_text_stream("stdout").flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
