"""The plant of one scenario: a simulated tool, recorders and a schema, and at the end the judgement."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from hal.parameter import DataType, Parameter
from recorder.audit.audit import audit
from recorder.cli.fault_lab.comparison import Explanation, compare
from recorder.cli.fault_lab.recorder_process import Recorder, Settings
from recorder.cli.fault_lab.scenario import Check, Deed, Findings
from recorder.cli.fault_lab.sent import sent_scans
from recorder.cli.fault_lab.stored import Books, StoredScan, read_books, read_scans
from recorder.cli.fault_lab.tool import Tool
from recorder.cli.fault_lab.waiting import DEADLINE_S, until
from recorder.database import single_session
from recorder.definitions.definitions import Definition, load_definitions
from recorder.definitions.file import DefinitionFile, read_definition_file
from recorder.definitions.importing import write
from simulator import heater_controller, parameter_map

MACHINE: Final = "Fault lab tool"
UNITS: Final = {"plc": 1, "heater_controller": 2}
_MOST_RUNS: Final = 10_000
_FAST_BLOCK: Final = range(3000, 3068)
"""Input registers of run, valves and clock: one request brings all of them, and no two answers are alike."""


class Plant:
    """A tool that is on, a recorder that is off, and a schema with their definitions; an async context manager.

    Args:
        folder: for everything that it keeps.
        dsn: of the database; see `connect_through`.
        schema: migrated.
        seed: of the tool.
        interval_ms: of all scans.
        has_heaters: whether the tool's second unit is read too.
        settings: further sections and fields of the recorder's configuration.
    """

    def __init__(
        self,
        folder: Path,
        dsn: str,
        *,
        schema: str,
        seed: int,
        interval_ms: int = 100,
        has_heaters: bool = False,
        settings: Settings | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.dsn, self.schema = folder, dsn, schema
        self.interval_ms = interval_ms
        self.devices = tuple(UNITS) if has_heaters else ("plc",)
        self.tool = Tool(folder, seed=seed)
        self.deeds: list[Deed] = []
        self.run: int | None = None
        self._settings = settings or {}
        self._recorders: list[Recorder] = []
        self._stack = AsyncExitStack()
        self._parameters: dict[int, list[Parameter]] = {}
        self._device_of: dict[int, str] = {}
        self._began_ns = time.monotonic_ns()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.tool)
            await self._import_definitions()
            self._stack = stack.pop_all()
        await self.add_recorder("recorder")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _import_definitions(self) -> None:
        """Bring what is read into the database, and keep how the lab itself understands it."""
        path = parameter_map.definitions_path()
        found = [d for d in read_definition_file(path).definitions if _is_fast(d)]
        if "heater_controller" in self.devices:
            found += read_definition_file(heater_controller.definitions_path()).definitions
        wanted = tuple(d.model_copy(update={"scan_interval_ms": self.interval_ms}) for d in found)
        async with single_session(self.dsn, self.schema) as session:
            await write(session, MACHINE, DefinitionFile(path=path, definitions=wanted, findings=()))
            definitions = await load_definitions(session, MACHINE)
        for definition in definitions.readable:
            assert definition.id is not None
            self._device_of[definition.id] = definition.device
            if definition.data_type is not DataType.ASCII:
                self._parameters.setdefault(UNITS[definition.device], []).append(definition.to_parameter())

    async def add_recorder(self, name: str, **recorder: object) -> Recorder:
        """Make one more recorder of this tool; it is off.

        Args:
            name: of its folder.
            recorder: fields of the section of that name.
        """
        settings: dict[str, dict[str, object]] = {
            "recorder": {"machine": MACHINE, "number": 0, **recorder},
            "database": {"dsn": self.dsn, "schema": self.schema, "pool_min": 1, "pool_max": 4},
            "writer": {"backoff_max_s": 0.3},
            "clock": {"wait_s": 0},
            "log": {"format": "json"},
        }
        for device in self.devices:
            settings[f"devices.{device}"] = {
                "port": self.tool.port,
                "unit": UNITS[device],
                "backoff_max_s": 0.2,
                "request_timeout_s": 0.3,
            }
        for section, fields in self._settings.items():
            settings[section] = {**settings.get(section, {}), **fields}
        made = Recorder(self.folder / name, settings, plans=len(self.devices))
        self._recorders.append(await self._stack.enter_async_context(made))
        return made

    @property
    def recorder(self) -> Recorder:
        """The recorder of the scenario; the first where there are several."""
        return self._recorders[0]

    def did(self, what: str) -> int:
        """Note what is done now; returns the monotonic time."""
        now_ns = time.monotonic_ns()
        self.deeds.append(Deed(at_s=round((now_ns - self._began_ns) / 1e9, 2), what=what))
        return now_ns

    async def start(self, *, database: bool = True, **started: Any) -> None:
        """Start the recorder and a run by hand, and wait until it is recorded.

        Args:
            database: whether to wait for the database too.
            started: arguments of `Recorder.start`.
        """
        self._began_ns = time.monotonic_ns()
        await self.recorder.start(**started)
        await self.recorder.until_recording(database=database)
        self.run = (await self.recorder.ask("runs_start", note="fault lab"))["run"]
        self.did("recorder started, run started")
        await self.recorder.until_more_slots(3)

    @staticmethod
    async def wait(seconds: float) -> None:
        """Let the plant run."""
        await asyncio.sleep(seconds)

    async def finish(self) -> None:
        """End the run, where one is still under way, and the recorder in order, when the database has everything.

        Raises:
            LabError: the recorder does not drain, or does not end as it should.
        """
        await self.recorder.until_more_slots(3)
        picture = await self.recorder.until("a process", lambda picture: picture["process"] is not None)
        if picture["process"]["kind"] == "manual":
            await self.recorder.ask("runs_stop")
        await self.recorder.until_drained()
        await self.recorder.stop()
        self.did("recorder stopped by SIGTERM, with nothing left to write")

    async def books(self) -> Books:
        """What the recorder accounts for, at this moment."""
        return await read_books(self.dsn, self.schema)

    async def stored(self) -> list[StoredScan]:
        """What is stored, at this moment."""
        return await read_scans(self.dsn, self.schema, self._device_of)

    async def offsets(self) -> list[float]:
        """By how many seconds the wall clock was stepped, as the recorder recorded it."""
        return [event["detail"]["offset_us"] / 1e6 for event in (await self.books()).events_of("clock_step")]

    @staticmethod
    async def until(what: str, ask: Callable[[], Awaitable[bool]], *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until something holds.

        Raises:
            LabError: it never did.
        """
        await until(what, ask, deadline_s=deadline_s)

    async def judge(
        self,
        *,
        explanations: Sequence[Explanation] = (),
        checks: Sequence[Check] = (),
        settings: Mapping[str, object] | None = None,
        audit_may_say: Sequence[str] = (),
    ) -> Findings:
        """Compare what the tool sent with what is stored.

        Args:
            explanations: what the scenario took away.
            checks: of the scenario itself.
            settings: what else it was made with.
            audit_may_say: words of findings that are right here, since the scenario made them.
        """
        await self.tool.flush()
        now_ns = time.monotonic_ns()
        responses = self.tool.responses(since_ns=self._began_ns, until_ns=now_ns)
        stored = await self.stored()
        books = await self.books()
        lives = [life for recorder in self._recorders for life in recorder.lives]
        # numpy-free but long in the long form: not in the loop, where proxies and time-outs live
        comparison = await asyncio.to_thread(
            lambda: compare(
                list(sent_scans(responses, self._parameters)), stored, lives=lives, explanations=explanations
            )
        )
        due, rows = self._rows_due(books), sum(len(scan.content) for scan in stored)
        verdict, wrong = await self._audit()
        wrong = [line for line in wrong if not any(word in line for word in audit_may_say)]
        traces = sum(recorder.traces() for recorder in self._recorders)
        always = [
            Check(claim="no point is stored twice", holds=not books.doubles, found=f"{books.doubles} are"),
            Check(claim="no point belongs to no run", holds=not books.orphans, found=f"{books.orphans} do"),
            Check(
                claim="as many rows are stored as are accounted for",
                holds=not books.imbalance,
                found="; ".join(
                    f"run {run}: {rows} stored, {counted} accounted for" for run, rows, counted in books.imbalance
                ),
            ),
            Check(
                claim="every slot that ended has a row for each parameter",
                holds=due == rows,
                found=f"{rows} rows, {due} due",
            ),
            Check(claim="the recorder's own audit of each run that ended agrees", holds=not wrong, found=verdict),
            Check(claim="the recorder met no error of its own", holds=not traces, found=f"{traces} traces in its log"),
        ]
        return Findings(
            deeds=tuple(self.deeds),
            audit=verdict,
            settings={"scan_interval_ms": self.interval_ms, "devices": len(self.devices), **(settings or {})},
            comparison=comparison,
            checks=[*checks, *always],
        )

    async def _audit(self) -> tuple[str, list[str]]:
        """The recorder's own audit of each run: its verdict of the run by hand, and all reasons of any."""
        verdict = "no run was made by hand"
        wrong: list[str] = []
        async with single_session(self.dsn, self.schema) as session:
            for row in await session.fetch("list_runs", True, _MOST_RUNS):
                if row["ended_at"] is None:
                    continue  # by the database's clock it may not have begun, where that of the recorder was stepped
                audited = await audit(session, row["id"])
                wrong += [f"{row['kind']} {row['id']}: {finding.text}" for finding in audited.findings]
                if row["id"] == self.run:
                    verdict = audited.line
        return "; ".join([verdict, *wrong]), wrong

    def _rows_due(self, books: Books) -> int:
        """Rows of the slots that completed or failed: one for each parameter."""
        return sum(
            books.slots_of("completed", "late", "failed", device=device) * len(self._parameters[UNITS[device]])
            for device in self.devices
        )


def _is_fast(definition: Definition) -> bool:
    return definition.register_kind == "input_register" and definition.address in _FAST_BLOCK
