"""Answers of any bytes, in any pieces: never data, and never the end of a device."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal import mbap, rtu
from hal.backoff import Backoff
from hal.device import Device
from hal.errors import LinkError
from hal.link import Block
from hal.modbus import Framing, Line, TcpPlace, UnitSettings
from hal.parameter import DataType, RegisterKind
from hal.pdu import Expected
from hal.plan import plan_reads
from hal.quality import Quality
from tests.hal.parameters import holding
from tests.hal.streams import serving_streams

TWO = Block(kind=RegisterKind.HOLDING_REGISTER, address=0, count=2)
PLAN = plan_reads([holding(1, 0, DataType.UINT32)])
WORDS = bytes.fromhex("1234 5678")
PDU = bytes.fromhex("03 04") + WORDS
UNIT = 1
FUNCTIONS = [1, 2, 3, 4, 5, 6, 15, 16, 22, 23, 43]


WAYS = pytest.mark.parametrize(
    ("framing", "in_flight"), [(Framing.RTU, None), (Framing.MBAP, None), (Framing.MBAP, 1), (Framing.MBAP, 4)]
)
"""Lines that units may share, and lines of one unit with so many requests outstanding."""


def right(framing: Framing, transaction: bytes) -> bytes:
    """The answer that is due."""
    body = bytes((UNIT,)) + PDU
    if framing is Framing.RTU:
        return body + rtu.crc(body)
    return transaction + b"\0\0" + len(body).to_bytes(2, "big") + body


@dataclass(frozen=True)
class Fuzz:
    """What is sent instead of an answer.

    Attributes:
        edits: places, bytes cut there and bytes put there, on the answer that is due.
        cuts: where the rest is divided.
    """

    edits: tuple[tuple[int, int, bytes], ...]
    cuts: tuple[int, ...]

    def pieces(self, framing: Framing, transaction: bytes) -> list[bytes]:
        """Make it."""
        frame = right(framing, transaction)
        for at, cut, put in self.edits:
            frame = frame[:at] + put + frame[at + cut :]
        ends = sorted({min(cut, len(frame)) for cut in self.cuts} | {len(frame)})
        return [frame[a:b] for a, b in zip([0, *ends], ends, strict=False) if a < b]


# Any bytes in place of it all, or the right answer with something changed: short, long, of another unit, repeated.
ANYTHING = st.tuples(st.just(0), st.just(99), st.binary(max_size=300))
SOMETHING = st.tuples(st.integers(0, 13), st.integers(0, 4), st.binary(max_size=4))
FUZZES = st.builds(
    Fuzz,
    edits=st.one_of(st.tuples(ANYTHING), st.lists(SOMETHING, min_size=1, max_size=3).map(tuple)),
    cuts=st.lists(st.integers(1, 20), max_size=4).map(tuple),
)


@asynccontextmanager
async def serving(framing: Framing, fuzzes: Sequence[Fuzz], sent: list[bytes]) -> AsyncIterator[TcpPlace]:
    """Answer with each of these, then rightly for ever."""
    left = list(fuzzes)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await reader.readexactly(8 if framing is Framing.RTU else 12)
            pieces = left.pop(0).pieces(framing, request[:2]) if left else [right(framing, request[:2])]
            sent.append(b"".join(pieces))
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)

    async with serving_streams(serve) as port:
        yield TcpPlace(host="127.0.0.1", port=port, framing=framing, connect_timeout_s=20)


def unit() -> UnitSettings:
    """Impatient, since half of all rubbish ends too early."""
    return UnitSettings(device="plc", unit=UNIT, request_timeout_s=0.01, turnaround_s=0.002)


@WAYS
@settings(max_examples=150, deadline=None)
@given(fuzz=FUZZES)
def test_only_a_whole_answer_becomes_data(framing: Framing, in_flight: int | None, fuzz: Fuzz) -> None:
    """Whatever is read without an error was sent as the one answer that is due, behind nothing else."""

    async def play() -> None:
        sent: list[bytes] = []
        async with serving(framing, [fuzz], sent) as place:
            link = await Line(place, in_flight=in_flight).join(unit())()
            try:
                reading = await link.read(TWO)
            except LinkError:
                return
            finally:
                await link.close()
            answered = reading.data.astype(">u2").tobytes()
            due = right(framing, sent[0][:2])
            assert sent[0].startswith(due if framing is Framing.RTU else due.replace(WORDS, answered))
            assert framing is Framing.MBAP or answered == WORDS  # the check of RTU leaves no changed word

    asyncio.run(play())


@WAYS
@settings(max_examples=40, deadline=None)
@given(fuzzes=st.lists(FUZZES, min_size=1, max_size=4))
def test_a_device_outlives_any_rubbish(framing: Framing, in_flight: int | None, fuzzes: list[Fuzz]) -> None:
    """Scans never raise, and when the device is right again, so are its values."""

    async def play() -> None:
        async with serving(framing, fuzzes, []) as place, asyncio.TaskGroup() as tasks:
            backoff = Backoff(first_s=0.001, longest_s=0.001)
            device = Device("plc", Line(place, in_flight=in_flight).join(unit()), backoff=backoff)
            owner = tasks.create_task(device.run())
            ends = time.monotonic() + 10
            good = 0
            while good < 2:
                assert time.monotonic() < ends, device.health
                await asyncio.sleep(0)  # a scan without a connection waits for nothing
                await device.wait_connected()
                scan = await device.scan(PLAN)
                good = good + 1 if scan.quality[0] == Quality.GOOD and scan.values[0] == 0x12345678 else 0
            owner.cancel()

    asyncio.run(play())


EXPECTED = st.builds(
    Expected,
    transaction=st.integers(0, 65_535),
    unit=st.integers(0, 255),
    function=st.sampled_from(FUNCTIONS),
    data_bytes=st.integers(1, 250),
    echo=st.binary(min_size=4, max_size=6),
)


@settings(max_examples=500)
@given(expected=EXPECTED, received=st.binary(max_size=300), begins_right=st.booleans())
def test_a_judge_raises_nothing_but_what_it_says(expected: Expected, received: bytes, begins_right: bool) -> None:
    """Any bytes to any request: more are due, or a ValueError, or an answer of the due length."""
    if begins_right:
        received = bytes((expected.unit, expected.function)) + received
    header = expected.transaction.to_bytes(2, "big") + b"\0\0" + len(received).to_bytes(2, "big")
    for judge, whole in ((rtu.take_answer, received), (mbap.take_answer, header + received)):
        try:
            answer = judge(whole, expected)
        except ValueError:
            continue
        if answer is not None and answer.exception_code is None and expected.function in {1, 2, 3, 4, 23}:
            assert len(answer.data) == expected.data_bytes


@settings(max_examples=300)
@given(received=st.binary(max_size=40), abandoned=st.dictionaries(st.integers(0, 65_535), EXPECTED, max_size=3))
def test_late_bytes_are_never_more_than_there_are(received: bytes, abandoned: dict[int, Expected]) -> None:
    """What is skipped has come."""
    late = mbap.late_bytes(received, abandoned)
    assert late is None or 0 <= late <= len(received)
