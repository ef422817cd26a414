"""The real recorder inside the test's own process: device, sampler, spool, writer and PostgreSQL, and no daemon."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from hal.backoff import Backoff
from hal.device import Device
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.plan import ReadPlan, plans_by_interval
from recorder.acquisition.grid import Grid, Slot
from recorder.acquisition.recording import Recording, Roles
from recorder.acquisition.sampler import Sampler
from recorder.clock.clock import Clock
from recorder.database import Database, DatabaseSettings, single_session
from recorder.definitions.definitions import DefinitionSet, load_definitions
from recorder.definitions.file import read_definition_file
from recorder.definitions.importing import write
from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import RunContext
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder
from recorder.writer.holder import Holder
from recorder.writer.statements import PREPARED
from recorder.writer.writer import Writer

MACHINE = "Bench tool"


class EagerGrid(Grid):
    """Slots as fast as they can be scanned, so many of them; then it says so and waits to be stopped."""

    def __init__(self, *, slots: int, interval_ms: int, clock: Clock) -> None:
        super().__init__(interval_ms=interval_ms, clock=clock)
        self._left = slots
        self._number = self.first
        self._bench_clock = clock
        self.done = asyncio.Event()

    async def next(self) -> Slot:
        """Give the next slot at once."""
        if self._left == 0:
            self.done.set()
            await asyncio.Event().wait()
        self._left -= 1
        self._number += 1
        return Slot(number=self._number, due_ns=self._bench_clock.monotonic_ns(), skipped=0)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One stored row."""

    value: float | None
    quality: int


@dataclass(kw_only=True)
class Bench:
    """A recorder that does nothing on its own.

    Attributes:
        ids: parameter id by full name.
    """

    database_url: str
    definitions: DefinitionSet
    device: Device
    recording: Recording
    clock: Clock
    writer: Writer
    plans: Mapping[int, ReadPlan]
    ids: Mapping[str, int] = field(default_factory=dict)

    async def record(self, *, slots: int, interval_ms: int | None = None, real_time_s: float | None = None) -> None:
        """Record so many scans of one plan, and wait until they are in the database.

        Args:
            slots: how many.
            interval_ms: of the plan; None where there is one only.
            real_time_s: at this distance; None records as fast as it goes.
        """
        interval_ms = interval_ms or next(iter(self.plans))
        grid = EagerGrid(slots=slots, interval_ms=interval_ms, clock=self.clock)
        if real_time_s is not None:
            grid = _Paced(slots=slots, interval_ms=interval_ms, clock=self.clock, distance_s=real_time_s)
        sampler = Sampler(
            device=self.device,
            plan=self.plans[interval_ms],
            interval_ms=interval_ms,
            recording=self.recording,
            grid=grid,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sampler.run(), name="sampler")
            await grid.done.wait()
            sampler.stop()
        await self.writer.drained()

    async def stored(self, full_name: str) -> list[Point]:
        """All rows of one parameter, in order of time."""
        connection = await asyncpg.connect(self.database_url, server_settings={"search_path": "ald"})
        try:
            rows = await connection.fetch(
                "SELECT value, quality FROM process_data_points WHERE parameter_id = $1 ORDER BY timestamp",
                self.ids[full_name],
            )
        finally:
            await connection.close()
        return [Point(value=row["value"], quality=row["quality"]) for row in rows]

    async def times_s(self, full_name: str) -> list[float]:
        """Time stamps of all rows of one parameter, in seconds since 1970."""
        connection = await asyncpg.connect(self.database_url, server_settings={"search_path": "ald"})
        try:
            rows = await connection.fetch(
                "SELECT timestamp FROM process_data_points WHERE parameter_id = $1 ORDER BY timestamp",
                self.ids[full_name],
            )
        finally:
            await connection.close()
        return [row["timestamp"].timestamp() for row in rows]

    async def slots(self) -> dict[tuple[str, str], int]:
        """Slots by outcome and cause."""
        connection = await asyncpg.connect(self.database_url, server_settings={"search_path": "ald"})
        try:
            rows = await connection.fetch(
                "SELECT outcome, cause, sum(slots)::int8 AS slots FROM acquisition_minutes GROUP BY 1, 2"
            )
        finally:
            await connection.close()
        return {(row["outcome"], row["cause"]): row["slots"] for row in rows}


class _Paced(EagerGrid):
    """Slots at a fixed distance, whatever the interval of the plan is called."""

    def __init__(self, *, slots: int, interval_ms: int, clock: Clock, distance_s: float) -> None:
        super().__init__(slots=slots, interval_ms=interval_ms, clock=clock)
        self._distance_s = distance_s
        self._next_s = asyncio.get_running_loop().time()

    async def next(self) -> Slot:
        """Wait for the next slot."""
        await asyncio.sleep(max(0.0, self._next_s - asyncio.get_running_loop().time()))
        self._next_s += self._distance_s
        return await super().next()


@asynccontextmanager
async def bench(
    database_url: str, folder: Path, map_path: Path, *, host: str, port: int, unit: int = 1, **settings: Any
) -> AsyncIterator[Bench]:
    """A recorder of one device; its definitions are those of a file."""
    async with single_session(database_url, "ald") as session:
        await write(session, MACHINE, read_definition_file(map_path))
        definitions = await load_definitions(session, MACHINE)
    clock, latency = Clock(), LatencyRecorder()
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(Spool(folder / "spool.sqlite3", max_bytes=1 << 30))
        database = Database(DatabaseSettings(dsn=database_url, schema="ald", prepared=PREPARED))
        stack.push_async_callback(database.close)
        tracker = ProcessTracker(
            mint=ProcessIdMint(recorder=0),
            context=RunContext(machine=MACHINE, definitions_version=definitions.version),
            has_run_state=False,
        )
        recording = Recording(
            spool=spool, tracker=tracker, clock=clock, latency=latency, roles=Roles(), state=spool.state
        )
        writer = Writer(
            database=database,
            spool=spool,
            holder=Holder.here(0),
            machine=MACHINE,
            clock=clock,
            latency=latency,
            marks=recording.marks,
        )
        link = tcp_link(
            ModbusTcpSettings(device="tool", host=host, port=port, unit=unit, **({"request_timeout_s": 0.5} | settings))
        )
        device = Device("tool", link, backoff=Backoff(first_s=0.02, longest_s=0.1))
        members = definitions.readable
        found = Bench(
            database_url=database_url,
            definitions=definitions,
            device=device,
            recording=recording,
            clock=clock,
            writer=writer,
            plans=plans_by_interval(definition.to_parameter() for definition in members),
            ids={definition.full_name: definition.id or 0 for definition in members},
        )
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(device.run(), name="device"), tasks.create_task(writer.run(), name="writer")]
            try:
                await device.wait_connected()
                yield found
            finally:
                for task in running:
                    task.cancel()
