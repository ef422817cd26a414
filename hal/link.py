"""A connection to one unit: what a device needs of it, and no more."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hal.errors import DefinitionError
from hal.parameter import LAST_ADDRESS, RegisterKind

MOST_WRITTEN: Final = {RegisterKind.COIL: 1_968, RegisterKind.HOLDING_REGISTER: 123}
"""Values of one write: MODBUS Application Protocol Specification V1.1b3, sections 6.11 and 6.12."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Neighbouring addresses of one kind, read by one request.

    Attributes:
        address: first address, counted from 0.
        count: words of a register kind (at most 125), bits of a bit kind (at most 2,000).
    """

    kind: RegisterKind
    address: int
    count: int

    def __str__(self) -> str:
        return f"{self.kind} {self.address}..{self.address + self.count - 1}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What one request brought, and when.

    Attributes:
        data: shape ``(count,)``; uint16 words of a register kind, bool of a bit kind.
        requested_ns: monotonic nanoseconds just before the request was sent; where it waited in the device behind
            another, those of the answer before its own.
        responded_ns: monotonic nanoseconds just after its answer was complete.
        is_after_flush: whether the line had to be flushed since this unit answered last, so that the data might be
            those of an earlier request.
    """

    data: npt.NDArray[np.uint16] | npt.NDArray[np.bool_]
    requested_ns: int
    responded_ns: int
    is_after_flush: bool = False


class Link(Protocol):
    """An open connection. It is made open, used, and closed once; it never reconnects by itself.

    Requests of concurrent callers go out in the order in which they came, `parallel` of them at a time at most. A late
    answer is never taken for the next one: after any failure but a `RefusedError`, and after a cancellation in
    mid-request, the connection is closed. A line that is shared, or has nothing to close, is flushed instead; then the
    next reading says `is_after_flush`, and a unit that stays silent loses its link.
    """

    @property
    def lost(self) -> asyncio.Event:
        """Set once the connection is gone, whoever closed it and for whatever reason."""
        ...

    @property
    def parallel(self) -> int:
        """Requests worth having under way: as many as go out at a time, or one more that goes out with an answer."""
        ...

    async def read(self, block: Block) -> Reading:
        """Read a block with one request.

        Raises:
            LinkError: one of its subclasses; then nothing was read.
        """
        ...

    async def write(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        """Write words to holding registers or bits (0 or 1) to coils with one request.

        Raises:
            DefinitionError: no request can write this; nothing was sent.
            LinkError: one of its subclasses; after a time-out the device may have taken the values.
        """
        ...

    async def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        ...


@runtime_checkable
class MaskWrite(Protocol):
    """A link that can let the device itself change bits of a holding register, so that no other bit is lost."""

    async def mask_write(self, address: int, *, and_mask: int, or_mask: int) -> None:
        """Set the register to (its word & and_mask) | (or_mask & ~and_mask).

        Raises:
            DefinitionError: no request can say this; nothing was sent.
            LinkError: one of its subclasses; `RefusedError` 1 where the device knows no such function.
        """
        ...


@runtime_checkable
class ReadWrite(Protocol):
    """A link that can write and read in one transaction."""

    async def read_write(self, block: Block, address: int, values: Sequence[int]) -> Reading:
        """Write words to holding registers, then read a block of holding registers.

        Raises:
            DefinitionError: no request can say this; nothing was sent.
            LinkError: one of its subclasses; after a time-out the device may have taken the values.
        """
        ...


@runtime_checkable
class Identify(Protocol):
    """A link that can ask what it has before it, for `check` and `discover`."""

    async def identify(self) -> Mapping[str, str]:
        """Read who the device says that it is; empty where it cannot say.

        Raises:
            LinkError: it gave no answer.
        """
        ...

    async def knows(self, function_code: int) -> bool:
        """Ask whether the device knows a function that only reads (1 to 4, 43).

        Raises:
            DefinitionError: the function may write.
            LinkError: it gave no answer.
        """
        ...


Connect = Callable[[], Awaitable[Link]]
"""Opens a new connection; raises `NotConnectedError` where it cannot."""


def check_write(kind: RegisterKind, address: int, values: Sequence[int]) -> str:
    """Name the operation of a write, or refuse one that no request can carry.

    Raises:
        DefinitionError: the kind cannot be written, or there are no or too many values, or they do not fit.
    """
    operation = f"write {kind} {address}..{address + len(values) - 1}"
    most = MOST_WRITTEN.get(kind)
    if most is None:
        raise DefinitionError(f"{operation}: only coils and holding registers can be written")
    if not 1 <= len(values) <= most:
        raise DefinitionError(f"{operation}: one request writes 1…{most} values, not {len(values)}")
    if not 0 <= address <= LAST_ADDRESS + 1 - len(values):
        raise DefinitionError(f"{operation}: the addresses end at {LAST_ADDRESS}")
    highest = 1 if kind.is_bit else 0xFFFF
    for value in values:
        if not 0 <= value <= highest:
            raise DefinitionError(f"{operation}: {value} is outside 0…{highest}")
    return operation
