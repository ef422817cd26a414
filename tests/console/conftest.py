"""A daemon that a test speaks for, and the console on it, driven by Textual's own pilot."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from textual.pilot import Pilot
from textual.strip import Strip

from recorder.console.app import ConsoleApp
from tests.console.daemon import Daemon, make_definitions

DEADLINE_S: Final = 20.0
"""Generous, as two cores may be shared; a test that passes never waits for it."""
Console = Callable[..., AbstractAsyncContextManager["Driven"]]


def text_of(strips: list[Strip]) -> str:
    """What is on the screen, line by line."""
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@dataclass(kw_only=True)
class Driven:
    """A console under a pilot."""

    app: ConsoleApp
    pilot: Pilot[None]

    @property
    def screen(self) -> str:
        """What is on the screen now."""
        return text_of(self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other, each taken in before the next."""
        for key in keys:
            await self.pilot.press(key)

    async def type(self, text: str) -> None:
        """Type a text."""
        names = {" ": "space", "/": "slash", "_": "underscore", ".": "full_stop", "-": "minus"}
        await self.press(*(names.get(letter, letter) for letter in text))

    async def until_told(self, text: str) -> None:
        """Wait for a notification with this text; on the screen its lines stand among others."""

        def told() -> list[str]:
            return [notification.message for notification in self.app._notifications]

        if not await self.comes(lambda: any(text in message for message in told())):
            raise AssertionError(f"{text!r} was not told, but {told()}; the screen says:\n{self.screen}")

    def _says(self, texts: tuple[str, ...], without: str | None) -> bool:
        """Whether the screen has these, wherever its lines break."""
        words = " ".join(self.screen.split())
        return all(" ".join(text.split()) in words for text in texts) and (without is None or without not in words)

    async def until(self, *texts: str, without: str | None = None) -> str:
        """Wait until all of these are on the screen, and return it."""
        if not await self.comes(lambda: self._says(texts, without)):
            raise AssertionError(f"{texts} did not come; the screen says:\n{self.screen}")
        return self.screen

    async def comes(self, is_there: Callable[[], bool]) -> bool:
        """Wait until it is there, and say whether it came; a pilot that is cancelled in a pause leaves tasks behind."""
        end = asyncio.get_running_loop().time() + DEADLINE_S
        while not is_there():
            if asyncio.get_running_loop().time() > end:
                return False
            await self.pilot.pause(0.02)
        return True


@pytest.fixture
def daemon(short_directory: Path) -> Daemon:
    """A daemon with a few parameters; a test lets it serve."""
    return Daemon(path=short_directory / "control.sock", definitions=make_definitions(30))


@pytest.fixture
def console(daemon: Daemon) -> Console:
    """Open the console on the daemon's socket, whether or not it serves."""

    @asynccontextmanager
    async def opened(*, size: tuple[int, int] = (80, 24), **options: Any) -> AsyncIterator[Driven]:
        app = ConsoleApp(daemon.path, **options)
        async with app.run_test(size=size, notifications=True) as pilot:
            try:
                yield Driven(app=app, pilot=pilot)
            finally:
                # as Textual does where the console is left by a key, so that no answer finds half of its widgets gone
                app.workers.cancel_all()

    return opened


@pytest.fixture
async def live(daemon: Daemon, console: Console) -> AsyncIterator[Driven]:
    """The console at 80x24 on a daemon that serves."""
    async with daemon.serving(), console() as driven:
        await driven.until("LIVE")
        yield driven
