"""The contract's device behind real Modbus: pymodbus's server over TCP, TLS, RTU over TCP and RTU on a terminal."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hal import rtu
from hal.link import Link
from hal.modbus import Framing, Line, Parity, Place, SerialPlace, TcpPlace, TlsSettings, UnitSettings
from hal.parameter import READ_FUNCTION_CODES, RegisterKind
from tests.contract.subjects import ADDRESSES, REQUEST_TIMEOUT_S, Hold
from tests.hal.certificates import Certificates
from tests.hal.terminal import Terminal

BITS_OF_A_WORD = 16
TURNAROUND_S = 0.02


class ModbusSubject:
    """A pymodbus server on loopback; faults come through its hooks."""

    is_flushed = False
    in_flight = 1
    framing = Framing.MBAP

    def __init__(self) -> None:
        self.order: list[int] = []
        self._holds: list[Hold] = []
        self._held: list[Hold] = []
        self._short = False
        self._image: dict[int, list[int]] = {code: [0] * ADDRESSES for code in READ_FUNCTION_CODES.values()}
        # Without bit addressing pymodbus takes each coil for the first of sixteen that are all its own.
        bits = [SimData(0, count=ADDRESSES, values=False, datatype=DataType.BITS)]
        words = [SimData(0, count=ADDRESSES, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(id=1, simdata=(bits, bits, words, words), use_bit_addressing=True, action=self._act)
        self._server = self._make_server(device)

    def _make_server(self, device: SimDevice) -> ModbusTcpServer:
        framer = FramerType.RTU if self.framing is Framing.RTU else FramerType.SOCKET
        return ModbusTcpServer(device, framer=framer, address=("127.0.0.1", 0), trace_packet=self._trace)

    @property
    def port(self) -> int:
        port: int = self._server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        return port

    @property
    def place(self) -> Place:
        return TcpPlace(host="127.0.0.1", port=self.port, framing=self.framing, connect_timeout_s=20)

    async def start(self) -> None:
        await self._server.serve_forever(background=True)

    async def stop(self) -> None:
        for hold in self._held:  # whatever the test did: pymodbus would leave the task of a request that is held
            hold.set()
        for _ in range(3):
            await asyncio.sleep(0)
        await self._server.shutdown()  # type: ignore[no-untyped-call]

    async def connect(self) -> Link:
        unit = UnitSettings(device="plc", request_timeout_s=REQUEST_TIMEOUT_S, turnaround_s=TURNAROUND_S)
        return await Line(self.place).join(unit)()

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
            self._held.append(self._holds.pop(0))
            await self._held[-1].wait()
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
        return self._shortened(frame)

    def _shortened(self, frame: bytes) -> bytes:
        length, count = frame[5], frame[8]
        return frame[:5] + bytes((length - 2,)) + frame[6:8] + bytes((count - 2,)) + frame[9:-2]


class TlsSubject(ModbusSubject):
    """The same behind TLS, with both ends proving who they are."""

    def __init__(self, folder: Path) -> None:
        self._certificates = Certificates(folder)
        super().__init__()

    def _make_server(self, device: SimDevice) -> ModbusTcpServer:
        context = self._certificates.server_context(asks_for_ours=True)
        return ModbusTlsServer(  # its own framer sends no header, which is not what Modbus/TCP Security says
            device,
            framer=FramerType.SOCKET,
            address=("127.0.0.1", 0),
            sslctx=context,
            trace_packet=self._trace,
        )

    @property
    def place(self) -> Place:
        tls = TlsSettings(
            ca=self._certificates.authority, certificate=self._certificates.ours, key=self._certificates.our_key
        )
        return TcpPlace(host="127.0.0.1", port=self.port, tls=tls, connect_timeout_s=20)


class RtuOverTcpSubject(ModbusSubject):
    """The same with the frames of a serial line."""

    is_flushed = True
    framing = Framing.RTU

    def _shortened(self, frame: bytes) -> bytes:
        body = frame[:2] + bytes((frame[2] - 2,)) + frame[3:-4]
        return body + rtu.crc(body)


class RtuSubject(RtuOverTcpSubject):
    """The same behind a terminal that stands for the serial port."""

    async def start(self) -> None:
        await super().start()
        self._terminal = await Terminal.open(self.port)

    async def stop(self) -> None:
        await self._terminal.close()
        await super().stop()

    @property
    def place(self) -> Place:
        return SerialPlace(path=self._terminal.path, baud=115_200, parity=Parity.NONE)

    async def connect(self) -> Link:
        if self._terminal.is_closed:
            self._terminal = await Terminal.open(self.port)
        return await super().connect()

    def disconnect(self) -> None:
        self._terminal.unplug()


@asynccontextmanager
async def modbus_subject(kind: str, folder: Path) -> AsyncIterator[ModbusSubject]:
    """Serve for the length of a test."""
    subject = TlsSubject(folder) if kind == "tls" else SUBJECTS[kind]()
    await subject.start()
    try:
        yield subject
    finally:
        await subject.stop()


SUBJECTS = {"tcp": ModbusSubject, "rtu": RtuSubject, "rtu_over_tcp": RtuOverTcpSubject}
