"""``ald-recorder console``: what the recorder does now, on a terminal, in a browser, or once for a script."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from recorder.cli.app import ConfigOption, JsonOption, app, read_config, run_async, yield_to_recorder
from recorder.cli.output import print_json
from recorder.errors import UsageError

if TYPE_CHECKING:
    from recorder.console.once import Once

WEB_PORT: Final = 8010


@app.command()
def console(
    config: ConfigOption = None,
    socket: Annotated[
        Path | None, typer.Option(help="Control socket of the recorder, in place of the configuration's.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and leave.")] = False,
    web: Annotated[bool, typer.Option("--web", help="Serve it to a browser on this machine; it only shows.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="TCP port of --web.")] = WEB_PORT,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all that changes anything.")] = False,
    trend: Annotated[
        list[str] | None,
        typer.Option(metavar="PARAMETER", help="Draw this in Trends, as component/parameter. Repeat it for more."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Watch the running recorder, and work with it."""
    if json and not once:
        raise UsageError("--json needs --once")
    if once and web:
        raise UsageError("--once and --web contradict each other; leave one out")
    place = socket or read_config(config).control_socket
    yield_to_recorder()
    if once:
        # imported here: textual and aiohttp take long, and no other command shall wait for them
        from recorder.console.once import look_once  # noqa: PLC0415

        _print(run_async(look_once(place)), as_json=json)
    elif web:
        from recorder.console.web import serve  # noqa: PLC0415

        serve(place, port=port)
    else:
        _show(place, read_only=read_only, trends=trend or ())


def _show(place: Path, *, read_only: bool, trends: Sequence[str]) -> None:
    from recorder.console.app import ConsoleApp  # noqa: PLC0415
    from recorder.console.once import is_unicode_terminal  # noqa: PLC0415

    shown = ConsoleApp(place, is_unicode=is_unicode_terminal(), read_only=read_only, trends=trends)
    # not uvloop: its console shares no loop with a scan, and textual is tested on asyncio's own
    asyncio.run(shown.run_async())
    raise typer.Exit(shown.return_code or 0)


def _print(picture: "Once", *, as_json: bool) -> None:
    if as_json:
        print_json(picture.plain)
    else:
        picture.print()
