"""The demo on a terminal: the console on its recorder while the run goes on, and until the operator leaves it."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
from rich.progress import Progress

Result = TypeVar("Result")
_BEGINS: Final = "demo: a run of a simulated tool is recorded; q leaves"
_ENDED: Final = "demo: the run has ended and all of it is stored; q leaves and shows its summary"
_TRENDS: Final = ("Process/chamber_pressure", "Quartz Crystal/mass")
"""Pulse by pulse, and what each cycle leaves."""
_DUMB: Final = frozenset({"", "dumb"})


def is_on_terminal() -> bool:
    """Whether somebody sits before a terminal that a console can be drawn on."""
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
    return has_terminal and os.environ.get("TERM", "") not in _DUMB


async def watch(socket: Path, recording: Coroutine[Any, Any, Result], progress: Progress) -> Result:
    """Show the console until it is left, and then a bar until the run has ended; returns what the recording brought.

    Raises:
        Abort: the operator pressed Ctrl-C.
        RecorderError: the recording failed; the console is closed then.
    """
    # imported here: textual takes long, and no other command shall wait for it
    from recorder.console.app import INTERRUPTED, ConsoleApp  # noqa: PLC0415
    from recorder.console.once import is_unicode_terminal  # noqa: PLC0415

    app = ConsoleApp(socket, is_unicode=is_unicode_terminal(), notice=_BEGINS, trends=_TRENDS)

    def ended(task: asyncio.Task[Result]) -> None:
        if task.cancelled() or task.exception() is not None:
            app.exit()
        else:
            app.announce(_ENDED)

    task = asyncio.create_task(recording, name="demo recording")
    task.add_done_callback(ended)
    try:
        await app.run_async()
        if app.return_code == INTERRUPTED:
            raise typer.Abort
        if task.done():
            return task.result()
        with progress:
            return await task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task
