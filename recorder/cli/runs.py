"""``ald-recorder runs``: what was recorded, and runs by hand."""

import getpass
import json as json_format
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from recorder.audit.audit import Audit, Verdict, audit
from recorder.audit.audit import store as keep_audit
from recorder.audit.text import audit_page
from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.demo_database import DatabasePlace, DemoOption, database_of
from recorder.cli.output import clock_offset, duration, local_time, print_json, print_table
from recorder.control import ask
from recorder.database import Session
from recorder.errors import UsageError

_NEWEST: Final = "last"
_SHOWN_OFFSET_US: Final = 1000
"""An offset of clock and times of a run below it is drift that was being followed."""

runs_app = typer.Typer(help="Runs: what was recorded, start and stop.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(runs_app, name="runs")


def _checked(run: str) -> str:
    if run != _NEWEST and (not (run.isascii() and run.isdecimal()) or int(run) >= 1 << 63):
        raise typer.BadParameter(f"{run!r} is no run; give its id, as ald-recorder runs list shows it, or last")
    return run


RunArgument = Annotated[
    str, typer.Argument(help="Id of the run, or `last` for the newest of the machine.", callback=_checked)
]


@runs_app.command("list")
def list_(
    config: ConfigOption = None,
    all: Annotated[bool, typer.Option("--all", help="Idle times too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many a page, newest first.")] = 20,
    after: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="The next page: the run that the page before ended with.")
    ] = None,
    machine: Annotated[str | None, typer.Option(help="Only runs of this machine.")] = None,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """List runs, newest first, a page at a time."""
    query, of_machine = ("page_of_runs", ()) if machine is None else ("page_of_machine_runs", (machine,))

    async def fetch(place: DatabasePlace) -> list[Mapping[str, Any]]:
        async with place.session() as session:
            return await session.fetch(query, after, all, limit, *of_machine)

    with database_of(config, demo=demo) as place:
        rows = run_async(fetch(place))
    if json:
        print_json([dict(row) for row in rows])
        return
    if not rows:
        print("no runs are recorded yet" if after is None else f"no runs before {after}")
        return
    several_machines = len({run["machine"] for run in rows}) > 1
    labels = [name for name in ("operator", "lot") if any(run[name] for run in rows)]
    print_table(
        ("run", "recipe", "started", "duration", "status,\naudit", "cycles#", *labels),
        [
            (
                run["id"],
                _title(run, several_machines=several_machines),
                *(local_time(run["started_at"])[:-3], _took(run), _state(run)),
                *(run["cycles"] or "", *(run[name] for name in labels)),
            )
            for run in rows
        ],
        wraps=("recipe", "operator", "lot"),
    )
    if len(rows) == limit:
        print(f"older ones: add --after {rows[-1]['id']}")


def _took(run: Mapping[str, Any]) -> str:
    """How long, to the second: a line of 80 columns has room for no more."""
    return duration(run["started_at"], run["ended_at"]).partition(".")[0]


def _state(run: Mapping[str, Any]) -> str:
    """How a run ended and, on a line below, whether it balances; `runs show` and `runs audit` say why not."""
    verdict = run["audit_verdict"]
    if verdict is None:
        return str(run["status"])
    return f"{run['status']}\n{'balances' if verdict == Verdict.BALANCES else 'UNBALANCED'}"


def _title(run: Mapping[str, Any], *, several_machines: bool) -> str:
    """What was run; its kind where nothing else is known, and its machine where that is not plain."""
    title: str = run["recipe"] or run["kind"]
    return f"{run['machine']}: {title}" if several_machines else title


async def fetch_run(place: DatabasePlace, run: int, *, is_counted: bool) -> dict[str, Any]:
    """One run and its notes, as plain data; with a third round trip that counts its points, by quality.

    Raises:
        UsageError: there is no such run.
    """
    async with place.session() as session:
        row = await session.fetch_one("get_process_run", run)
        if row is None or row["run"] is None:
            raise UsageError(f"there is no run {run}; see ald-recorder runs list --all")
        found: dict[str, Any] = json_format.loads(row["run"])
        found["notes"] = [dict(note) for note in await session.fetch("run_notes", run)]
        if is_counted:
            found["quality"] = {row["quality"]: row["points"] for row in await session.fetch("run_qualities", run)}
            found["points"] = sum(found["quality"].values())
        return found


async def _fetch(place: DatabasePlace, run: str, *, is_counted: bool) -> dict[str, Any]:
    async with place.session() as session:
        number = await _number(session, place, run)
    return await fetch_run(place, number, is_counted=is_counted)


async def _number(session: Session, place: DatabasePlace, run: str) -> int:
    """The id that somebody typed, or that of the newest run.

    Raises:
        UsageError: nothing is recorded yet.
    """
    if run == _NEWEST:
        newest = await session.fetch_one("audit_newest_run", place.machine)
        if newest is None:
            raise UsageError(f"no run of {place.machine!r} is recorded yet; see ald-recorder runs list --all")
        number: int = newest["id"]
        return number
    return int(run)


