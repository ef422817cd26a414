"""A device in memory with its owner and a clock that stands, for tests of its scans, connection and writes."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hal.backoff import Backoff
from hal.device import Device
from hal.health import DeviceEvent, DeviceState
from hal.memory import MemoryDevice
from hal.parameter import DataType
from hal.plan import plan_reads
from tests.hal.parameters import coil, holding

NAN = math.nan


PRESSURE = holding(1, 0, DataType.FLOAT32, set_value_parameter_id=2)


SET_PRESSURE = holding(2, 2, DataType.FLOAT32)


FLOW = holding(3, 500, DataType.UINT16, scale=0.1)


VALVE = coil(4, 15)


RECIPE = holding(5, 900, DataType.ASCII, length=4)


EVERYTHING = [FLOW, PRESSURE, VALVE, RECIPE, SET_PRESSURE]


PLAN = plan_reads(EVERYTHING)
"""Four blocks: the coil, then holding registers 0..3, 500, 900..903; rows 3, 1, 4, 2."""


class StoppedClock:
    """A clock whose sleeps end when the test says so."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.sleeps: asyncio.Queue[float] = asyncio.Queue()
        self._awake = asyncio.Event()

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self._awake.clear()
        self.sleeps.put_nowait(seconds)
        await self._awake.wait()
        self.now_ns += round(seconds * 1e9)

    def wake(self) -> None:
        self._awake.set()


class Bench:
    """A device in memory, its owner, and what the owner told."""

    def __init__(self) -> None:
        self.memory = MemoryDevice("plc", request_timeout_s=0.05)
        self.clock = StoppedClock()
        self.events: list[DeviceEvent] = []
        self.told: asyncio.Queue[DeviceEvent] = asyncio.Queue()
        backoff = Backoff(chance=lambda: 1.0)
        self.device = Device("plc", self.memory.connect, backoff=backoff, clock=self.clock, on_event=self._note)
        for parameter, value in ((PRESSURE, 1.5), (SET_PRESSURE, 2.0), (FLOW, 20.0), (VALVE, 1.0), (RECIPE, "Al2O3")):
            self.memory.put(parameter, value)

    def _note(self, event: DeviceEvent) -> None:
        self.events.append(event)
        self.told.put_nowait(event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the connection as the daemon does."""
        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(self.device.run())
            yield
            owner.cancel()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Run until there is a connection."""
        async with self.running():
            await self.device.wait_connected()
            yield


async def until_told(bench: Bench, state: DeviceState, *, times: int) -> None:
    """Wait until a state was told so many times."""
    while [event.state for event in bench.events].count(state) < times:
        await bench.told.get()
