"""A sampler on a device in memory, with a real spool, and time that passes only while it sleeps or reads."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hal.device import Device
from hal.link import Block, Link, Reading
from hal.memory import MemoryDevice
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from hal.plan import ReadPlan, plan_reads
from recorder.acquisition.grid import Grid
from recorder.acquisition.recording import Recording, Roles
from recorder.acquisition.sampler import Sampler
from recorder.clock.clock import Clock
from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import Process, ProcessKind, RunContext
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder
from tests.recorder.copy_format import Row, read_rows
from tests.recorder.fake_time import FakeTime

INTERVAL_MS = 100


def holding(parameter_id: int, address: int, data_type: DataType = DataType.UINT16, **fields: Any) -> Parameter:
    """A holding register."""
    return Parameter(
        parameter_id=parameter_id,
        name=f"tool/{parameter_id}",
        kind=RegisterKind.HOLDING_REGISTER,
        address=address,
        data_type=data_type,
        word_order=WordOrder.ABCD,
        **fields,
    )


RUN_STATE = holding(1, 0)
RUN_COUNTER = holding(2, 200)
"""Far from the others: a block of its own, which can fail alone."""
STEP = holding(3, 1)
CYCLE = holding(4, 2)
PRESSURE = holding(5, 3, DataType.FLOAT32)
RECIPE = holding(6, 10, DataType.ASCII, length=8)
PARAMETERS = (RUN_STATE, RUN_COUNTER, STEP, CYCLE, PRESSURE, RECIPE)
ROLES = Roles(run_state=1, run_counter=2, recipe=6, step=3, cycle=4)


class _TimedLink:
    """A link whose readings are of the fake time; each takes as long as the bench says."""

    def __init__(self, link: Link, bench: "Bench") -> None:
        self._link = link
        self._bench = bench

    @property
    def lost(self) -> asyncio.Event:
        return self._link.lost

    @property
    def parallel(self) -> int:
        return self._link.parallel

    async def read(self, block: Block) -> Reading:
        bench = self._bench
        requested_ns = bench.time.monotonic_ns
        if bench.works_s:
            bench.time.pass_s(bench.works_s.pop(0))
        reading = await self._link.read(block)
        bench.time.pass_s(bench.request_s)
        return replace(reading, requested_ns=requested_ns, responded_ns=bench.time.monotonic_ns)

    async def write(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        await self._link.write(kind, address, values)

    async def close(self) -> None:
        await self._link.close()


class _Halt:
    """Sleeps in fake time up to an end, then says so and waits to be stopped."""

    def __init__(self, time: FakeTime, end_ns: int) -> None:
        self._time = time
        self._end_ns = end_ns
        self.reached = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        if self._time.monotonic_ns + seconds * 1e9 >= self._end_ns:
            self.reached.set()
            await asyncio.Event().wait()
        await self._time.sleep(seconds)


@dataclass(kw_only=True)
class Bench:
    """All that a sampler needs, for one life of the recorder.

    Attributes:
        request_s: how long each request takes.
        works_s: how much longer the next requests take, one after the other.
    """

    time: FakeTime
    clock: Clock
    memory: MemoryDevice
    device: Device
    spool: Spool
    recording: Recording
    plan: ReadPlan
    interval_ms: int = INTERVAL_MS
    request_s: float = 0.001
    works_s: list[float] = field(default_factory=list)

    def tool(self, run_state: int, run_counter: int = 0, *, step: int = 0, cycle: int = 0, recipe: str = "") -> None:
        """Let the tool show these roles."""
        for parameter, value in ((RUN_STATE, run_state), (RUN_COUNTER, run_counter), (STEP, step), (CYCLE, cycle)):
            self.memory.put(parameter, value)
        self.memory.put(RECIPE, recipe)

    def sampler(self, halt: _Halt | None = None) -> Sampler:
        """A sampler of the plan, whose grid sleeps in fake time."""
        grid = Grid(
            interval_ms=self.interval_ms,
            clock=self.clock,
            after=self.recording.last_slots.get(f"{self.device.name}/{self.interval_ms}", -1),
            sleep=halt.sleep if halt else self.time.sleep,
        )
        return Sampler(
            device=self.device, plan=self.plan, interval_ms=self.interval_ms, recording=self.recording, grid=grid
        )

    async def sample(self, seconds: float) -> None:
        """Let a new sampler work for so long, then stop it."""
        halt = _Halt(self.time, self.time.monotonic_ns + round(seconds * 1e9))
        sampler = self.sampler(halt)
        task = asyncio.create_task(sampler.run())
        await halt.reached.wait()
        sampler.stop()
        with suppress(asyncio.CancelledError):
            await task

    async def entries(self) -> list[Entry]:
        """All that was spooled."""
        return [spooled.entry for spooled in await self.spool.peek(after=0, max_rows=10**9)]

    async def rows(self) -> list[Row]:
        """All rows that were spooled, in order of time."""
        return sorted(row for entry in await self.entries() for row in read_rows(entry.rows))

    async def accounting(self) -> list[SlotCount]:
        """All counts that were spooled."""
        return [count for entry in await self.entries() for count in entry.accounting]

    async def told(self) -> list[str]:
        """What the process entries tell."""
        return [
            " ".join(str(e.header[key]) for key in ("event", "kind", "number", "status") if key in e.header)
            for e in await self.entries()
            if e.kind is EntryKind.PROCESS
        ]


class _DeviceClock:
    def __init__(self, time: FakeTime) -> None:
        self._time = time

    def monotonic_ns(self) -> int:
        return self._time.monotonic_ns

    async def sleep(self, seconds: float) -> None:
        """Try again at once: a test of the sampler has nothing to wait for."""
        await asyncio.sleep(0)


@asynccontextmanager
async def bench(
    folder: Path,
    *,
    time: FakeTime,
    memory: MemoryDevice,
    roles: Roles = ROLES,
    parameters: Sequence[Parameter] = PARAMETERS,
    max_bytes: int = 100_000_000,
    interval_ms: int = INTERVAL_MS,
) -> AsyncIterator[Bench]:
    """One life of the recorder, from opening the spool to closing it."""
    clock = time.clock()
    async with Spool(folder / "spool.sqlite3", max_bytes=max_bytes) as spool:
        state: Mapping[str, Any] = spool.state
        tracker = ProcessTracker(
            mint=ProcessIdMint(recorder=1),
            context=RunContext(machine="tool", definitions_version="v"),
            has_run_state=roles.run_state is not None,
            state=state.get("tracker"),
        )
        recording = Recording(
            spool=spool, tracker=tracker, clock=clock, latency=LatencyRecorder(), roles=roles, state=state
        )

        async def connect() -> Link:
            return _TimedLink(await memory.connect(), made)

        device = Device("plc", connect, clock=_DeviceClock(time))
        made = Bench(
            time=time,
            clock=clock,
            memory=memory,
            device=device,
            spool=spool,
            recording=recording,
            plan=plan_reads(parameters),
            interval_ms=interval_ms,
        )
        task = asyncio.create_task(device.run())
        try:
            await device.wait_connected()
            yield made
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def slots(accounting: list[SlotCount]) -> Counter[tuple[str, str]]:
    """Slots by outcome and cause."""
    counted: Counter[tuple[str, str]] = Counter()
    for count in accounting:
        counted[count.outcome, count.cause] += count.slots
    return counted


def spread(interval_ms: int, first: int, end: int) -> list[SlotCount]:
    """How a sampler of this interval counts skipped slots by minute."""
    sampler = Sampler.__new__(Sampler)
    sampler._interval_ms = interval_ms
    sampler._device = Device("plc", MemoryDevice("plc").connect)
    process = Process(process_id=1, kind=ProcessKind.RECIPE, started_us=0)
    return sampler._spread(process, first, end, Outcome.SKIPPED, "overrun")
