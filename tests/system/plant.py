"""A whole plant of processes: simulated tool, recorder and database, driven as an operator and a fault would."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from hal.modbus import ModbusTcpSettings, connect
from hal.parameter import RegisterKind
from recorder.control import ask
from recorder.database import single_session
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.errors import DaemonAwayError, DatabaseError
from simulator import parameter_map
from tests.system.records import Records
from tests.system.spool_file import SpoolContent, read_spool
from tests.system.waiting import DEADLINE_S, until

ROLES: Final = {
    name: f"Process/{parameter}"
    for name, parameter in (
        *(("run_state", "run_state"), ("run_counter", "run_counter"), ("recipe", "recipe_name")),
        *(("step", "step_number"), ("cycle", "cycle_number")),
    )
}
START_COIL: Final = 40
START_S: Final = 120.0
"""A start takes a second; on a machine that is busy with ten other things it took half a minute."""
END_S: Final = 10.0
"""SIGTERM has to end the recorder within this."""
Settings = Mapping[str, Mapping[str, object]]


def environment() -> dict[str, str]:
    """The environment of a child: ours, but for what would change the recorder's configuration."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("ALD_")}


def command_line(*arguments: str) -> list[str]:
    """The command line of ``ald-recorder`` in this very installation."""
    return [sys.executable, "-m", "recorder", *arguments]


