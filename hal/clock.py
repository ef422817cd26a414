"""Monotonic time and waiting, handed in, so that no test of a device has to wait."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Monotonic time and waiting."""

    def monotonic_ns(self) -> int:
        """Return monotonic nanoseconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of the machine."""

    def monotonic_ns(self) -> int:
        """Return monotonic nanoseconds."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
