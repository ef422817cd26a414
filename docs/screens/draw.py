# ruff: noqa: INP001
"""Draw each screen of the console as SVG, on the demo's recorder while it records a run: ``make screenshots``.

Run it as ``python -m docs.screens.draw`` from the repository's root. All pictures are of one size; the figures in them
are those of the machine that drew them.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from textual.pilot import Pilot
from textual.strip import Strip

from recorder.console.app import ConsoleApp
from recorder.control import ask
from recorder.errors import DaemonAwayError

TARGET: Final = Path(__file__).parent
SIZE: Final = (118, 36)
FIRST_CYCLE: Final = 6
_DEADLINE_S: Final = 500.0
_DRAWN: Final = ("Process/chamber_pressure", "MFC 1/flow_read", "Chamber Heater/temperature_read")
_NAMES: Final = {" ": "space", "/": "slash", "_": "underscore", "#": "number_sign"}
_FONT: Final = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_FAMILY: Final = "font-family: ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def _demo(folder: Path, *arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  (this very program)
        [sys.executable, "-m", "recorder", "demo", "--json", *arguments],
        env={**os.environ, "ALD_DEMO_DIRECTORY": str(folder)},
        stdout=subprocess.DEVNULL,
    )


async def _until_recording(socket: Path) -> None:
    """Wait until some cycles of a run are recorded."""
    async with asyncio.timeout(_DEADLINE_S):
        while True:
            try:
                picture: dict[str, Any] = await ask(socket, "status")
            except DaemonAwayError:
                picture = {"process": None}
            process = picture["process"]
            if process and process["kind"] == "recipe" and (process["cycle"] or 0) >= FIRST_CYCLE:
                return
            await asyncio.sleep(0.2)


class _Screens:
    """The console under a pilot."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None]) -> None:
        self._app = app
        self._pilot = pilot

    async def type(self, keys: str) -> None:
        """Press keys, each a letter."""
        for letter in keys:
            await self._pilot.press(_NAMES.get(letter, letter.lower() if letter.isalpha() else letter))

    async def press(self, *keys: str) -> None:
        """Press keys by name."""
        await self._pilot.press(*keys)

    async def until(self, holds: Callable[[str], bool]) -> None:
        """Wait until the screen is as it should be."""
        async with asyncio.timeout(_DEADLINE_S):
            while not holds(_text(self._app.screen._compositor.render_strips())):  # noqa: SLF001
                await self._pilot.pause(0.1)

    async def draw(self, name: str) -> None:
        """Write a picture of what is shown as soon as it is live: a busy machine is late at times."""
        await self.until(lambda text: "LIVE" in text and "stale" not in text)
        drawn = self._app.export_screenshot(title="ald-recorder console", simplify=True)
        drawn = _FONT.sub("\n", drawn)
        drawn = re.sub(r"font-family: [^;]+", _FAMILY, drawn)
        (TARGET / f"{name}.svg").write_text(drawn, encoding="utf-8")


def _text(strips: Sequence[Strip]) -> str:
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def _draw(socket: Path) -> None:
    app = ConsoleApp(socket)
    async with app.run_test(size=SIZE) as pilot:
        screens = _Screens(app, pilot)
        await screens.until(lambda text: "LIVE" in text and "p50" in text and "cycle" in text)
        await screens.press("2")
        await screens.until(lambda text: "good" in text)
        for parameter in _DRAWN:
            await screens.press("slash")
            await screens.type(parameter)
            await screens.until(lambda text: "1 of " in text)
            await screens.press("enter", "t")
            await screens.press("escape")
        await screens.type("2/heater temperature")
        await screens.press("enter")
        # the small trends have a value a second
        await pilot.pause(25)
        await screens.draw("values")
        await screens.press("escape", "3")
        await pilot.pause(2)
        await screens.draw("trends")
        await screens.press("4")
        await screens.until(lambda text: "balance" in text)
        await screens.draw("runs")
        await screens.press("5")
        await screens.until(lambda text: "can be set" in text)
        await pilot.pause(1)
        await screens.draw("set-values")
        await screens.press("6")
        await screens.until(lambda text: "run started" in text or "process" in text)
        await screens.draw("events")
        await screens.press("1")
        await pilot.pause(2)
        await screens.draw("overview")


def main() -> None:
    """Draw all of them."""
    with tempfile.TemporaryDirectory() as folder:
        # PostgreSQL runs as another user where this one is root
        Path(folder).chmod(0o755)
        # a run that is over, for the history
        _demo(Path(folder), "--speed", "50", "--cycles", "10").wait()
        demo = _demo(Path(folder), "--speed", "2", "--cycles", "60")
        try:
            socket = Path(folder) / "demo-recorder" / "control.sock"
            asyncio.run(_watch(socket))
        finally:
            demo.terminate()
            demo.wait()


async def _watch(socket: Path) -> None:
    await _until_recording(socket)
    await _draw(socket)


if __name__ == "__main__":
    main()
