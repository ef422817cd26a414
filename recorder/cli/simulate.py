"""``ald-recorder simulate``: the simulated tool alone."""

import asyncio
import signal
from dataclasses import asdict
from typing import Annotated

import typer

from recorder.cli.app import JsonOption, app, run_async
from recorder.cli.output import print_json
from recorder.cli.run import call_when_stdin_closes
from simulator.recipe import DEFAULT_CYCLES, MAX_CYCLES
from simulator.tool import DEFAULT_HOST, DEFAULT_PORT, MAX_SPEED, MIN_SPEED, SimulatedTool, ToolDescription


@app.command()
def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULT_HOST,
    port: Annotated[int, typer.Option(help="TCP port; 0 takes a free one.", min=0, max=65_535)] = DEFAULT_PORT,
    speed: Annotated[float, typer.Option(min=MIN_SPEED, max=MAX_SPEED, help="Simulated seconds in a real one.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of all noise.")] = 0,
    cycles: Annotated[int, typer.Option(min=1, max=MAX_CYCLES, help="Cycles of the recipe.")] = DEFAULT_CYCLES,
    auto_start: Annotated[bool, typer.Option("--auto-start", help="Begin a run at once.")] = False,
    json: JsonOption = False,
    until_stdin_closes: Annotated[bool, typer.Option("--until-stdin-closes", hidden=True)] = False,
) -> None:
    """Serve a simulated ALD tool over Modbus TCP."""

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if until_stdin_closes:
            call_when_stdin_closes(loop, stop.set)
        async with SimulatedTool(
            host=host, port=port, speed=speed, seed=seed, cycles=cycles, auto_start=auto_start
        ) as tool:
            _announce(tool.description, as_json=json)
            await stop.wait()

    run_async(serve())


def _announce(tool: ToolDescription, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(tool))
    else:
        print(f"Simulated ALD tool at {tool.host}:{tool.port}, unit {tool.unit}, {tool.parameters} parameters")
        print(f"  recipe {tool.recipe}: {tool.cycles} cycles, {tool.run_duration_s:.0f} s of the tool's time")
        print(f"  speed {tool.speed:g}, seed {tool.seed}; a run starts when coil {tool.start!r} is written 1")
        print(f"  its definitions: {tool.map_path}")
    typer.get_text_stream("stdout").flush()
