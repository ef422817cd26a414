"""``ald-recorder demo``: a whole run of a simulated tool, from Modbus into PostgreSQL, with nothing installed."""

import asyncio
import json as json_format
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hal.modbus import ModbusTcpSettings, connect
from hal.parameter import RegisterKind
from recorder.cli.app import JsonOption, app, run_async
from recorder.cli.children import Deadline, check_alive, child, end, first_answer
from recorder.cli.demo_database import DEMO_MACHINE, DEMO_SCHEMA, DatabasePlace, demo_directory, demo_server
from recorder.cli.demo_screen import is_on_terminal, watch
from recorder.cli.output import print_json
from recorder.cli.plot import plot
from recorder.cli.runs import fetch_run
from recorder.control import ask
from recorder.database import single_session
from recorder.database.migration import migrate
from recorder.definitions.definitions import DefinitionSet, load_definitions
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.errors import DaemonAwayError

START: Final = "Process/start"
PRESSURE: Final = "Process/chamber_pressure"
ROLES: Final = {
    "run_state": "Process/run_state",
    "run_counter": "Process/run_counter",
    "recipe": "Process/recipe_name",
    "step": "Process/step_number",
    "cycle": "Process/cycle_number",
    "cycles_total": "Process/cycles_set",
}
ABORTED: Final = 3
"""Value of run_state; see the register map of the simulated tool."""
_POLL_S: Final = 0.1
_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tool:
    """The simulated tool as it announced itself."""

    host: str
    port: int
    unit: int
    cycles: int
    run_duration_s: float
    map_path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class _Recorder:
    """The recorder's process."""

    process: subprocess.Popen[str]
    log: Path
    socket: Path


@app.command()
def demo(
    speed: Annotated[float, typer.Option(min=0.5, max=100, help="How many times faster than the tool.")] = 10.0,
    cycles: Annotated[int, typer.Option(min=1, max=10_000, help="Cycles of the recipe.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the simulated tool's noise.")] = 0,
    console: Annotated[bool, typer.Option(help="Show the console meanwhile, where there is a terminal.")] = True,
    json: JsonOption = False,
) -> None:
    """Record a run of a simulated tool.

    Needs nothing installed: it starts a simulated tool and a PostgreSQL of its own, records a complete run, shows what
    was stored, and leaves nothing running. On a terminal the console shows the run; q leaves it.
    """
    on_screen = console and not json and is_on_terminal()
    folder = demo_directory("demo-recorder")
    folder.mkdir(parents=True, exist_ok=True)
    told = Console(stderr=True, quiet=json, highlight=False)
    with ExitStack() as stack:
        told.print("starting PostgreSQL …")
        server = stack.enter_context(demo_server())
        place = DatabasePlace(dsn=server.url(), schema=DEMO_SCHEMA, machine=DEMO_MACHINE)
        run_async(migrate(place.dsn, schema=place.schema))
        run_async(_make_statement_statistics(place))
        simulator_log = folder / "simulator.log"
        simulator = stack.enter_context(
            child(
                *("simulate", "--json", "--port", "0", "--speed", str(speed)),
                *("--seed", str(seed), "--cycles", str(cycles)),
                log=simulator_log,
                name="simulator",
                answers=True,
            )
        )
        announced = first_answer(simulator, simulator_log, "simulator")
        tool = _Tool(
            host=announced["host"],
            port=announced["port"],
            unit=announced["unit"],
            cycles=announced["cycles"],
            run_duration_s=announced["run_duration_s"],
            map_path=Path(announced["map_path"]),
        )
        definitions = run_async(_import(place, tool.map_path))
        config = _write_config(folder, place, tool, speed=speed)
        daemon_log = folder / "recorder.log"
        daemon = stack.enter_context(child("run", "--config", str(config), log=daemon_log, name="recorder"))
        recorder = _Recorder(process=daemon, log=daemon_log, socket=folder / "control.sock")
        told.print("starting the recorder …")
        run_async(_until_ready(recorder))
        progress = _progress(told)
        patience_s = _PATIENCE_S + 2 * tool.run_duration_s / speed
        recording = _record(recorder, tool, definitions, place, progress, patience_s=patience_s)
        if on_screen:
            # not uvloop: textual is tested on asyncio's own
            picture = asyncio.run(watch(recorder.socket, recording, progress))
        else:
            with progress:
                picture = run_async(recording)
        end(daemon, "recorder")
        summary = run_async(_summarise(place, picture, definitions))
    if json:
        print_json({key: value for key, value in summary.items() if key != "pressure"})
    else:
        _print(summary, speed)


