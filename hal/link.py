"""A connection to one unit: what a device needs of it, and no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hal.parameter import RegisterKind


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
        requested_ns: monotonic nanoseconds just before the request was sent.
        responded_ns: monotonic nanoseconds just after its answer was complete.
    """

    data: npt.NDArray[np.uint16] | npt.NDArray[np.bool_]
    requested_ns: int
    responded_ns: int


class Link(Protocol):
    """An open connection. It is made open, used, and closed once; it never reconnects by itself."""

    async def read(self, block: Block) -> Reading:
        """Read a block with one request.

        Raises:
            LinkError: one of its subclasses; then nothing was read.
        """
        ...

    async def write(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        """Write words to holding registers or bits (0 or 1) to coils with one request.

        Raises:
            LinkError: one of its subclasses; after a time-out the device may have taken the values.
        """
        ...

    async def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        ...
