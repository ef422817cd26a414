"""``ald-recorder console``: what the recorder does now, on a terminal, in a browser, or once for a script."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async
from recorder.cli.output import print_json
from recorder.console.app import ConsoleApp
from recorder.console.once import Once, is_unicode_terminal, look_once
from recorder.console.web import DEFAULT_PORT, serve
from recorder.errors import UsageError


@app.command()
def console(
    config: ConfigOption = None,
    socket: Annotated[
        Path | None, typer.Option(help="Control socket of the recorder, in place of the configuration's.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and leave.")] = False,
    web: Annotated[bool, typer.Option("--web", help="Serve it to a browser on this machine; it only shows.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="TCP port of --web.")] = DEFAULT_PORT,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all that changes anything.")] = False,
    json: JsonOption = False,
) -> None:
    """Watch the running recorder, and work with it."""
    if json and not once:
        raise UsageError("--json needs --once")
    if once and web:
        raise UsageError("--once and --web contradict each other; leave one out")
    place = socket or read_config(config).control_socket
    if once:
        _print(run_async(look_once(place)), as_json=json)
    elif web:
        serve(place, port=port)
    else:
        # not uvloop: its console shares no loop with a scan, and textual is tested on asyncio's own
        asyncio.run(ConsoleApp(place, is_unicode=is_unicode_terminal(), read_only=read_only).run_async())


def _print(picture: Once, *, as_json: bool) -> None:
    if as_json:
        print_json(picture.plain)
    else:
        picture.print()