async def _import(place: DatabasePlace, map_path: Path) -> DefinitionSet:
    async with place.session() as session:
        await write(session, place.machine, read_definition_file(map_path))
        return await load_definitions(session, place.machine)


def _write_config(folder: Path, place: DatabasePlace, tool: _Tool, *, speed: float) -> Path:
    """The configuration of the demo's recorder, as a user would write it."""
    quoted = json_format.dumps  # a JSON string is a TOML string
    sections: Mapping[str, Mapping[str, object]] = {
        "recorder": {"machine": place.machine, "data_directory": str(folder), "time_scale": speed},
        "database": {"dsn": place.dsn, "schema": place.schema},
        "devices.plc": {"host": tool.host, "port": tool.port, "unit": tool.unit},
        "process": {**ROLES, "aborted_values": [ABORTED]},
        "clock": {"wait_s": 0},
    }
    lines = []
    for section, fields in sections.items():
        lines += [f"[{section}]", *(f"{name} = {quoted(value)}" for name, value in fields.items()), ""]
    path = folder / "config.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def _progress(console: Console) -> Progress:
    columns = (TextColumn("recording"), BarColumn(), MofNCompleteColumn(), TextColumn("cycles"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


async def _until_ready(recorder: _Recorder) -> None:
    """Wait until the recorder is ready for a run."""
    deadline = Deadline(_PATIENCE_S)
    # idle: the run of a demo that was killed is ended by now, and cannot be taken for the one that is started
    while not _is_ready(await _picture(recorder.socket)):
        check_alive(recorder.process, recorder.log, "recorder")
        deadline.check("the recorder")
        await asyncio.sleep(_POLL_S)


async def _record(
    recorder: _Recorder,
    tool: _Tool,
    definitions: DefinitionSet,
    place: DatabasePlace,
    progress: Progress,
    *,
    patience_s: float,
) -> dict[str, Any]:
    """Press start, follow the run to its end, and return the daemon's last picture, its run id added."""
    # here and not earlier: a console takes a while to open, and a short run at high speed would be over by then
    await _press_start(tool, definitions)
    deadline = Deadline(patience_s)
    bar = progress.add_task("cycles", total=tool.cycles)
    run = 0
    while True:
        check_alive(recorder.process, recorder.log, "recorder")
        deadline.check("the end of the run")
        picture = await _picture(recorder.socket)
        process = picture["process"]
        if process is not None and process["kind"] == "recipe":
            run = process["process_id"]
            progress.update(bar, completed=process["cycle"] or 0)
        elif run and await _is_audited(place, run):
            return {**picture, "run": run}
        await asyncio.sleep(_POLL_S)


def _is_ready(picture: Mapping[str, Any]) -> bool:
    process = picture["process"]
    return picture.get("writer", {}).get("state") == "writing" and process is not None and process["kind"] == "idle"


async def _picture(socket: Path) -> dict[str, Any]:
    try:
        picture: dict[str, Any] = await ask(socket, "status")
    except DaemonAwayError:
        return {"writer": {"state": "starting"}, "process": None}
    return picture


async def _press_start(tool: _Tool, definitions: DefinitionSet) -> None:
    start = definitions.find(START)
    assert start is not None
    assert start.address is not None
    settings = ModbusTcpSettings(device="simulated tool", host=tool.host, port=tool.port, unit=tool.unit)
    link = await connect(settings)
    try:
        await link.write(RegisterKind.COIL, start.address, [1])
    finally:
        await link.close()


async def _make_statement_statistics(place: DatabasePlace) -> None:
    """Let `database health --demo` know the statements; they belong to the server and not to the schema."""
    async with single_session(place.dsn, "public") as session:
        await session.execute("create_statement_statistics")


async def _is_audited(place: DatabasePlace, run: int) -> bool:
    """Whether the run is committed whole, and the recorder has looked whether it balances."""
    async with place.session() as session:
        row = await session.fetch_one("get_process_run", run)
    return row is not None and row["run"] is not None and json_format.loads(row["run"])["audited_at"] is not None


async def _summarise(place: DatabasePlace, picture: Mapping[str, Any], definitions: DefinitionSet) -> dict[str, Any]:
    """What is in the database of this run, and how fast it came there."""
    run: int = picture["run"]
    found = await fetch_run(place, run, is_counted=True)
    started_at = datetime.fromisoformat(found["started_at"])
    slots = dict.fromkeys(("completed", "late", "failed", "skipped", "shed"), 0)
    for counted in found["slots"]:
        slots[counted["outcome"]] += counted["slots"]
    pressure = definitions.find(PRESSURE)
    assert pressure is not None
    async with place.session() as session:
        trace = await session.fetch("run_trace", run, pressure.id)
    latency = {name: picture["latency_ms"][name] for name in ("read", "spool", "commit", "sample_to_commit")}
    return {
        "run": run,
        "machine": found["machine"],
        "recipe": found["recipe"],
        "status": found["status"],
        "cycles": found["cycle_count"],
        "time_scale": found["time_scale"],
        "points_stored": found["points"],
        "scans": {"scheduled": sum(slots.values()), **slots},
        "requests_per_scan": picture["requests_per_scan"],
        "lost": found["rows"] - found["points"] + picture["lost"],
        "audit": found["audit_verdict"],
        "latency_ms": latency,
        "event_loop_lag_ms": picture["event_loop_lag_ms"],
        "database_url": place.dsn,
        "pressure": {
            "unit": pressure.unit,
            "times_s": [(row["timestamp"] - started_at).total_seconds() for row in trace],
            "values": [float("nan") if row["value"] is None else row["value"] for row in trace],
        },
    }


def _print(summary: Mapping[str, Any], speed: float) -> None:
    scans, latency = summary["scans"], summary["latency_ms"]
    width = max(40, min(100, shutil.get_terminal_size().columns - 16))
    print(f"run {summary['run']}: {summary['recipe']} on {summary['machine']}, {summary['status']}")
    print(f"  cycles     {summary['cycles']}, at {speed:g} times the speed of the tool")
    print(f"  points     {summary['points_stored']} stored, {summary['lost']} lost")
    print(
        f"  slots      {scans['scheduled']} scheduled: {scans['completed']} completed, {scans['late']} late, "
        f"{scans['failed']} failed, {scans['skipped']} skipped"
    )
    print(f"  audit      {summary['audit']}")
    print(f"  requests   {summary['requests_per_scan']} a pass over all parameters")
    print("  latency    ms                    p50      p95      p99      max")
    for stage, words in (
        ("read", "read the tool"),
        ("commit", "spool to commit"),
        ("sample_to_commit", "sample to commit"),
    ):
        figures = latency[stage]
        cells = "".join(f"{figures[name]:9.2f}" for name in ("p50", "p95", "p99", "max"))
        print(f"             {words:16}{cells}")
    print()
    pressure = summary["pressure"]
    print(f"chamber pressure, {pressure['unit']} (seconds on this machine's clock)")
    lines = plot(
        np.array(pressure["times_s"]),
        np.array(pressure["values"]),
        width=width,
        is_unicode=(sys.stdout.encoding or "").lower().startswith("utf"),
    )
    print("\n".join(lines))
    print()
    print(f"look at it:  {_program()} runs show {summary['run']} --demo")
    print(f"with psql:   {_program()} database serve")


def _program() -> str:
    """How the user called this program, so that the next command can be copied."""
    name = sys.argv[0]
    if name.endswith("__main__.py"):
        return f"{sys.executable} -m recorder"
    path = Path(name)
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_absolute() and path.is_relative_to(here) else path
    return f"'{shown}'" if " " in str(shown) else str(shown)
