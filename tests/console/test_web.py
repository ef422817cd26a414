"""The console in a browser: it shows the running values, changes nothing, and is for this machine alone."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.console.browser import DEADLINE_S, browser, needs_chromium
from tests.console.daemon import Daemon
from tests.system.plant import command_line, environment

pytestmark = pytest.mark.timeout(480)


@pytest.fixture
async def port(daemon: Daemon) -> AsyncIterator[int]:
    """``console --web`` on the daemon's socket; where it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *command_line("console", "--web", "--port", str(port), "--socket", str(daemon.path)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(),
    )
    try:
        async with daemon.serving():
            await _until_listening(port)
            yield port
    finally:
        process.terminate()
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            writer.close()
            await writer.wait_closed()
            return


@needs_chromium
async def test_a_browser_shows_the_running_values_and_changes_nothing(daemon: Daemon, port: int) -> None:
    """Read off the terminal in headless Chromium: a value that changes, and what a key that would change says."""
    async with browser() as page:
        await page.open(f"http://127.0.0.1:{port}/")
        await page.until("LIVE", "77 recipe")
        await page.press("2")
        daemon.set("Process/chamber_pressure", 123.25)
        await page.until("chamber_pressure", "123.25")
        daemon.set("Process/chamber_pressure", 321.75)
        await page.until("321.75")
        await page.press("4")
        await page.until("search /")
        await page.press("n")
        await page.until("This console only shows")
        assert not daemon.asked_for("runs_start")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8010"}, 200),
        ({"Origin": "http://tool.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "tool.example:8010"}, 403),
    ],
)
async def test_only_this_machine_and_its_own_page_are_served(port: int, headers: dict[str, str], status: int) -> None:
    """A page of elsewhere cannot look through the browser that shows it; the page loads nothing from elsewhere."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/", headers=headers) as answer,
    ):
        assert answer.status == status
        text = await answer.text()
    assert "https://" not in text


@pytest.mark.skipif(sys.platform != "linux", reason="listening sockets are read from /proc")
async def test_it_listens_on_loopback_alone(port: int) -> None:
    """As the kernel lists it, IPv4 and IPv6."""
    listening = "0A"
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text(encoding="utf-8").splitlines()[1:]  # noqa: ASYNC240
    ]
    own = {fields[1] for fields in lines if fields[3] == listening and fields[1].endswith(f":{port:04X}")}
    assert own == {f"0100007F:{port:04X}"}