@runs_app.command()
def show(
    run: RunArgument,
    config: ConfigOption = None,
    count: Annotated[
        bool, typer.Option("--count", help="Count the points that are stored, by quality: reads all of them.")
    ] = False,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """Show one run: what it was, what is accounted for, and how each slot ended."""
    with database_of(config, demo=demo) as place:
        found = run_async(_fetch(place, run, is_counted=count))
    if json:
        print_json(found)
        return
    print(f"run {found['id']} on {found['machine']}: {found['kind']} {found['recipe']}, {found['status']}")
    started_at, ended_at = _moment(found["started_at"]), _moment(found["ended_at"])
    assert started_at is not None
    print(
        f"  {local_time(started_at)}, {duration(started_at, ended_at)}"
        + ("" if found["time_scale"] == 1 else f", a simulation {found['time_scale']:g} times as fast as the tool")
    )
    for label in ("operator", "lot", "substrate", "note"):
        if found[label]:
            print(f"  {label}: {found[label]}")
    for note in found["notes"]:
        print(f"  note of {local_time(note['at'])} by {note['by']}: {note['text']}")
    if not found["clock_synchronised"]:
        print("  the controller's clock was not synchronised")
    if abs(found["clock_offset_us"]) >= _SHOWN_OFFSET_US:
        print(f"  the controller's clock was {clock_offset(found['clock_offset_us'])} this run's times")
    print(f"  {found['cycle_count']} cycles and {found['step_count']} steps, as sampled")
    print(f"  {found['rows']} points accounted for")
    if count:
        qualities = ", ".join(f"{points} {name}" for name, points in found["quality"].items())
        print(f"  {found['points']} points stored: {qualities}")
    print(f"  audit: {found['audit_verdict'] or 'not yet; see ald-recorder runs audit'}")
    print_table(
        ("device", "every ms#", "slots ended", "cause", "slots#", "rows#"),
        [
            (slot["device"], slot["interval_ms"], slot["outcome"], slot["cause"], slot["slots"], slot["rows"])
            for slot in found["slots"]
        ],
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@runs_app.command("audit")
def audit_(
    run: RunArgument,
    config: ConfigOption = None,
    store: Annotated[
        bool, typer.Option("--store", help="Keep the verdict with the run, as the recorder does.")
    ] = False,
    demo: DemoOption = False,
    json: JsonOption = False,
) -> None:
    """Set slots against rows of one run; exit status 1 where they do not balance.

    Needs the database alone, and changes nothing unless --store is given.
    """
    with database_of(config, demo=demo) as place:
        audited = run_async(_audit(place, run, is_kept=store))
    if json:
        print_json(audited.to_plain())
    else:
        print(audit_page(audited))
    if audited.verdict is Verdict.DOES_NOT_BALANCE:
        raise typer.Exit(1)


async def _audit(place: DatabasePlace, run: str, *, is_kept: bool) -> Audit:
    async with place.session() as session:
        audited = await audit(session, await _number(session, place, run))
        if is_kept:
            await keep_audit(session, audited)
        return audited


@runs_app.command()
def start(
    config: ConfigOption = None,
    recipe: Annotated[str, typer.Option(help="What is run.")] = "",
    operator: Annotated[str, typer.Option(help="Who runs it.")] = "",
    lot: Annotated[str, typer.Option(help="Of its substrates.")] = "",
    substrate: Annotated[str, typer.Option(help="What is coated.")] = "",
    note: Annotated[str, typer.Option()] = "",
    json: JsonOption = False,
) -> None:
    """Start a run by hand, through the running recorder."""
    settings = read_config(config)
    result = run_async(
        ask(
            settings.control_socket,
            "runs_start",
            recipe=recipe,
            operator=operator,
            lot=lot,
            substrate=substrate,
            note=note,
        )
    )
    _print_run(result, "started", as_json=json)


@runs_app.command()
def stop(config: ConfigOption = None, json: JsonOption = False) -> None:
    """End the recording of the present run, whatever the tool says."""
    settings = read_config(config)
    _print_run(run_async(ask(settings.control_socket, "runs_stop")), "stopped", as_json=json)


@runs_app.command()
def note(
    run: Annotated[str, typer.Argument(help="Id of the run, or `current` for what is recorded now.")],
    text: Annotated[str, typer.Argument(help="What there is to say.")],
    config: ConfigOption = None,
    by: Annotated[str, typer.Option(help="Who; by default the login name.")] = "",
    json: JsonOption = False,
) -> None:
    """Add a note to a run, through the running recorder, whether the database is there or not."""
    settings = read_config(config)
    if run != "current" and not (run.isascii() and run.isdecimal()):
        raise UsageError(f"{run!r} is no run; give its id, as ald-recorder runs list shows it, or current")
    process_id = None if run == "current" else int(run)
    who = by or getpass.getuser()
    result = run_async(ask(settings.control_socket, "runs_note", process_id=process_id, text=text, by=who))
    if json:
        print_json(result)
    else:
        print(f"run {result['run']} has a note by {result['by']}")


def _print_run(result: Mapping[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(dict(result))
    else:
        print(f"run {result['run']} {what}")
