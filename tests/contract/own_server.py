"""The contract's device behind a server that serves several requests of one connection at a time, each when it is let.

Written from the specification, since pymodbus's server answers with the transaction of the request that came last.
"""

import asyncio
import ssl
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hal.link import Link
from hal.modbus import ModbusTcpSettings, TlsSettings, tcp_link
from hal.parameter import READ_FUNCTION_CODES, RegisterKind
from tests.contract.subjects import ADDRESSES, REQUEST_TIMEOUT_S, Hold
from tests.hal.certificates import Certificates

BIT_FUNCTIONS = {1, 2}
WRITES = {5: 1, 15: 1, 6: 3, 16: 3}
"""Function codes that write, and the one that reads the same."""


class OwnSubject:
    """A server for links of a device that has its connection to itself."""

    is_flushed = False

    def __init__(self, in_flight: int, certificates: Certificates | None) -> None:
        self.in_flight = in_flight
        self.order: list[int] = []
        self._certificates = certificates
        self._holds: list[Hold] = []
        self._short = False
        self._image: dict[int, list[int]] = {code: [0] * ADDRESSES for code in READ_FUNCTION_CODES.values()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        context = None if self._certificates is None else self._certificates.server_context(asks_for_ours=True)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        self._port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def connect(self) -> Link:
        settings = ModbusTcpSettings(
            device="plc",
            host="127.0.0.1",
            port=self._port,
            connect_timeout_s=20,
            request_timeout_s=REQUEST_TIMEOUT_S,
            requests_in_flight=self.in_flight,
            tls=self._tls(),
        )
        return await tcp_link(settings)()

    def _tls(self) -> TlsSettings | None:
        files = self._certificates
        return None if files is None else TlsSettings(ca=files.authority, certificate=files.ours, key=files.our_key)

    async def put(self, kind: RegisterKind, address: int, values: Sequence[int]) -> None:
        self._image[kind.function_code][address : address + len(values)] = values

    def hold_next(self) -> Hold:
        hold = Hold()
        self._holds.append(hold)
        return hold

    def short_next(self) -> None:
        self._short = True

    def disconnect(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                header = await reader.readexactly(7)
                pdu = await reader.readexactly(int.from_bytes(header[4:6], "big") - 1)
                self.order.append(int.from_bytes(pdu[1:3], "big"))
                hold = self._holds.pop(0) if self._holds else None
                task = asyncio.create_task(self._answer(header, pdu, hold, writer))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._writers.discard(writer)
        writer.close()

    async def _answer(self, header: bytes, pdu: bytes, hold: Hold | None, writer: asyncio.StreamWriter) -> None:
        if hold is not None:
            await hold.wait()
        body = header[6:7] + self._act(pdu)
        writer.write(header[:4] + len(body).to_bytes(2, "big") + body)

    def _act(self, pdu: bytes) -> bytes:
        """Read or write: MODBUS Application Protocol Specification V1.1b3, sections 6.1 to 6.6, 6.11 and 6.12."""
        function, address, count = pdu[0], int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        read_function = WRITES.get(function, function)
        image, is_bit = self._image[read_function], read_function in BIT_FUNCTIONS
        if address + (1 if function in {5, 6} else count) > ADDRESSES:
            return bytes((function | 0x80, 2))
        if function in WRITES:
            image[address : address + self._count(function, count)] = self._written(function, pdu)
            return pdu[:5]
        values = image[address : address + count]
        data = _packed(values) if is_bit else b"".join(value.to_bytes(2, "big") for value in values)
        data = data[: len(data) - 2 * self._short]
        self._short = False
        return bytes((function, len(data))) + data

    @staticmethod
    def _count(function: int, count: int) -> int:
        return 1 if function in {5, 6} else count

    @staticmethod
    def _written(function: int, pdu: bytes) -> list[int]:
        if function == 5:
            return [int(pdu[3] == 0xFF)]
        if function == 6:
            return [int.from_bytes(pdu[3:5], "big")]
        count, data = int.from_bytes(pdu[3:5], "big"), pdu[6:]
        if function == 15:
            return [data[bit // 8] >> bit % 8 & 1 for bit in range(count)]
        return [int.from_bytes(data[2 * at : 2 * at + 2], "big") for at in range(count)]


def _packed(bits: Sequence[int]) -> bytes:
    number = sum(bit << at for at, bit in enumerate(bits))
    return number.to_bytes((len(bits) + 7) // 8, "little")


def own_subject(kind: str, folder: Path) -> OwnSubject:
    """Make the subject of this name."""
    return OwnSubject(
        in_flight=1 if kind == "tcp_own" else 4, certificates=Certificates(folder) if kind.startswith("tls") else None
    )
