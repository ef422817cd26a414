"""Link in memory, with faults scripted by method.

It stands for a device in tests and demonstrations, and passes the same contract tests as the link over Modbus.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.codec import decode, encode
from hal.errors import LinkError, MalformedError, NotConnectedError, RefusedError, RequestTimeoutError
from hal.link import Block, Reading, check_write
from hal.parameter import LAST_ADDRESS, Parameter, RegisterKind

_ILLEGAL_FUNCTION: Final = 1
_ILLEGAL_DATA_ADDRESS: Final = 2
_UNANSWERED: Final = "closed because an earlier request was not answered"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Refusal:
    kind: RegisterKind
    addresses: range
    exception_code: int

    def hits(self, kind: RegisterKind, first: int, count: int) -> bool:
        return kind is self.kind and first < self.addresses.stop and first + count > self.addresses.start


class MemoryDevice:
    """A device whose registers are arrays, and whose faults are methods.

    A fault named ``..._next`` waits for the next request and is used up by it; several wait in order.

    Args:
        name: name of the device, as errors call it.
        request_timeout_s: how long its links wait for a delayed answer.
        parallel: requests that each of its links has under way at the same time, at most.
    """

    def __init__(self, name: str, *, request_timeout_s: float = 1.0, parallel: int = 1) -> None:
        self.name = name
        self.parallel = parallel
        self.request_timeout_s = request_timeout_s
        self.addresses: list[int] = []
        """First address of each request that reached the device, in order."""
        self.knows_mask_write = False
        """Whether it changes bits of a register itself; else it refuses the function."""
        self.connects = 0
        """Connections that were opened."""
        self._image: dict[RegisterKind, npt.NDArray[np.uint16]] = {
            kind: np.zeros(LAST_ADDRESS + 1, np.uint16) for kind in RegisterKind
        }
        self._links: set[MemoryLink] = set()
        self._unreachable: str | None = None
        self._refusals: list[_Refusal] = []
        self._errors: deque[LinkError] = deque()
        self._delays: deque[float | asyncio.Event] = deque()
        self._shorts = 0

    async def connect(self) -> "MemoryLink":
        """Open a link; this method is the `hal.link.Connect` of the device."""
        if self._unreachable is not None:
            raise NotConnectedError(operation="connect to memory", device=self.name, reason=self._unreachable)
        self.connects += 1
        link = MemoryLink(self)
        self._links.add(link)
        return link

    def put(self, parameter: Parameter, value: float | str) -> None:
        """Let the device say this value from now on."""
        self.put_raw(parameter.kind, parameter.address, encode(parameter, value).tolist())

    def put_raw(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        """Set words, or bits as 0 and 1."""
        self._image[kind][address : address + len(values)] = values

    def get(self, parameter: Parameter) -> float | str:
        """Return what the device holds for a parameter."""
        return decode(parameter, self.get_raw(parameter.kind, parameter.address, parameter.words))

    def get_raw(self, kind: RegisterKind, address: int, count: int) -> npt.NDArray[np.uint16]:
        """Return a copy of words, or of bits as 0 and 1."""
        return self._image[kind][address : address + count].copy()

    def fail_next(self, error: LinkError) -> None:
        """Let the next request raise this error."""
        self._errors.append(error)

    def refuse(self, kind: RegisterKind, addresses: range, exception_code: int = _ILLEGAL_DATA_ADDRESS) -> None:
        """Refuse every request that touches one of these addresses, until `accept_all`."""
        self._refusals.append(_Refusal(kind=kind, addresses=addresses, exception_code=exception_code))

    def accept_all(self) -> None:
        """Refuse no address any more."""
        self._refusals.clear()

    def delay_next(self, delay: float | asyncio.Event) -> None:
        """Answer the next request after so many seconds, or after an event is set."""
        self._delays.append(delay)

    def short_next(self) -> None:
        """Answer the next read with one word or bit too few."""
        self._shorts += 1

    def disconnect(self) -> None:
        """Close every open link, as a device that restarts."""
        for link in list(self._links):
            link.drop("closed by the device")

    def become_unreachable(self, reason: str = "Connection refused") -> None:
        """Close every open link and accept no other, until `become_reachable`."""
        self._unreachable = reason
        self.disconnect()

    def become_reachable(self) -> None:
        """Accept links again."""
        self._unreachable = None

    def forget(self, link: "MemoryLink") -> None:
        """Know a closed link no more."""
        self._links.discard(link)

    async def answer(self, operation: str, kind: RegisterKind, address: int, count: int) -> None:
        """Take one request and play the faults that wait for it."""
        self.addresses.append(address)
        if self._delays:
            delay = self._delays.popleft()
            await (delay.wait() if isinstance(delay, asyncio.Event) else asyncio.sleep(delay))
        if self._errors:
            raise self._errors.popleft()
        codes = [refusal.exception_code for refusal in self._refusals if refusal.hits(kind, address, count)]
        if address + count > LAST_ADDRESS + 1:
            codes.append(_ILLEGAL_DATA_ADDRESS)
        if codes:
            raise RefusedError(operation=operation, device=self.name, exception_code=codes[0])

    def take_short(self) -> bool:
        """Return whether this read is to be answered too short."""
        if self._shorts == 0:
            return False
        self._shorts -= 1
        return True


class MemoryLink:
    """An open connection to a `MemoryDevice`, made by its `connect`."""

    def __init__(self, device: MemoryDevice) -> None:
        self._device = device
        self._turn = asyncio.Semaphore(device.parallel)
        self._lost = asyncio.Event()
        self._lost_reason = "the connection is closed"
        self._deadlines: set[asyncio.Timeout] = set()

    @property
    def lost(self) -> asyncio.Event:
        """Set once the connection is gone."""
        return self._lost

    @property
    def parallel(self) -> int:
        """Requests that go out at the same time."""
        return self._device.parallel

    async def read(self, block: Block) -> Reading:
        """Read a block with one request."""
        operation = f"read {block}"
        requested_ns = await self._ask(operation, block.kind, block.address, block.count)
        words = self._device.get_raw(block.kind, block.address, block.count)
        if self._device.take_short():
            self._give_up()
            reason = f"{block.count} values are due, the answer brings {block.count - 1}"
            raise MalformedError(operation=operation, device=self._device.name, reason=reason)
        data = words.astype(np.bool_) if block.kind.is_bit else words
        return Reading(data=data, requested_ns=requested_ns, responded_ns=time.monotonic_ns())

    async def write(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        """Write words or bits with one request."""
        operation = check_write(kind, address, values)
        await self._ask(operation, kind, address, len(values))
        self._device.put_raw(kind, address, values)

    async def mask_write(self, address: int, *, and_mask: int, or_mask: int) -> None:
        """Let the device change bits of a holding register, where it `knows_mask_write`."""
        operation, kind = f"mask write holding_register {address}", RegisterKind.HOLDING_REGISTER
        await self._ask(operation, kind, address, 1)
        if not self._device.knows_mask_write:
            raise RefusedError(operation=operation, device=self._device.name, exception_code=_ILLEGAL_FUNCTION)
        word = int(self._device.get_raw(kind, address, 1)[0])
        self._device.put_raw(kind, address, [(word & and_mask) | (or_mask & ~and_mask)])

    async def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        self.drop("the connection is closed")

    def drop(self, reason: str) -> None:
        """Close the connection now; a request that is under way fails with this reason."""
        if self._lost.is_set():
            return
        self._lost_reason = reason
        self._lost.set()
        self._device.forget(self)
        for deadline in self._deadlines:
            deadline.reschedule(asyncio.get_running_loop().time())

    async def _ask(self, operation: str, kind: RegisterKind, address: int, count: int) -> int:
        """Make one request; return when it was sent, in monotonic nanoseconds."""
        async with self._turn:
            if self._lost.is_set():
                raise NotConnectedError(operation=operation, device=self._device.name, reason=self._lost_reason)
            requested_ns = time.monotonic_ns()
            deadline = asyncio.timeout(self._device.request_timeout_s)
            try:
                async with deadline:
                    self._deadlines.add(deadline)
                    try:
                        await self._device.answer(operation, kind, address, count)
                    finally:
                        self._deadlines.discard(deadline)
            except RefusedError:
                raise
            except TimeoutError as error:
                raise self._unanswered(operation, error) from error
            except BaseException:
                self._give_up()
                raise
            return requested_ns

    def _unanswered(self, operation: str, error: TimeoutError) -> LinkError:
        """Say why a request ended without an answer: a loss, a fault that was scripted, or the deadline."""
        name = self._device.name
        if self._lost.is_set():
            return NotConnectedError(operation=operation, device=name, reason=self._lost_reason)
        self._give_up()
        if isinstance(error, LinkError):
            return error
        reason = f"no answer within {self._device.request_timeout_s:g} s"
        return RequestTimeoutError(operation=operation, device=name, reason=reason)

    def _give_up(self) -> None:
        self.drop(_UNANSWERED)
