"""``ald-recorder simulate``: the simulated tool alone, or many of them, a recorded trace, or a map of any size."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from recorder.cli.app import JsonOption, app, run_async
from recorder.cli.output import print_json
from recorder.cli.run import call_when_stdin_closes
from recorder.errors import UsageError
from simulator.chance import DEFAULT_RATE_AN_HOUR
from simulator.fault import FaultName
from simulator.generated import GeneratedTool
from simulator.recipe import DEFAULT_CYCLES, MAX_CYCLES, Recipe
from simulator.recipe_file import builtin_recipes, read_recipe
from simulator.replay import ReplayedTrace, ReplayOptions
from simulator.station import DEFAULT_HOST, DEFAULT_PORT, ServeOptions
from simulator.tool import MAX_SPEED, MIN_SPEED, SimulatedTool

MOST_TOOLS: Final = 1000
_LAST_PORT: Final = 65_535
_ONE: Final = ("tools", 1)
_CLASHES: Final = {
    "replay": ("parameters", "speed", "seed", "cycles", "recipe", "auto_start", "tools"),
    "parameters": ("speed", "cycles", "recipe", "auto_start", "pace", "nan"),
    "tools": ("response_log", "rtu", "control"),
}
_NEEDS: Final = {
    "pace": ("replay",),
    "nan": ("replay",),
    "map": ("replay", "parameters"),
    "fault_rate": ("fault_seed",),
    "fault_kinds": ("fault_seed",),
}
Served = SimulatedTool | ReplayedTrace | GeneratedTool


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[
        int, typer.Option(help="TCP port, the first of several tools; 0 takes free ones.", min=0, max=_LAST_PORT)
    ] = DEFAULT_PORT,
    speed: Annotated[
        float | None, typer.Option(min=MIN_SPEED, max=MAX_SPEED, help="Simulated seconds in a real one.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all noise.")] = None,
    cycles: Annotated[int | None, typer.Option(min=1, max=MAX_CYCLES, help="Cycles of the recipe.")] = None,
    recipe: Annotated[str | None, typer.Option(help="A recipe file, or the name of a built-in recipe.")] = None,
    auto_start: Annotated[bool, typer.Option("--auto-start", help="Begin a run at once.")] = False,
    replay: Annotated[Path | None, typer.Option(help="Serve this recorded trace (CSV) in place of a plant.")] = None,
    map: Annotated[
        Path | None, typer.Option(help="Map of a trace's columns: read where it is there, else written.")
    ] = None,
    pace: Annotated[
        str | None, typer.Option(help="Of a trace: 'scan' (each scan is the next row), 'real', or so many times.")
    ] = None,
    nan: Annotated[
        str | None, typer.Option(help="NaN of a trace: 'sentinel' (the float's NaN), 'exception', or a number.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="Script of faults (TOML).")] = None,
    fault_seed: Annotated[int | None, typer.Option(help="Draw faults at random, by this seed.", min=0)] = None,
    fault_rate: Annotated[float | None, typer.Option(help="How many of them in an hour of simulated time.")] = None,
    fault_kinds: Annotated[str | None, typer.Option(help="Which of them, by name, with commas between.")] = None,
    tools: Annotated[int, typer.Option(help="So many tools, each on a port of its own.", min=1, max=MOST_TOOLS)] = 1,
    parameters: Annotated[
        int | None, typer.Option(help="Serve a generated map of so many parameters in place of a plant.")
    ] = None,
    response_log: Annotated[Path | None, typer.Option(help="Log every response that is sent to this file.")] = None,
    rtu: Annotated[bool, typer.Option("--rtu", help="Serve Modbus RTU on a pseudo-terminal too.")] = False,
    control: Annotated[Path | None, typer.Option(help="Socket on which `faults` commands are taken.")] = None,
    json: JsonOption = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Serve a simulated ALD tool over Modbus TCP."""
    _check({name: value for name, value in locals().items() if value not in {None, False} and (name, value) != _ONE})
    options = ServeOptions(
        host=host,
        port=port,
        fault_script=faults,
        fault_seed=fault_seed,
        fault_rate_an_hour=DEFAULT_RATE_AN_HOUR if fault_rate is None else fault_rate,
        fault_kinds=_fault_kinds(fault_kinds),
        response_log=response_log,
        is_rtu=rtu,
        control=control,
    )

    def make(number: int) -> Served:
        own = replace(options, port=port + number if port else 0)
        if replay is not None:
            return ReplayedTrace(_replay_options(replay, map, pace, nan), own)
        if parameters is not None:
            return GeneratedTool(parameters, own, map_path=map, seed=(seed or 0) + number)
        return SimulatedTool(
            speed=1.0 if speed is None else speed,
            seed=(seed or 0) + number,
            cycles=DEFAULT_CYCLES if cycles is None else cycles,
            recipe=None if recipe is None else _recipe(recipe, cycles),
            auto_start=auto_start,
            options=own,
        )

    run_async(_serve([make(number) for number in range(tools)], as_json=json, until_stdin_closes=until_stdin_closes))


