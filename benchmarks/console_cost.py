"""What the console costs itself and the daemon, and how long a change in the tool and a key take to the screen.

The real console in a pseudo-terminal of 200x60, on the real recorder: 500 generated parameters that change at 10 Hz for
the cost, the simulated tool for the change, which is written over Modbus and looked for in what the console draws.
"""

import asyncio
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figure import Figure, Lengths
from benchmarks.rig import SCHEMA, Daemon, Server, daemon
from hal.codec import encode
from hal.modbus import ModbusTcpSettings, connect
from recorder.cli.children import child, first_answer
from recorder.database import connect_once
from recorder.definitions.file import read_definition_file

ROW: Final = "console"
MANY: Final = 500
INTERVAL_MS: Final = 100
CONSOLES: Final = 3
CHANGED: Final = "Chamber Heater/temperature_set"
_CHANGES: Final = 40
_LINES, _COLUMNS = 60, 200
_DEADLINE_S: Final = 30.0


class Screen:
    """A console in a pseudo-terminal; what it draws is kept as bytes."""

    def __init__(self, socket: Path) -> None:
        terminal, own = pty.openpty()
        fcntl.ioctl(own, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
        self._terminal = terminal
        self._drawn = b""
        self._news = asyncio.Event()
        environment = {**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        command = [sys.executable, "-m", "recorder", "console", "--socket", str(socket)]
        self.process = subprocess.Popen(command, stdin=own, stdout=own, stderr=own, env=environment)
        os.close(own)
        asyncio.get_running_loop().add_reader(terminal, self._read)

    def _read(self) -> None:
        try:
            self._drawn += os.read(self._terminal, 1 << 16)
        except OSError:
            asyncio.get_running_loop().remove_reader(self._terminal)
        self._news.set()

    def press(self, keys: str) -> None:
        """Press keys; what was drawn before is forgotten."""
        self._drawn = b""
        os.write(self._terminal, keys.encode())

    def forget(self) -> None:
        """Forget what was drawn."""
        self._drawn = b""

    async def until(self, text: str) -> float:
        """Wait until something is drawn; returns when, in seconds of the monotonic clock."""
        async with asyncio.timeout(_DEADLINE_S):
            while text.encode() not in self._drawn:
                self._news.clear()
                await self._news.wait()
        return time.monotonic()

    def cpu_s(self) -> float:
        """User and system time."""
        return Daemon(pid=self.process.pid, dsn="", folder=Path()).cpu_s()

    def close(self) -> None:
        """End the console."""
        asyncio.get_running_loop().remove_reader(self._terminal)
        self.process.terminate()
        self.process.wait()
        os.close(self._terminal)


@asynccontextmanager
async def _screen(running: Daemon) -> AsyncIterator[Screen]:
    screen = Screen(running.folder / "control.sock")
    try:
        await screen.until("LIVE")
        yield screen
    finally:
        screen.close()


async def measure(place: Server, lengths: Lengths) -> list[Figure]:
    """Cost first, then times."""
    return [*await _cost(place, lengths), *await _times(place)]


async def _cost(place: Server, lengths: Lengths) -> list[Figure]:
    with ExitStack() as stack:
        log, map_path = place.folder / "many.log", place.folder / "many.csv"
        arguments = ("simulate", "--json", "--port", "0", "--parameters", str(MANY), "--map", str(map_path))
        tool = stack.enter_context(child(*arguments, log=log, name="simulator", answers=True))
        port = first_answer(tool, log, "simulator")["port"]
        # the generated map is read each second
        fast_path = place.folder / "fast.csv"
        fast_path.write_text(
            map_path.read_text(encoding="utf-8").replace(",1000\n", f",{INTERVAL_MS}\n"), encoding="utf-8"
        )
        async with daemon(place, fast_path, port) as running:
            alone = await _share(running, None, lengths)
            async with _screen(running) as screen:
                screen.press("2")
                await screen.until("of 5")
                watched = await _share(running, screen, lengths)
            figures = await _at_work(running, lengths)
    note = f"{MANY} parameters at 10 Hz, values in view on {_COLUMNS}x{_LINES}, {lengths.daemon_s:.0f} s"
    return [
        Figure(row=ROW, what="% of a core, the console", value=watched[1], digits=1, goal=25, note=note),
        Figure(
            row=ROW,
            what="% of a core more, the daemon",
            value=watched[0] - alone[0],
            digits=1,
            note=f"{alone[0]:.1f} % without, {watched[0]:.1f} % with one console",
        ),
        *figures,
    ]


async def _at_work(running: Daemon, lengths: Lengths) -> list[Figure]:
    """What consoles do to the scans: slots missed, and how much more unsteady the scans become."""
    alone = await _steadiness(running, lengths)
    async with AsyncExitStack() as stack:
        for _ in range(CONSOLES):
            screen = await stack.enter_async_context(_screen(running))
            screen.press("2")
            await screen.until("of 5")
        watched = await _steadiness(running, lengths)
    note = (
        f"{CONSOLES} consoles, each with values in view on {_COLUMNS}x{_LINES}, {lengths.daemon_s:.0f} s; without one "
        f"{alone.missed} slots missed, jitter {alone.jitter_ms:.2f} ms at p99, with them {watched.jitter_ms:.2f} ms; "
        "from the stored times, start to start"
    )
    more_ms = watched.jitter_ms - alone.jitter_ms
    return [
        Figure(row=ROW, what="slots missed with three consoles", value=watched.missed, digits=0, goal=0, note=note),
        Figure(row=ROW, what="ms more jitter at p99 with three consoles", value=more_ms, goal=1, note=note),
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Steadiness:
    """Slots that were skipped or failed in a span, and the p99 of how far scans were from an interval apart."""

    missed: int
    jitter_ms: float


async def _steadiness(running: Daemon, lengths: Lengths) -> _Steadiness:
    await asyncio.sleep(lengths.settle_s)
    before, began = (await running.status())["scans"], datetime.now(UTC)
    await asyncio.sleep(lengths.daemon_s)
    after, ended = (await running.status())["scans"], datetime.now(UTC)
    connection = await connect_once(running.dsn)
    try:
        rows = await connection.fetch(
            f"SELECT timestamp FROM {SCHEMA}.process_data_points WHERE timestamp BETWEEN $1 AND $2 AND parameter_id = "
            f"(SELECT min(id) FROM {SCHEMA}.component_parameters WHERE is_active) ORDER BY timestamp",
            began,
            ended,
        )
    finally:
        await connection.close()
    times_ms = np.array([row["timestamp"].timestamp() * 1e3 for row in rows])
    between_ms = np.diff(times_ms)
    # where a slot was missed two intervals lie between: that is counted and no jitter
    jitter_ms = np.abs(between_ms - INTERVAL_MS * np.maximum(1, np.round(between_ms / INTERVAL_MS)))
    missed = sum(after[outcome] - before[outcome] for outcome in ("skipped", "failed"))
    return _Steadiness(missed=missed, jitter_ms=float(np.percentile(jitter_ms, 99)))


async def _share(running: Daemon, screen: Screen | None, lengths: Lengths) -> tuple[float, float]:
    await asyncio.sleep(lengths.settle_s)
    before = (running.cpu_s(), screen.cpu_s() if screen else 0.0, time.monotonic())
    await asyncio.sleep(lengths.daemon_s)
    after = (running.cpu_s(), screen.cpu_s() if screen else 0.0, time.monotonic())
    seconds = after[2] - before[2]
    return 100 * (after[0] - before[0]) / seconds, 100 * (after[1] - before[1]) / seconds


async def _times(place: Server) -> list[Figure]:
    changes, keys, cpu_ms = [], [], []
    with ExitStack() as stack:
        log = place.folder / "tool.log"
        tool = stack.enter_context(child("simulate", "--json", "--port", "0", log=log, name="simulator", answers=True))
        said = first_answer(tool, log, "simulator")
        async with daemon(place, Path(said["map_path"]), said["port"]) as running, _screen(running) as screen:
            found = next(d for d in read_definition_file(Path(said["map_path"])).definitions if d.full_name == CHANGED)
            parameter = found.to_parameter()
            screen.press("2/")
            screen.press("chamber temperature_set\r")
            await screen.until("1 of")
            link = await connect(ModbusTcpSettings(device="tool", host="127.0.0.1", port=said["port"]))
            try:
                for number in range(_CHANGES):
                    value = 100.25 + number
                    screen.forget()
                    # not in step with the slots
                    await asyncio.sleep(0.31 + 0.0137 * number % 0.1)
                    await link.write(parameter.kind, parameter.address, encode(parameter, value).tolist())
                    written_s = time.monotonic()
                    changes.append(await screen.until(f"{value:.2f}") - written_s)
            finally:
                await link.close()
            for _ in range(_CHANGES // 2):
                before_s, began_s = screen.cpu_s(), time.monotonic()
                screen.press("?")
                keys.append(await screen.until("leave: the recorder") - began_s)
                cpu_ms.append(1e3 * (screen.cpu_s() - before_s))
                screen.press("q")
                await screen.until("1 of")
    note = f"{len(changes)} writes over Modbus, each looked for on the screen; highest {1e3 * max(changes):.0f}"
    key_note = f"{len(keys)} times the key ? to its window on the screen; highest {1e3 * max(keys):.0f}; "
    key_note += f"{float(np.mean(cpu_ms)):.0f} ms of CPU each"
    return [
        Figure(row=ROW, what="ms change to screen, p50", value=1e3 * float(np.percentile(changes, 50)), note=note),
        Figure(
            row=ROW, what="ms change to screen, p95", value=1e3 * float(np.percentile(changes, 95)), goal=300, note=note
        ),
        Figure(
            row=ROW, what="ms key to screen, p95", value=1e3 * float(np.percentile(keys, 95)), goal=100, note=key_note
        ),
    ]
