"""Time that passes only when a test says so."""

import asyncio

from recorder.clock.clock import Clock

NOON_US = 1_700_049_600_000_000
"""2023-11-15 12:00 UTC."""


class FakeTime:
    """A wall clock and a monotonic clock that are moved by hand, and by those who sleep.

    Attributes:
        monotonic_ns: monotonic time.
        wall_us: UTC of the machine; `pass_s` moves both, a test may set either.
    """

    def __init__(self, *, wall_us: int = NOON_US, monotonic_ns: int = 5_000_000_000) -> None:
        self.wall_us = wall_us
        self.monotonic_ns = monotonic_ns

    def clock(self) -> Clock:
        """A clock that reads this time."""
        return Clock(wall_ns=lambda: self.wall_us * 1000, monotonic_ns=lambda: self.monotonic_ns)

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic_ns += round(seconds * 1e9)
        self.wall_us += round(seconds * 1e6)

    async def sleep(self, seconds: float) -> None:
        """Sleep without waiting, but let others run."""
        self.pass_s(seconds)
        await asyncio.sleep(0)