async def _serve(served: Sequence[Served], *, as_json: bool, until_stdin_closes: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if until_stdin_closes:
        call_when_stdin_closes(loop, stop.set)
    async with AsyncExitStack() as stack:
        for each in served:
            await stack.enter_async_context(each)
        _announce(served, as_json=as_json)
        await stop.wait()


def _check(given: Mapping[str, Any]) -> None:
    """Refuse options that contradict each other."""
    for one, others in _CLASHES.items():
        for other in others:
            if one in given and other in given:
                raise UsageError(f"{_flag(one)} and {_flag(other)} contradict each other; leave one out")
    for one, needed in _NEEDS.items():
        if one in given and not any(name in given for name in needed):
            raise UsageError(f"{_flag(one)} means nothing without {' or '.join(map(_flag, needed))}")
    if given.get("port", 0) + given.get("tools", 1) - 1 > _LAST_PORT:
        raise UsageError(f"--port {given['port']} leaves no room for {given['tools']} tools up to {_LAST_PORT}")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _fault_kinds(text: str | None) -> tuple[FaultName, ...]:
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in set(FaultName):
            raise UsageError(f"--fault-kinds: there is no fault {name!r}; there are {', '.join(FaultName)}")
    return tuple(FaultName(name) for name in names)


def _recipe(text: str, cycles: int | None) -> Recipe:
    """A built-in recipe by its name, else the file of that name."""
    path = builtin_recipes().get(text, Path(text))
    if not path.exists():
        known = ", ".join(builtin_recipes())
        raise UsageError(f"--recipe {text}: neither a file nor one of the built-in recipes {known}")
    read = read_recipe(path)
    return read if cycles is None else read.with_cycles(cycles)


def _replay_options(trace: Path, map_path: Path | None, pace: str | None, nan: str | None) -> ReplayOptions:
    sentinel = None if nan in {None, "sentinel", "exception"} else _number("nan", nan, "'sentinel', 'exception'")
    rate: float | None = None
    if pace not in {None, "scan"}:
        rate = 1.0 if pace == "real" else _number("pace", pace, "'scan', 'real'")
    return ReplayOptions(trace=trace, map=map_path, pace=rate, sentinel=sentinel, refuses_nan=nan == "exception")


def _number(option: str, text: str | None, words: str) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise UsageError(f"--{option} is {words} or a number, not {text!r}") from None


def _announce(served: Sequence[Served], *, as_json: bool) -> None:
    if as_json:
        told = [_picture(each) for each in served]
        print_json(told[0] if len(told) == 1 else {**told[0], "tools": told})
    else:
        for each in served:
            _tell(each)
    typer.get_text_stream("stdout").flush()


def _picture(served: Served) -> dict[str, Any]:
    options = served.station.options
    return {
        **asdict(served.description),
        "terminal": served.station.terminal,
        "control": options.control,
        "response_log": options.response_log,
        "fault_script": options.fault_script,
    }


def _tell(served: Served) -> None:
    what = served.description
    where = f"{what.host}:{what.port}, unit {what.unit}, {what.parameters} parameters"
    match served:
        case SimulatedTool():
            tool = served.description
            print(f"Simulated ALD tool at {where}")
            print(f"  recipe {tool.recipe}: {tool.cycles} cycles, {tool.run_duration_s:.0f} s of the tool's time")
            print(f"  speed {tool.speed:g}, seed {tool.seed}; a run starts when coil {tool.start!r} is written 1")
            print(f"  unit {tool.second_unit}, a slow heater controller: {tool.second_map_path}")
        case ReplayedTrace():
            trace = served.description
            print(f"Trace {trace.trace} at {where}")
            pace = "each scan brings the next row" if trace.pace == "scan" else f"{trace.pace} times as recorded"
            print(f"  {trace.rows} rows, {what.run_duration_s:.0f} s; {pace}, and the last row is held")
        case GeneratedTool():
            print(f"Generated map at {where}")
    print(f"  its definitions: {what.map_path}")
    for name, path in (
        ("faults by command", served.station.options.control),
        ("responses", served.station.options.response_log),
    ):
        if path is not None:
            print(f"  {name}: {path}")
    if served.station.terminal is not None:
        print(f"  Modbus RTU: {served.station.terminal}")
