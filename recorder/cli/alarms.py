"""``ald-recorder alarms``: what is wrong now, and what somebody says to it."""

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import local_time, print_json, print_table
from recorder.control import ask
from recorder.errors import UsageError

alarms_app = typer.Typer(
    help="Alarms of the running recorder: list, acknowledge, shelve.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(alarms_app, name="alarms")
ByOption = Annotated[str, typer.Option(help="Who; by default the login name.")]
AlarmArgument = Annotated[str, typer.Argument(metavar="ALARM", help="Id of the alarm, as `alarms list` shows it.")]


@alarms_app.command("list")
def list_(
    config: ConfigOption = None,
    all: Annotated[bool, typer.Option("--all", help="Those that are normal too.")] = False,
    json: JsonOption = False,
) -> None:
    """List the alarms that are not normal, the most urgent first."""
    settings = read_config(config)
    answer = run_async(ask(settings.control_socket, "alarms", all=all))
    if json:
        print_json(answer)
        return
    if not answer["alarms"]:
        print(f"no alarm stands; {answer['counts']['normal']} are watched")
        return
    print_table(
        ("alarm", "state", "priority", "since"),
        [
            (f"{row['id']}\n{_what(row)}", _state(row), row["priority"], _moment(row["changed_us"]))
            for row in answer["alarms"]
        ],
        wraps=("alarm", "state"),
    )


@alarms_app.command()
def acknowledge(
    alarm: Annotated[str, typer.Argument(metavar="[ALARM]", help="Id of the alarm, as `alarms list` shows it.")] = "",
    all: Annotated[bool, typer.Option("--all", help="All that wait for it.")] = False,
    config: ConfigOption = None,
    by: ByOption = "",
    json: JsonOption = False,
) -> None:
    """Say that somebody knows of an alarm, or of all."""
    if bool(alarm) is all:
        raise UsageError("say which alarm is acknowledged, by its id or --all; see ald-recorder alarms list")
    settings = read_config(config)
    answer = run_async(
        ask(settings.control_socket, "acknowledge", id=None if all else alarm, by=by or getpass.getuser())
    )
    if json:
        print_json(answer)
        return
    for row in answer["alarms"]:
        print(f"{row['id']} is acknowledged, and {'still holds' if row['is_active'] else 'is over'}")
    if not answer["alarms"]:
        print("no alarm waits to be acknowledged")


@alarms_app.command()
def shelve(
    alarm: AlarmArgument,
    minutes: Annotated[float, typer.Option(help="For how long, at most a day.")],
    config: ConfigOption = None,
    by: ByOption = "",
    json: JsonOption = False,
) -> None:
    """Put an alarm aside for some minutes; it tells nothing meanwhile, and comes back by itself."""
    settings = read_config(config)
    row = run_async(ask(settings.control_socket, "shelve", id=alarm, minutes=minutes, by=by or getpass.getuser()))
    _print_one(row, f"is shelved until {_moment(row['shelved_until_us'])}", as_json=json)


@alarms_app.command()
def unshelve(alarm: AlarmArgument, config: ConfigOption = None, by: ByOption = "", json: JsonOption = False) -> None:
    """Take a shelved alarm back before its time."""
    settings = read_config(config)
    row = run_async(ask(settings.control_socket, "unshelve", id=alarm, by=by or getpass.getuser()))
    _print_one(row, f"is {row['state']}", as_json=json)


def _print_one(row: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(dict(row))
    else:
        print(f"{row['id']} {what}")


def _moment(microseconds: int | None) -> str:
    return "" if microseconds is None else local_time(datetime.fromtimestamp(microseconds / 1e6, UTC))


def _state(row: Mapping[str, Any]) -> str:
    if row["state"] == "shelved":
        return f"shelved by {row['by']} until {_moment(row['shelved_until_us'])[-8:]}"
    return f"acknowledged by {row['by']}" if row["by"] else str(row["state"])


def _what(row: Mapping[str, Any]) -> str:
    """What it means to the operator, and the value that raised it."""
    text: str = row["text"]
    return text if row["value"] is None else f"{text}: {row['value']:g} {row['unit']}".rstrip()
