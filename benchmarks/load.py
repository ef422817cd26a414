"""Clients, searches and streams upon the api while the recorder records, and what gives way where a goal is missed.

``python -m benchmarks.load``: the simulated tool, a recorder of 110 parameters at 10 Hz, a PostgreSQL with fsync that
has a history, the api, and the load, each a process of its own. ``--short`` has the same course in 20 s.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from benchmarks.figure import Figure
from benchmarks.figure_table import as_json, print_table
from benchmarks.load_generator import Generated, Met
from benchmarks.load_shape import FULL, SHORT, Shape
from benchmarks.load_verdict import Course, figures, gave_way
from benchmarks.load_watch import slots_from, watching
from benchmarks.machine import look_at
from benchmarks.rig import MACHINE, ROOT, SCHEMA, Daemon, RigError, Server, daemon, default_folder, server
from recorder import logs
from recorder.cli.app import OUTSIDE, run_async
from recorder.cli.children import child, end, first_answer, last_line
from recorder.config.api import ApiConfig
from recorder.config.file import ENVIRONMENT_PREFIX
from recorder.database import connect_once
from sql import load_query
from sql.named_query import load_queries

PARAMETERS: Final = 110
_CYCLES_A_RUN: Final = 20
_FILL_S: Final = 300.0
_START_S: Final = 30.0
_POLL_S: Final = 0.05
_SETTLE_S: Final = 2.0
_OTHER_FILES: Final = 1_000
"""Beside streams and clients: searches that wait, and what a process has open anyway."""


def main(
    short: Annotated[bool, typer.Option("--short", help="The same course in 20 s, with less of everything.")] = False,
    pause_s: Annotated[
        float, typer.Option(help="Between an answer to a client and its next question, at the mean.", min=0.01)
    ] = FULL.pause_s,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    folder: Annotated[Path | None, typer.Option(help="Folder on the disk to be used; by default /var/tmp.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with status 1 where a goal is missed.")] = False,
) -> None:
    """Load the api, and say what gave way."""
    logs.configure(level="warning")
    shape = replace(SHORT if short else FULL, pause_s=pause_s)
    started_s = time.monotonic()
    try:
        with server(folder or default_folder()) as place:
            machine = look_at(place.folder, postgresql=place.postgres.version, fsync_s=0.3)
            found, lines = run_async(measure(place, shape))
    except RigError as error:
        print(error, file=sys.stderr)
        sys.exit(OUTSIDE)
    seconds, load = time.monotonic() - started_s, os.getloadavg()[0]
    if json:
        print(as_json(machine, found, seconds=seconds, load=load, gave_way=lines))
    else:
        print_table(machine, found, seconds=seconds, load=load)
        print("\n".join(f"gave way: {line}" for line in lines))
    if strict and lines:
        sys.exit(1)


async def measure(
    place: Server, shape: Shape, limits: Mapping[str, int] | None = None
) -> tuple[list[Figure], list[str]]:
    """One course of load: its figures, and what gave way.

    Args:
        place: where PostgreSQL runs.
        shape: of the load.
        limits: of [api], in place of those that the load needs.

    Raises:
        RigError: this user may not open as many files, or something did not start.
    """
    _require_files(shape)
    with _tool(place) as (definitions, port):
        async with daemon(place, definitions, port) as running:
            await running.start_run()
            search_ms = await _fill(running.dsn, shape.runs)
            with _api(running, shape, limits or {}) as (api_port, api_pid):
                course = await _load(running, shape, api_port, api_pid)
    course = replace(course, search_ms=search_ms, pool_max=(limits or {}).get("pool_max", ApiConfig().pool_max))
    found = figures(course)
    return found, gave_way(course, found)


async def _load(running: Daemon, shape: Shape, api_port: int, api_pid: int) -> Course:
    await asyncio.sleep(_SETTLE_S)
    before = await running.status()
    await asyncio.sleep(shape.quiet_s)
    quiet = await slots_from(running, before, seconds=shape.quiet_s)
    before, began_s = await running.status(), time.monotonic()
    async with watching(api_port, api_pid, running) as watched:
        generated = await _generate(api_port, shape)
    loaded = await slots_from(running, before, seconds=time.monotonic() - began_s)
    return Course(shape=shape, generated=generated, watched=watched, quiet=quiet, loaded=loaded)


async def _generate(port: int, shape: Shape) -> Generated:
    told = json.dumps({"port": port, "shape": asdict(shape)})
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load_generator", told), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RigError(f"the load generator ended with status {process.returncode}; its error is above")
    content = json.loads(said)
    endpoints = {name: Met(**met) for name, met in content["endpoints"].items()}
    return Generated(**{**content, "together": Met(**content["together"]), "endpoints": endpoints})


def _require_files(shape: Shape) -> None:
    """Api and generator each need an open file for every connection, and raise their own limit as far as they may."""
    needed = shape.streams + shape.most_clients + _OTHER_FILES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise RigError(f"{needed} open files are needed and {hard} allowed: ulimit -Hn {needed}, or --short")


@contextmanager
def _tool(place: Server) -> Iterator[tuple[Path, int]]:
    """A simulated tool whose values change all the time: its definitions, each read at 10 Hz, and its port."""
    log, map_path = place.folder / "tool.log", place.folder / "tool_map.csv"
    arguments = ("simulate", "--json", "--port", "0", "--parameters", str(PARAMETERS), "--map", str(map_path))
    with child(*arguments, log=log, name="simulator", answers=True) as tool:
        port = first_answer(tool, log, "simulator")["port"]
        # the generated map is read each second
        fast_path = place.folder / "tool.csv"
        fast_path.write_text(map_path.read_text(encoding="utf-8").replace(",1000\n", ",100\n"), encoding="utf-8")
        yield fast_path, port


async def _fill(dsn: str, runs: int) -> dict[str, float]:
    """Make a history; returns how long the database takes for a search, by what is searched."""
    queries = load_queries(Path(__file__).with_name("queries"))
    connection = await connect_once(dsn, schema=SCHEMA)
    try:
        await connection.execute(queries["load_fill_runs"].text, MACHINE, runs, timeout=_FILL_S)
        await connection.execute(queries["load_fill_steps"].text, _CYCLES_A_RUN, timeout=_FILL_S)
        await connection.execute(queries["load_fill_summaries"].text, timeout=_FILL_S)
        await connection.execute(queries["load_settle"].text, timeout=_FILL_S)
        first, last = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
        found = {}
        for words in (f"lot-{runs // 2:05d}", "ada"):
            arguments = (MACHINE, last, 2**63 - 1, ["manual", "recipe"], None, None, words, first, last, 21)
            plan = await connection.fetchval(
                "EXPLAIN (ANALYZE, FORMAT JSON) " + load_query("api_runs"), *arguments, timeout=_FILL_S
            )
            found[f"{words} in {runs:,} runs"] = float(json.loads(plan)[0]["Execution Time"])
    finally:
        await connection.close()
    return found


@contextmanager
def _api(running: Daemon, shape: Shape, limits: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """``ald-recorder api`` beside a recorder: its port and its process."""
    wanted = {
        "port": 0,
        "max_streams": shape.streams + 200,
        "max_connections": shape.streams + shape.most_clients + _OTHER_FILES,
        **limits,
    }
    config, log = running.folder / "api.toml", running.folder / "api.log"
    own = "\n".join(["[api]", *(f"{name} = {value}" for name, value in wanted.items()), ""])
    config.write_text((running.folder / "config.toml").read_text(encoding="utf-8") + own, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(ENVIRONMENT_PREFIX)}
    with log.open("w", encoding="utf-8") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "recorder", "api", "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=log_file,
            text=True,
            env=environment,
            start_new_session=True,
        )
    try:
        yield _listening(process, log), process.pid
    finally:
        end(process, "api")


def _listening(process: subprocess.Popen[str], log: Path) -> int:
    end_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end_s:
        for line in log.read_text(encoding="utf-8").splitlines():
            told: dict[str, Any] = json.loads(line) if line.startswith("{") and line.endswith("}") else {}
            if told.get("event") == "api_listening":
                return int(told["url"].rpartition(":")[2])
        time.sleep(_POLL_S)
    raise RigError(f"the api did not start: {last_line(log)}")


if __name__ == "__main__":
    typer.run(main)
