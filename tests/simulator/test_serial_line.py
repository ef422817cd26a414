"""Modbus RTU over a pseudo-terminal: hand-laid frames, pymodbus's own client, rubbish on the line."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient

from simulator.fault import Fault, FaultName
from simulator.serial_line import SILENCE_S, checksum, serve_rtu
from simulator.wire import Wire
from tests.simulator.served import small_unit

READ_INPUT = bytes.fromhex("01 04 0b b8 00 01")


class Master:
    """The other end of the line."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self._received = bytearray()
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._take)

    def _take(self) -> None:
        self._received += os.read(self._descriptor, 4096)
        self._arrived.set()

    def send(self, frame: bytes) -> None:
        """Put bytes on the line."""
        os.write(self._descriptor, frame)

    async def receive(self, count: int) -> str:
        """Wait for so many bytes."""
        async with asyncio.timeout(5):
            while len(self._received) < count:
                self._arrived.clear()
                await self._arrived.wait()
        answer, self._received = bytes(self._received[:count]), self._received[count:]
        return answer.hex(" ")

    def close(self) -> None:
        """Leave the line."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)


@asynccontextmanager
async def line(wire: Wire) -> AsyncIterator[Master]:
    """A line with a master on it."""
    async with serve_rtu(wire) as path:
        master = Master(path)
        try:
            yield master
        finally:
            master.close()


def framed(body: bytes) -> bytes:
    """A frame with its checksum."""
    return body + checksum(body)


def test_the_checksum_is_the_specification_s() -> None:
    """MODBUS over Serial Line V1.02, section 6.2.2: the frame 02 07 has the CRC 0x1241, sent 41 12."""
    assert checksum(b"\x02\x07") == b"\x41\x12"


@pytest.mark.parametrize(
    ("what", "request_frame", "answer"),
    [
        ("read", "01 04 0b b8 00 01", "01 04 02 00 07"),
        ("write many", "01 10 07 d0 00 01 02 00 05", "01 10 07 d0 00 01"),
        ("refused", "01 03 00 00 00 01", "01 83 02"),
        ("a function of unknown length", "01 14 07 06 00 01 00 00 00 01", "01 94 01"),
    ],
)
async def test_a_frame_is_answered_by_a_frame(what: str, request_frame: str, answer: str) -> None:
    """With the unit's address before it and the checksum behind."""
    async with line(Wire({1: small_unit()})) as master:
        master.send(framed(bytes.fromhex(request_frame)))
        expected = framed(bytes.fromhex(answer)).hex(" ")
        assert await master.receive(len(expected.split())) == expected, what


async def test_a_wrong_checksum_and_another_unit_are_met_by_silence() -> None:
    """The next good request is the first that is answered."""
    async with line(Wire({1: small_unit()})) as master:
        master.send(READ_INPUT + b"\x00\x00")
        master.send(framed(b"\x09" + READ_INPUT[1:]))
        master.send(framed(bytes.fromhex("01 01 00 00 00 05")))
        assert (await master.receive(6)).startswith("01 01 01 15")


async def test_half_a_request_is_forgotten_after_silence() -> None:
    """What comes behind the silence is a new request."""
    async with line(Wire({1: small_unit()})) as master:
        master.send(READ_INPUT[:4])
        await asyncio.sleep(3 * SILENCE_S)
        master.send(framed(READ_INPUT))
        assert (await master.receive(7)).startswith("01 04 02 00 07")


async def test_a_broadcast_is_obeyed_and_not_answered() -> None:
    """Unit 0 writes to every unit."""
    async with line(Wire({1: small_unit(), 2: small_unit()})) as master:
        master.send(framed(bytes.fromhex("00 06 07 d0 00 63")))
        for unit in ("01", "02"):
            master.send(framed(bytes.fromhex(f"{unit} 03 07 d0 00 01")))
            assert (await master.receive(7)).startswith(f"{unit} 03 02 00 63")


async def test_a_late_answer_on_a_line_is_the_next_request_s() -> None:
    """There is no transaction id: what was asked first comes when the second has been asked."""
    wire = Wire({1: small_unit()})
    async with line(wire) as master:
        wire.set_faults([Fault(name=FaultName.LATE, seconds=0.05, answers=1)])
        master.send(framed(READ_INPUT))
        await asyncio.sleep(0.01)
        wire.set_faults([Fault(name=FaultName.SLOW, seconds=0.15)])
        master.send(framed(bytes.fromhex("01 04 0b b8 00 01")))
        first = await master.receive(7)
        assert first.startswith("01 04 02 00 07")
        assert await master.receive(7) == first


async def test_a_client_of_another_make_reads_and_writes_over_the_line() -> None:
    """The serial client of pymodbus on the terminal."""
    pytest.importorskip("serial", reason="pymodbus needs pyserial for a serial line")
    async with serve_rtu(Wire({1: small_unit()})) as path:
        client = AsyncModbusSerialClient(str(path), baudrate=115_200, timeout=2, retries=0)
        assert await client.connect()
        try:
            answer = await client.read_holding_registers(2000, count=125, device_id=1)
            assert answer.registers == list(range(2000, 2125))
            assert not (await client.write_registers(2000, [1, 2], device_id=1)).isError()
        finally:
            client.close()
