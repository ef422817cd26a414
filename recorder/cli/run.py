"""``ald-recorder run``: the daemon."""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from recorder import logs
from recorder.cli.app import ConfigOption, app, read_config, run_async
from recorder.daemon import Daemon


@app.command()
def run(
    config: ConfigOption = None,
    until_stdin_closes: Annotated[
        bool, typer.Option("--until-stdin-closes", help="Also stop when standard input closes.", hidden=True)
    ] = False,
) -> None:
    """Record until told to stop (SIGTERM or Ctrl-C); SIGHUP reloads, as ald-recorder reload does."""
    settings = read_config(config)
    settings.require_dsn()
    logs.configure(level=settings.log.level, form=settings.log.format)

    # what was imported stays for good; a full collection over it stops the scans for 33 ms
    gc.collect()
    gc.freeze()

    async def record() -> None:
        daemon = Daemon(settings, reread=lambda: read_config(config))
        if until_stdin_closes:
            call_when_stdin_closes(asyncio.get_running_loop(), daemon.stop)
        await daemon.run()

    run_async(record())


def call_when_stdin_closes(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call back when whoever started this process has gone; works on every platform, also after kill -9."""
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        # not sys.stdin.read: a thread that holds its lock as Python ends aborts the whole process
        while os.read(descriptor, 1024):
            pass
        if not loop.is_closed():
            loop.call_soon_threadsafe(callback)

    threading.Thread(target=wait, name="stdin", daemon=True).start()
