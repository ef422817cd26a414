"""Devices that the contract of `hal.link.Link` is tested on: one in memory, one a real Modbus server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, Protocol

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hal.link import Link
from hal.memory import MemoryDevice
from hal.modbus import ModbusTcpSettings, connect
from hal.parameter import READ_FUNCTION_CODES, RegisterKind

ADDRESSES = 304
"""Each kind has the addresses 0…303; what lies behind is refused with exception 2."""

BITS_OF_A_WORD = 16

REQUEST_TIMEOUT_S = 0.2


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


class ModbusSubject:
    """A pymodbus server on loopback; faults come through its hooks."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self._holds: list[Hold] = []
        self._short = False
        self._image: dict[int, list[int]] = {code: [0] * ADDRESSES for code in READ_FUNCTION_CODES.values()}
        # Without bit addressing pymodbus takes each coil for the first of sixteen that are all its own.
        bits = [SimData(0, count=ADDRESSES, values=False, datatype=DataType.BITS)]
        words = [SimData(0, count=ADDRESSES, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(id=1, simdata=(bits, bits, words, words), use_bit_addressing=True, action=self._act)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", 0), trace_packet=self._trace)

    async def start(self) -> None:
        await self._server.serve_forever(background=True)
        port: int = self._server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        self._settings = ModbusTcpSettings(
            device="plc", host="127.0.0.1", port=port, request_timeout_s=REQUEST_TIMEOUT_S
        )

    async def stop(self) -> None:
        await self._server.shutdown()  # type: ignore[no-untyped-call]

    async def connect(self) -> Link:
        return await connect(self._settings)

    async def put(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        self._image[kind.function_code][address : address + len(values)] = values

    def hold_next(self) -> Hold:
        hold = Hold()
        self._holds.append(hold)
        return hold

    def short_next(self) -> None:
        self._short = True

    def disconnect(self) -> None:
        for connection in list(self._server.active_connections.values()):
            connection.transport.abort()  # type: ignore[attr-defined]

    async def _act(  # noqa: PLR0917  (pymodbus calls it so)
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.order.append(address)
        if self._holds:
            await self._holds.pop(0).wait()
        read_code = {5: 1, 15: 1, 6: 3, 16: 3}.get(function_code, function_code)
        image = self._image[read_code]
        if set_values is not None:
            image[address : address + len(set_values)] = [int(value) for value in set_values]
        if read_code in {1, 2}:
            words = range(0, ADDRESSES, BITS_OF_A_WORD)
            registers[:] = [sum(image[at + bit] << bit for bit in range(BITS_OF_A_WORD)) for at in words]
        else:
            registers[:] = image
        return None

    def _trace(self, sending: bool, frame: bytes) -> bytes:
        if not (sending and self._short):
            return frame
        self._short = False
        length, count = frame[5], frame[8]
        return frame[:5] + bytes((length - 2,)) + frame[6:8] + bytes((count - 2,)) + frame[9:-2]


@asynccontextmanager
async def modbus_subject() -> AsyncIterator[ModbusSubject]:
    """Serve for the length of a test."""
    subject = ModbusSubject()
    await subject.start()
    try:
        yield subject
    finally:
        await subject.stop()
