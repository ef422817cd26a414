"""The recorder of the fault lab: the real daemon as a process, with what a fault can do to it from outside."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from recorder.cli.fault_lab.children import PROGRAM, Child
from recorder.cli.fault_lab.comparison import FOREVER_NS, Life
from recorder.cli.fault_lab.waiting import DEADLINE_S, until
from recorder.control import ask
from recorder.errors import DaemonAwayError, LabError

Settings = Mapping[str, Mapping[str, object]]
SPOOL: Final = "spool.sqlite3"


class Recorder:
    """A daemon, off until it is started; an async context manager that leaves none behind.

    Args:
        folder: for its configuration, log and data.
        settings: sections and fields of its configuration.
        plans: read plans that it has.
    """

    def __init__(self, folder: Path, settings: Settings, *, plans: int) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.data_directory = folder / "var"
        self.socket = self.data_directory / "control.sock"
        self.settings: dict[str, dict[str, object]] = {name: dict(fields) for name, fields in settings.items()}
        self.log_path = folder / "recorder.log"
        self._plans = plans
        self._child: Child | None = None
        self._lives: list[tuple[int, int, bool]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        child, self._child = self._child, None
        if child is not None:
            await asyncio.shield(child.kill())

    @property
    def process(self) -> Child:
        """Its process."""
        assert self._child is not None, "the recorder is not started"
        return self._child

    @property
    def lives(self) -> list[Life]:
        """Its processes up to now."""
        return [
            Life(began_ns=began, ended_ns=ended, plans=self._plans, is_killed=is_killed)
            for began, ended, is_killed in self._lives
        ]

    @property
    def spool_path(self) -> Path:
        """Its spool."""
        return self.data_directory / SPOOL

    def move_socket(self) -> None:
        """Put the control socket where it can be reached though the data directory cannot."""
        self.socket = self.folder / "control.sock"
        self.settings["control"] = {"socket": str(self.socket)}

    def write_config(self) -> Path:
        """Write its configuration, and return the path."""
        lines: list[str] = []
        for section, fields in self.settings.items():
            lines += [f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in fields.items()), ""]
        path = self.folder / "config.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    async def start(self, *, program: Sequence[str] = PROGRAM, through: Sequence[str] = ()) -> None:
        """Start it; its log is added to that of earlier starts."""
        now_ns = time.monotonic_ns()
        if self._lives:
            began, _, is_killed = self._lives[-1]
            self._lives[-1] = (began, now_ns, is_killed)
        self._lives.append((now_ns, FOREVER_NS, False))
        self._child = await Child.start(
            "recorder",
            *("run", "--config", str(self.write_config())),
            log=self.log_path,
            program=program,
            through=through,
        )

    async def kill(self) -> None:
        """End it as kill -9 or a crash does."""
        child, self._child = self.process, None
        began, ended, _ = self._lives[-1]
        self._lives[-1] = (began, ended, True)
        await child.kill()

    async def stop(self) -> None:
        """End it in order.

        Raises:
            LabError: it took longer than it may, or did not end with status 0.
        """
        child, self._child = self.process, None
        status = await child.stop()
        if status != 0:
            raise LabError(f"the recorder ended with status {status} after SIGTERM; see {self.log_path}")

    async def ask(self, command: str, **arguments: object) -> Any:
        """Send a command to its control socket.

        Raises:
            DaemonAwayError: nobody answers.
        """
        return await ask(self.socket, command, **arguments)

    async def status(self) -> dict[str, Any] | None:
        """What it says of itself; None while it does not answer.

        Raises:
            LabError: it has ended on its own.
        """
        self.process.check_running()
        try:
            picture: dict[str, Any] = await self.ask("status")
        except DaemonAwayError:
            return None
        return picture

    async def until(
        self, what: str, holds: Callable[[dict[str, Any]], Any], *, deadline_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        """Wait until its status fulfils a condition, and return that status."""

        async def asked() -> dict[str, Any] | None:
            picture = await self.status()
            return picture if picture is not None and holds(picture) else None

        return await until(what, asked, deadline_s=deadline_s)

    async def until_recording(self, *, database: bool = True) -> None:
        """Wait until slots are scanned, and (unless told otherwise) written."""
        await self.until(
            "recording",
            lambda picture: (
                picture["scans"]["completed"] > 0
                and picture["process"] is not None
                and (not database or picture["writer"]["state"] == "writing")
            ),
        )

    async def until_more_slots(self, slots: int) -> None:
        """Wait until so many more slots have ended, however."""
        first = (await self.until("status", lambda _picture: True))["scans"]["scheduled"]
        await self.until(f"{slots} more slots", lambda picture: picture["scans"]["scheduled"] >= first + slots)

    async def until_drained(self) -> None:
        """Wait until the database has what was spooled."""
        await self.until(
            "the spool to drain",
            lambda picture: picture["writer"]["state"] == "writing" and picture["spool"]["entries"] <= 1,
            deadline_s=2 * DEADLINE_S,
        )

    def log(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event in its log, over all starts."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in parsed if line.get("event") == event]

    def traces(self) -> int:
        """How many traces of errors that nobody expected are in its log."""
        return self.log_path.read_text(encoding="utf-8", errors="replace").count("Traceback")


def _toml(value: object) -> str:
    """A value as TOML; a JSON string, number or truth is one."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)