class Plant(AbstractContextManager["Plant"]):
    """Simulator and recorder as processes on one database; whatever is left of them ends with the block.

    Args:
        folder: for configuration, logs and the recorder's data.
        dsn: of a migrated database.
        speed: of the simulated tool.
        interval_ms: in place of all scan intervals of the simulator's map.
        map_path: definitions in place of those of the simulator.
        roles: False leaves runs to `runs start` and `runs stop`.
        settings: further sections and fields of the configuration.
        daemon_environment: variables of the recorder's process alone.
    """

    def __init__(
        self,
        folder: Path,
        dsn: str,
        *,
        machine: str = "Test tool",
        number: int = 0,
        speed: float = 50,
        cycles: int = 20,
        interval_ms: int | None = None,
        map_path: Path | None = None,
        roles: bool = True,
        settings: Settings | None = None,
        daemon_environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder, self.dsn, self.machine, self.number = folder, dsn, machine, number
        self.speed, self.cycles = speed, cycles
        self.records = Records(dsn=dsn)
        self.data_directory = folder / "var"
        self.config_path = folder / "config.toml"
        self.log_path = folder / "recorder.log"
        self.map_path = map_path or parameter_map.definitions_path()
        self.port = 0
        self._roles = roles
        self._settings = settings or {}
        self._daemon_environment = daemon_environment or {}
        self._simulator: subprocess.Popen[str] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if interval_ms is not None:
            self.map_path = _with_interval(self.map_path, folder / "definitions.csv", interval_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._daemon, self._simulator):
            if process is not None:
                _kill(process)
        # pytest shows it where the test failed
        print("\n".join([f"{self.log_path}:", *self.log_text().splitlines()[-30:]]))  # noqa: T201

    def start(self) -> Self:
        """Start the tool and the recorder and wait until it records; definitions are imported before."""
        self.start_simulator()
        self.import_definitions()
        self.start_daemon()
        self.until_recording()
        return self

    # the tool

    def start_simulator(self) -> None:
        """Start the tool, on the port that it had before."""
        arguments = ("simulate", "--json", "--port", str(self.port), "--speed", str(self.speed))
        with (self.folder / "simulator.log").open("ab") as log:
            self._simulator = subprocess.Popen(
                command_line(*arguments, "--cycles", str(self.cycles), "--until-stdin-closes"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment(),
            )
        assert self._simulator.stdout is not None
        text = ""
        for line in self._simulator.stdout:
            text += line
            if line.rstrip() == "}":
                break
        self.port = json.loads(text)["port"]

    def kill_simulator(self) -> None:
        """End the tool as a power cut does."""
        assert self._simulator is not None
        _kill(self._simulator)
        self._simulator = None

    def press_start(self) -> None:
        """Press the tool's start button."""

        async def work() -> None:
            link = await connect(
                ModbusTcpSettings(device="tool", host="127.0.0.1", port=self.port, connect_timeout_s=20)
            )
            try:
                await link.write(RegisterKind.COIL, START_COIL, [1])
            finally:
                await link.close()

        asyncio.run(work())

    # the recorder

    def import_definitions(self) -> None:
        """Bring the definitions into the database."""

        async def work() -> None:
            async with single_session(self.dsn, "ald") as session:
                await write(session, self.machine, read_definition_file(self.map_path))

        asyncio.run(work())

    def write_config(self) -> Path:
        """Write the recorder's configuration and return its path."""
        sections: dict[str, dict[str, object]] = {
            "recorder": {"machine": self.machine, "number": self.number, "time_scale": self.speed},
            "database": {"dsn": self.dsn, "pool_min": 2, "pool_max": 4},
            "devices.plc": {"port": self.port or 1, "backoff_max_s": 0.5},
            "process": {**ROLES, "aborted_values": [3]} if self._roles else {},
            "clock": {"wait_s": 0},
            "log": {"format": "json"},
        }
        for section, fields in self._settings.items():
            sections[section] = {**sections.get(section, {}), **fields}
        lines: list[str] = []
        for section, values in sections.items():
            # a JSON string is a TOML string
            lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items()), ""]
        self.config_path.write_text("\n".join(lines), encoding="utf-8")
        return self.config_path

    def start_daemon(self) -> subprocess.Popen[bytes]:
        """Start the recorder; its log is added to that of earlier starts."""
        with self.log_path.open("ab") as log:
            self._daemon = subprocess.Popen(
                command_line("run", "--config", os.fspath(self.write_config()), "--until-stdin-closes"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**environment(), **self._daemon_environment},
            )
        return self._daemon

    @property
    def pid(self) -> int:
        """The recorder's process."""
        assert self._daemon is not None
        return self._daemon.pid

    def ask(self, command: str, **arguments: object) -> Any:
        """Send a command to the recorder's control socket."""
        return asyncio.run(ask(self.data_directory / "control.sock", command, **arguments))

    def status(self) -> dict[str, Any] | None:
        """What the recorder says of itself; None while nobody answers."""
        assert self._daemon is not None
        assert self._daemon.poll() is None, f"the recorder ended with {self._daemon.returncode}:\n{self.log_text()}"
        try:
            picture: dict[str, Any] = self.ask("status")
        except DaemonAwayError:
            return None
        return picture

    def until_status(
        self, what: str, condition: Callable[[dict[str, Any]], Any], *, deadline_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        """Wait until the recorder's status fulfils a condition, and return that status."""

        def holds() -> dict[str, Any] | None:
            picture = self.status()
            return picture if picture is not None and condition(picture) else None

        return until(what, holds, deadline_s=deadline_s)

    def until_recording(self, *, database: bool = True) -> dict[str, Any]:
        """Wait until slots are scanned, and (unless told otherwise) written."""
        return self.until_status(
            "recording",
            lambda picture: (
                picture["scans"]["completed"] > 0
                and picture["process"] is not None
                and (not database or picture["writer"]["state"] == "writing")
            ),
            deadline_s=START_S,
        )

    def until_more_slots(self, slots: int) -> dict[str, Any]:
        """Wait until so many more slots have ended, however."""
        first = self.until_status("status", lambda _picture: True)["scans"]["scheduled"]
        return self.until_status(f"{slots} more slots", lambda picture: picture["scans"]["scheduled"] >= first + slots)

    def until_run_stored(self, kind: str = "recipe") -> Mapping[str, Any]:
        """Wait until the newest run of a kind is ended in the database, and return it."""

        def ended() -> Mapping[str, Any] | None:
            runs = self.records.runs(kind)
            return runs[-1] if runs and runs[-1]["ended_at"] is not None else None

        return until(f"the end of a {kind} run", ended, deadline_s=60)

    def kill(self) -> SpoolContent:
        """End the recorder as kill -9 or a crash does, wait for the server to notice, and read what is on disk."""
        assert self._daemon is not None
        _kill(self._daemon)
        self._daemon = None
        self.until_sessions_ended()
        return self.spool()

    def until_sessions_ended(self) -> None:
        """Wait until the server has no session of this recorder any more; at once where there is no server."""
        try:
            until("the end of its sessions", lambda: self.records.writers(self.number) == 0)
        except (OSError, DatabaseError):
            return

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask the recorder to end, and return its exit status.

        Raises:
            TimeoutExpired: it took longer than the 10 s that it may take.
        """
        assert self._daemon is not None
        self._daemon.send_signal(number)
        status = self._daemon.wait(END_S)
        _kill(self._daemon)
        self._daemon = None
        return status

    def spool(self) -> SpoolContent:
        """What is in the recorder's spool."""
        return read_spool(self.data_directory / "spool.sqlite3")

    def log(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event in the recorder's log, over all starts."""
        lines = [json.loads(line) for line in self.log_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def log_text(self) -> str:
        """The recorder's log, over all starts."""
        return self.log_path.read_text(encoding="utf-8") if self.log_path.exists() else ""


def _with_interval(source: Path, target: Path, interval_ms: int) -> Path:
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({**row, "scan_interval_ms": interval_ms} for row in rows)
    return target


def _kill(process: "subprocess.Popen[Any]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
