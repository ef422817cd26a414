"""Reads for a person who asks: paced, never an address that is forbidden, and over a new connection after a loss."""

from types import TracebackType
from typing import Protocol, Self

from hal.clock import Clock, SystemClock
from hal.errors import RefusedError
from hal.limits import DEFAULT_LIMITS, PlanLimits
from hal.link import Block, Connect, Link, Reading


class BlockReader(Protocol):
    """Whatever reads one block with one request: a link, a `SurveyReader`, or a daemon that was asked to."""

    async def read(self, block: Block) -> Reading:
        """Read a block.

        Raises:
            LinkError: nothing was read.
        """
        ...


class Pace:
    """Keeps requests apart, so that a survey leaves a device its time for others.

    Args:
        rate_per_s: most requests a second.
    """

    def __init__(self, rate_per_s: float, *, clock: Clock | None = None) -> None:
        self._interval_ns = round(1e9 / rate_per_s)
        self._clock = clock or SystemClock()
        self._next_ns = 0

    async def wait(self) -> None:
        """Wait until the next request may go out."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ns:
            await self._clock.sleep((self._next_ns - now_ns) / 1e9)
        self._next_ns = max(now_ns, self._next_ns) + self._interval_ns


class SurveyReader:
    """Owns one connection for the length of a survey; an async context manager.

    It connects with the first request, and again with the next one after a loss; it never tries a request twice.

    Attributes:
        requests: made so far.
    """

    def __init__(self, connect: Connect, *, pace: Pace | None = None) -> None:
        self.requests = 0
        self._connect = connect
        self._pace = pace
        self._link: Link | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._link is not None:
            await self._link.close()
            self._link = None

    async def link(self) -> Link:
        """The open connection, paced as for a request.

        Raises:
            NotConnectedError: there is none to be had.
        """
        if self._pace is not None:
            await self._pace.wait()
        if self._link is not None and self._link.lost.is_set():
            await self.close()
        if self._link is None:
            self._link = await self._connect()
        return self._link

    async def read(self, block: Block) -> Reading:
        """Read a block."""
        link = await self.link()
        self.requests += 1
        return await link.read(block)


async def attempt(reader: BlockReader, block: Block, *, limits: PlanLimits = DEFAULT_LIMITS) -> Reading | None:
    """Read a block; None where the device refuses it, or the configuration forbids to ask for it.

    Raises:
        LinkError: the device gave no answer at all.
    """
    if limits.forbidden_within(block.kind, block.address, block.address + block.count - 1) is not None:
        return None
    try:
        return await reader.read(block)
    except RefusedError:
        return None
