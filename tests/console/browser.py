"""Headless Chromium over its DevTools protocol, with nothing but a websocket: a page, its terminal, keys."""

import asyncio
import itertools
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on this machine (on Debian: apt-get install chromium)"
)
DEADLINE_S: Final = 180.0
_POLL_S: Final = 0.1
_CATCH: Final = """
Object.defineProperty(Object.prototype, "websocket_url", {configurable: true, set(value) {
    window.shown = this;
    Object.defineProperty(this, "websocket_url", {value, writable: true});
}});
"""
"""The page keeps its terminal to itself; this catches it as it is made."""
_READ: Final = """
(() => {
    if (!window.shown) return "";
    const buffer = window.shown.terminal.buffer.active;
    return Array.from({length: buffer.length}, (_, at) => buffer.getLine(at).translateToString(true)).join("\\n");
})()
"""


class Page:
    """A page with a terminal in it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Send one DevTools command and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    async def evaluate(self, script: str) -> Any:
        """The value of a script."""
        answer = await self.command("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def open(self, address: str) -> None:
        """Go to a page."""
        await self.command("Page.enable")
        await self.command("Page.addScriptToEvaluateOnNewDocument", source=_CATCH)
        await self.command("Page.navigate", url=address)

    async def press(self, letter: str) -> None:
        """Press a key in the terminal."""
        await self.evaluate(f"window.shown.terminal.input({json.dumps(letter)})")

    async def until(self, *texts: str) -> str:
        """Wait until the browser's terminal has all of these, and return what it has."""
        screen = ""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not (screen and all(text in screen for text in texts)):
                    await asyncio.sleep(_POLL_S)
                    screen = await self.evaluate(_READ) or ""
        except TimeoutError:
            raise AssertionError(f"{texts} did not come; the browser shows:\n{screen}") from None
        return screen


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A browser with an empty page, for as long as the block runs."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--window-size=1400,900"),
            *("--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            port = await _port(Path(folder) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = [target for target in await answer.json() if target["type"] == "page"]
                async with session.ws_connect(pages[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.terminate()
            await process.wait()


async def _port(path: Path) -> int:
    async with asyncio.timeout(DEADLINE_S):
        while not (path.exists() and (text := path.read_text(encoding="utf-8"))):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(_POLL_S)
    return int(text.splitlines()[0])
