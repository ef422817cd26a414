"""Link over Modbus TCP, and the only file of hal that knows pymodbus.

pymodbus opens the connection and builds the requests. The answers are judged by `hal.mbap`, because pymodbus 3.16 takes
a short answer, an answer to transaction 0 and a coil answer of any length as good, skips an answer of another unit
until the time-out, and does not tell a pending request that the peer is gone.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType

from hal.errors import (
    DefinitionError,
    MalformedError,
    NotConnectedError,
    RefusedError,
    RequestTimeoutError,
)
from hal.link import Block, Connect, Reading, check_write
from hal.mbap import Answer, Expected, frame, take_answer
from hal.parameter import RegisterKind

# pymodbus logs whole frames at ERROR for each fault. Every fault is raised here as a LinkError, so those words are
# noise; whoever wants them sets a level for the logger "pymodbus" first.
if logging.getLogger("pymodbus").level == logging.NOTSET:
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_HIGHEST_UNIT: Final = 255
_HIGHEST_PORT: Final = 65_535
_HIGHEST_TRANSACTION: Final = 0xFFFF
_ECHO_OF_MANY: Final = 4  # a write of many values is answered with address and count alone

_READ_REQUESTS: Final = {
    RegisterKind.COIL: ReadCoilsRequest,
    RegisterKind.DISCRETE_INPUT: ReadDiscreteInputsRequest,
    RegisterKind.HOLDING_REGISTER: ReadHoldingRegistersRequest,
    RegisterKind.INPUT_REGISTER: ReadInputRegistersRequest,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModbusTcpSettings:
    """Where a unit is, and how long to wait for it.

    Attributes:
        device: name of the device, as errors call it.
        unit: unit identifier, 0…255.
        connect_timeout_s: for the name and the connection together.
        request_timeout_s: from the first byte of a request to the last of its answer.

    Raises:
        DefinitionError: on a host, port, unit or time-out that cannot be.
    """

    device: str
    host: str
    port: int = 502
    unit: int = 1
    connect_timeout_s: float = 1.0
    request_timeout_s: float = 1.0

    def __post_init__(self) -> None:
        if not self.host:
            raise DefinitionError(f"{self.device}: the host is empty")
        if not 1 <= self.port <= _HIGHEST_PORT:
            raise DefinitionError(f"{self.device}: port {self.port} is outside 1…{_HIGHEST_PORT}")
        if not 0 <= self.unit <= _HIGHEST_UNIT:
            raise DefinitionError(f"{self.device}: unit {self.unit} is outside 0…{_HIGHEST_UNIT}")
        if not (self.connect_timeout_s > 0 and self.request_timeout_s > 0):
            raise DefinitionError(f"{self.device}: a time-out must be more than 0 s")


def tcp_link(settings: ModbusTcpSettings) -> Connect:
    """Make what a `hal.device.Device` needs to connect again and again."""

    async def connect_once() -> ModbusLink:
        return await connect(settings)

    return connect_once


async def connect(settings: ModbusTcpSettings) -> "ModbusLink":
    """Open a connection.

    Raises:
        NotConnectedError: it did not open; names host, port and the system's reason.
    """
    connection = _Connection(settings)
    operation = f"connect to {settings.host}:{settings.port}"
    try:
        await connection.open()
    except TimeoutError as error:
        reason = f"no connection within {settings.connect_timeout_s:g} s"
        raise NotConnectedError(operation=operation, device=settings.device, reason=reason) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotConnectedError(operation=operation, device=settings.device, reason=reason) from error
    except UnicodeError as error:
        reason = "the host is not a name that can be looked up"
        raise NotConnectedError(operation=operation, device=settings.device, reason=reason) from error
    return ModbusLink(settings, connection)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """A request as it goes out again and again, but for its transaction.

    Attributes:
        operation: how errors call it.
        pdu: function code and what follows it.
        data_bytes: of a read, the bytes of data that are due.
        echo: of a write, what the answer has to repeat behind the function code.
    """

    operation: str
    pdu: bytes
    data_bytes: int = 0
    echo: bytes = b""


class ModbusLink:
    """An open Modbus TCP connection to one unit. Made by `connect`."""

    def __init__(self, settings: ModbusTcpSettings, connection: "_Connection") -> None:
        self._settings = settings
        self._connection = connection
        self._turn = asyncio.Lock()
        self._reads: dict[Block, _Request] = {}

    @property
    def lost(self) -> asyncio.Event:
        """Set once the connection is gone."""
        return self._connection.lost

    async def read(self, block: Block) -> Reading:
        """Read a block with one request."""
        request = self._reads.get(block)
        if request is None:
            request = self._reads[block] = self._read_request(block)
        data, requested_ns, responded_ns = await self._ask(request)
        if block.kind.is_bit:
            packed = np.frombuffer(data, np.uint8)
            bits = np.unpackbits(packed, count=block.count, bitorder="little").view(np.bool_)
            return Reading(data=bits, requested_ns=requested_ns, responded_ns=responded_ns)
        words = np.frombuffer(data, ">u2").astype(np.uint16)
        return Reading(data=words, requested_ns=requested_ns, responded_ns=responded_ns)

    def _read_request(self, block: Block) -> _Request:
        operation = f"read {block}"
        request = _READ_REQUESTS[block.kind](address=block.address, count=block.count)
        data_bytes = (block.count + 7) // 8 if block.kind.is_bit else 2 * block.count
        return _Request(operation=operation, pdu=self._pdu(request, operation), data_bytes=data_bytes)

    async def write(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        """Write words or bits with one request; a single value by the function of its own."""
        operation = check_write(kind, address, values)
        message: ModbusPDU
        if kind.is_bit:
            bits = [bool(value) for value in values]
            form = WriteSingleCoilRequest if len(bits) == 1 else WriteMultipleCoilsRequest
            message = form(address=address, bits=bits)
        else:
            words = [int(value) for value in values]
            shape = WriteSingleRegisterRequest if len(words) == 1 else WriteMultipleRegistersRequest
            message = shape(address=address, registers=words)
        pdu = self._pdu(message, operation)
        await self._ask(_Request(operation=operation, pdu=pdu, echo=pdu[1 : 1 + _ECHO_OF_MANY]))

    async def close(self) -> None:
        """Close the connection; harmless when it is closed already."""
        self._connection.drop()
        await self._connection.gone.wait()

    def _pdu(self, message: ModbusPDU, operation: str) -> bytes:
        try:
            return bytes([message.function_code]) + message.encode()
        except ValueError as error:
            raise DefinitionError(f"{self._settings.device}: {operation}: {error}") from error

    async def _ask(self, request: _Request) -> tuple[bytes, int, int]:
        """Send a request and wait for its answer: data, requested_ns, responded_ns."""
        operation = request.operation
        device = self._settings.device
        connection = self._connection
        try:
            async with self._turn:
                answer = await connection.ask(request)
                requested_ns, responded_ns = connection.requested_ns, connection.responded_ns
        except TimeoutError as error:
            reason = f"no answer within {self._settings.request_timeout_s:g} s"
            raise RequestTimeoutError(operation=operation, device=device, reason=reason) from error
        except ConnectionError as error:
            raise NotConnectedError(operation=operation, device=device, reason=str(error)) from error
        except _MismatchError as error:
            raise MalformedError(operation=operation, device=device, reason=str(error)) from error
        if answer.exception_code is not None:
            raise RefusedError(operation=operation, device=device, exception_code=answer.exception_code)
        return answer.data, requested_ns, responded_ns


class _MismatchError(Exception):
    """Bytes that cannot become the answer; never leaves this file."""


class _Connection(TransactionManager):
    """One connection of pymodbus, with one request at a time on it.

    Attributes:
        lost: set once no further request can be made.
        gone: set once the socket is closed, or never was open.
        requested_ns: monotonic nanoseconds just before the last request.
        responded_ns: monotonic nanoseconds just after its answer was complete.
    """

    def __init__(self, settings: ModbusTcpSettings) -> None:
        params = CommParams(
            comm_type=CommType.TCP,
            comm_name=settings.device,
            host=settings.host,
            port=settings.port,
            reconnect_delay=0.0,  # a connection lives once; hal.device owns the retry
            timeout_connect=settings.connect_timeout_s,
        )
        super().__init__(
            params,
            FramerSocket(DecodePDU(is_server=False)),
            retries=0,
            is_server=False,
            trace_packet=None,
            trace_pdu=None,
            trace_connect=None,
        )
        self.lost = asyncio.Event()
        self.gone = asyncio.Event()
        self.requested_ns = 0
        self.responded_ns = 0
        self._settings = settings
        self._transaction = 0
        self._lost_reason = "the connection is closed"
        self._received = bytearray()
        self._expected: Expected | None = None
        self._pending: asyncio.Future[Answer] | None = None

    async def open(self) -> None:
        """Connect, or raise the OSError that pymodbus's own connect() swallows."""
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self.call_create()
        except BaseException:
            self.drop()
            self.gone.set()
            raise

    async def ask(self, request: _Request) -> Answer:
        """Send a request and wait for what answers it; anything else ends the connection.

        Raises:
            TimeoutError: no answer in time.
            ConnectionError: the connection is or was closed.
            _MismatchError: what came is not the answer.
        """
        if self.lost.is_set():
            raise ConnectionError(self._lost_reason)
        # pymodbus's own way to send frames, traces and logs each request anew, for 40 microseconds of CPU more
        transport = cast("asyncio.Transport", self.transport)
        unit = self._settings.unit
        self._transaction = self._transaction % _HIGHEST_TRANSACTION + 1
        self._expected = Expected(
            transaction=self._transaction,
            unit=unit,
            function=request.pdu[0],
            data_bytes=request.data_bytes,
            echo=request.echo,
        )
        self._received.clear()
        self._pending = self.loop.create_future()
        timer = self.loop.call_later(self._settings.request_timeout_s, self._fail, TimeoutError())
        try:
            self.requested_ns = time.monotonic_ns()
            transport.write(frame(self._transaction, unit, request.pdu))
            return await self._pending
        except BaseException:  # also a cancellation: its answer may still come, and fits no other request
            self.drop("closed because an earlier request was not answered")
            raise
        finally:
            timer.cancel()
            self._pending = None

    def data_received(self, data: bytes) -> None:
        """Judge what came; called by the event loop."""
        if self._pending is None or self._expected is None or self._pending.done():
            self.drop("the device sent what nobody asked for")
            return
        responded_ns = time.monotonic_ns()
        self._received += data
        try:
            answer = take_answer(self._received, self._expected)
        except ValueError as error:
            self._fail(_MismatchError(str(error)))
            return
        if answer is not None:
            self.responded_ns = responded_ns
            self._pending.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the pending request at once, which pymodbus does not; called by the event loop."""
        reason = "closed by the device" if exc is None else str(getattr(exc, "strerror", None) or exc)
        if not self.lost.is_set():
            self._lost_reason = reason
        self._fail(ConnectionError(reason))
        self.lost.set()
        self.gone.set()
        super().connection_lost(exc)

    def drop(self, reason: str = "the connection is closed") -> None:
        """Close the socket now, without waiting for anything to be sent."""
        if not self.lost.is_set():
            self._lost_reason = reason
            self.lost.set()
        self._fail(ConnectionError(reason))
        transport = cast("asyncio.Transport | None", self.transport)
        if transport is not None:
            transport.abort()
        self.close()

    def _fail(self, error: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)
