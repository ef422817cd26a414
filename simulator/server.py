"""Modbus TCP in front of the simulated tool; the only file of the simulator that knows pymodbus."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from hal.parameter import READ_FUNCTION_CODES, RegisterKind
from simulator.errors import ListenError, RequestRefusedError

_KIND_READ: Final = {code: kind for kind, code in READ_FUNCTION_CODES.items()}
_KIND_WRITTEN: Final = {
    5: RegisterKind.COIL,
    15: RegisterKind.COIL,
    6: RegisterKind.HOLDING_REGISTER,
    16: RegisterKind.HOLDING_REGISTER,
}


class Memory(Protocol):
    """What the server needs of a tool: `simulator.plc.Plc` is one."""

    def read(self, kind: RegisterKind, address: int, count: int) -> list[int]:
        """Answer a read, or raise RequestRefusedError."""
        ...

    def write(self, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
        """Take a write, or raise RequestRefusedError."""
        ...


class _Units(SimCore):
    """Hands requests to the tool's memory.

    It stands where pymodbus keeps a SimDevice, since a SimDevice with an action keeps a second copy of the memory and
    tells the action the number of 16-bit groups of a bit request only, so that an unknown coil could not be refused.
    """

    def __init__(self, memories: dict[int, Memory]) -> None:
        self._memories = memories

    def device_ids(self) -> list[int]:
        return list(self._memories)

    async def async_getValues(  # noqa: N802 (pymodbus's name)
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        # A single write is answered by what can then be read at its address.
        kind = _KIND_READ.get(func_code) or _KIND_WRITTEN.get(func_code)
        if kind is None:
            return ExcCodes.ILLEGAL_FUNCTION
        memory = self._memories.get(device_id)
        if memory is None:
            return ExcCodes.GATEWAY_NO_RESPONSE
        try:
            words = memory.read(kind, address, count)
        except RequestRefusedError as refusal:
            return ExcCodes(refusal.exception_code)
        return [word != 0 for word in words] if kind.is_bit else words

    async def async_setValues(  # noqa: N802 (pymodbus's name)
        self, device_id: int, func_code: int, address: int, values: Sequence[int | bool]
    ) -> ExcCodes | None:
        kind = _KIND_WRITTEN.get(func_code)
        if kind is None:
            return ExcCodes.ILLEGAL_FUNCTION
        memory = self._memories.get(device_id)
        if memory is None:
            return ExcCodes.GATEWAY_NO_RESPONSE
        try:
            memory.write(kind, address, [int(value) for value in values])
        except RequestRefusedError as refusal:
            return ExcCodes(refusal.exception_code)
        return None


@asynccontextmanager
async def serve(memory: Memory, *, host: str, port: int, unit: int) -> AsyncIterator[int]:
    """Serve a memory until the block ends; connections that are open then are closed.

    Args:
        memory: of the tool.
        host: address to listen on.
        port: 0 takes any free one.
        unit: Modbus unit; requests to any other are answered with exception 11.

    Yields:
        The port in use.

    Raises:
        ListenError: the address cannot be listened on.
    """
    placeholder = SimDevice(id=unit, simdata=[SimData(0, datatype=DataType.REGISTERS)])
    server = ModbusTcpServer(placeholder, address=(host, port))
    server.context = _Units({unit: memory})
    create = server.call_create

    async def create_listener() -> Any:
        # Translated here, as pymodbus logs the reason and then raises without it.
        try:
            return await create()
        except (OSError, OverflowError) as fault:
            reason = getattr(fault, "strerror", None) or str(fault)
            raise ListenError(
                f"cannot serve on {host}:{port}: {reason}; choose another port, or 0 for any free one"
            ) from fault

    server.call_create = create_listener
    await server.serve_forever(background=True)
    try:
        listener = cast("asyncio.Server", server.transport)
        yield listener.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)  # the closed sockets are let go in the loop's next turn
