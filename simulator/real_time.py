"""A served tool without a plant of its own: its faults begin and end by real time."""

import asyncio
from contextlib import AsyncExitStack
from time import monotonic
from types import TracebackType
from typing import Final, Self

from simulator.station import Station

TICK_S: Final = 0.01


class RealTimeTool:
    """An async context manager around a station, for a tool whose values follow from the time alone.

    Attributes:
        station: its port, its serial line and its faults.
    """

    def __init__(self, station: Station) -> None:
        self.station = station
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.station)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            driver = group.create_task(self._drive(), name="faults by real time")
            stack.callback(driver.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without the fault: it is the caller's, and the task group would wrap it into a group of its own.
        await self._stack.aclose()

    async def _drive(self) -> None:
        began_s = monotonic()
        while True:
            self.station.advance(monotonic() - began_s)
            await asyncio.sleep(TICK_S)
