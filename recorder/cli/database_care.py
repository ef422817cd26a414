"""``ald-recorder database roles|health|maintain``: who may do what, whether all is well, and upkeep."""

import re
from dataclasses import asdict
from typing import Annotated, Final

import typer

from recorder.care.health import check_health
from recorder.care.maintain import Done, Maintenance, Period
from recorder.care.rights import OUTSIDERS, PREFIX, apply_roles
from recorder.check.verdict import Report
from recorder.cli.app import ConfigOption, JsonOption, read_config, run_async
from recorder.cli.check_screen import CheckScreen
from recorder.cli.database import database_app
from recorder.cli.demo_database import DemoOption, database_of
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
            settings.require_server_dsn(),
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


@database_app.command()
def health(
    config: ConfigOption = None,
    brief: Annotated[bool, typer.Option("--brief", help="Print only what is not well.")] = False,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """Say how the database is: indexes, statements, connections, partitions, sizes, vacuum. Reads only."""
    screen = CheckScreen(is_brief=brief)
    report = Report() if json else Report(tell=screen.show)
    with database_of(config, demo=demo) as place:
        run_async(check_health(place.server_dsn, place.schema, report, pool_max=read_config(config).database.pool_max))
    if json:
        print_json(report.to_plain())
    else:
        screen.show_sum(report)
    if not report.is_well:
        raise typer.Exit(1)


@database_app.command()
def maintain(
    config: ConfigOption = None,
    daily: Annotated[
        bool, typer.Option("--daily", help="Partitions ahead, retention, statistics (the default).")
    ] = False,
    weekly: Annotated[bool, typer.Option("--weekly", help="VACUUM too.")] = False,
    monthly: Annotated[bool, typer.Option("--monthly", help="Bloated indexes too.")] = False,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """Do what a day, a week or a month needs, while others record; by hand or by a timer."""
    if daily + weekly + monthly > 1:
        raise UsageError(
            "database maintain: give one of --daily, --weekly and --monthly; each includes those before it"
        )
    period = Period.MONTHLY if monthly else Period.WEEKLY if weekly else Period.DAILY
    with database_of(config, demo=demo) as place:
        keep_days = 0 if demo else read_config(config).retention.days
        tell = _ignore if json else _print_done
        done = run_async(
            Maintenance(dsn=place.server_dsn, schema=place.schema, keep_days=keep_days, tell=tell).run(period)
        )
    if json:
        print_json({"period": period, "done": [asdict(item) for item in done]})
    if any(item.error for item in done):
        raise typer.Exit(1)


def _ignore(_done: Done) -> None:
    pass


def _print_done(done: Done) -> None:
    what = f"{done.what}: {done.said}" if done.said else done.what
    print(f"{'failed' if done.error else 'done':6}  {done.seconds:7.1f} s  {done.error or what}")
