"""What the contract of `hal.link.Link` is tested on, and the device in memory."""

import asyncio
from collections.abc import Sequence
from typing import Literal, Protocol

from hal.link import Link
from hal.memory import MemoryDevice
from hal.parameter import RegisterKind

ADDRESSES = 304
"""Each kind has the addresses 0…303; what lies behind is refused with exception 2."""

REQUEST_TIMEOUT_S = 0.5


class Hold(asyncio.Event):
    """Holds one answer back until it is set, and says when its request has arrived."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.arrived.set()
        return await super().wait()


class Subject(Protocol):
    """A device under test: what it holds, and its faults."""

    @property
    def is_flushed(self) -> bool:
        """Whether its line is flushed after a request without an answer, rather than closed."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests that its links have outstanding at a time."""
        ...

    async def connect(self) -> Link: ...

    async def put(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None: ...

    def hold_next(self) -> Hold:
        """Hold the next answer back."""
        ...

    def short_next(self) -> None:
        """Make the next answer to a read too short."""
        ...

    def disconnect(self) -> None:
        """Close every connection from the device's side."""
        ...

    @property
    def order(self) -> list[int]:
        """Addresses of the requests that arrived, in order."""
        ...


class MemorySubject:
    """A `MemoryDevice`."""

    is_flushed = False
    in_flight = 1

    def __init__(self) -> None:
        self._device = MemoryDevice("memory", request_timeout_s=REQUEST_TIMEOUT_S)
        for kind in RegisterKind:
            self._device.refuse(kind, range(ADDRESSES, 65_536))

    async def connect(self) -> Link:
        return await self._device.connect()

    async def put(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        self._device.put_raw(kind, address, values)

    def hold_next(self) -> Hold:
        hold = Hold()
        self._device.delay_next(hold)
        return hold

    def short_next(self) -> None:
        self._device.short_next()

    def disconnect(self) -> None:
        self._device.disconnect()

    @property
    def order(self) -> list[int]:
        return self._device.addresses
