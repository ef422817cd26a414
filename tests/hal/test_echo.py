"""Adapters of RS-485 that hear what they send: cut off where it is known, and named where it is not.

The dangerous case is a write of one value: its answer repeats the request, so an unnoticed echo would be the unit's
word that it was done.
"""

import pytest

from hal import rtu
from hal.errors import DefinitionError, MalformedError, RefusedError, RequestTimeoutError
from hal.link import Block, Link
from hal.modbus import Framing, Line, Place, TcpPlace, UnitSettings
from hal.parameter import RegisterKind
from hal.pdu import Expected
from tests.hal.echo import echoing, lagging_gateway
from tests.hal.rtu_server import SILENT, UnitServer, serving, words

HOLDING, COIL = RegisterKind.HOLDING_REGISTER, RegisterKind.COIL
ONE = Block(kind=HOLDING, address=0, count=1)
BOTH = pytest.mark.parametrize("kind", ["rtu", "rtu_over_tcp"])
WORDS = "the adapter echoes what is sent: set devices.gauge.echo = true"


async def reach(place: Place, *, timeout_s: float = 2.0) -> Link:
    """Open a link to unit 1."""
    unit = UnitSettings(device="gauge", request_timeout_s=timeout_s, turnaround_s=0.02)
    return await Line(place).join(unit)()


class Unit:
    """Takes writes of one register, answers reads with 7, and notes what it was asked."""

    def __init__(self) -> None:
        self.functions: list[int] = []

    def __call__(self, request: bytes) -> bytes | None:
        self.functions.append(request[0])
        return request if request[0] == 6 else words(7)(request)


def with_unit(server: UnitServer) -> Unit:
    """Put one on the line."""
    unit = Unit()
    server.units = {1: unit}
    return unit


@BOTH
async def test_what_is_sent_is_cut_off_where_the_place_says_that_it_comes_back(kind: str) -> None:
    """Reads, writes and refusals are judged by what stands behind it."""
    async with serving(Framing.RTU) as server:
        unit = with_unit(server)
        async with echoing(kind, server.port, echo=True) as place:
            link = await reach(place)
            assert (await link.read(ONE)).data.tolist() == [7]
            await link.write(HOLDING, 0, [5])
            assert (await link.read(ONE)).data.tolist() == [7]
            assert unit.functions == [3, 6, 3]
            server.units[1] = lambda request: bytes((request[0] | 0x80, 2))
            with pytest.raises(RefusedError):
                await link.write(HOLDING, 0, [5])
            await link.close()


@BOTH
async def test_an_echo_alone_is_no_answer_to_a_write(kind: str) -> None:
    """The unit is dead, and only the adapter says what was sent: nobody knows whether it was written."""
    async with serving(Framing.RTU) as server:
        server.units = {1: lambda _request: SILENT}
        async with echoing(kind, server.port, echo=True) as place:
            link = await reach(place, timeout_s=0.1)
            with pytest.raises(RequestTimeoutError):
                await link.write(HOLDING, 0, [5])
            await link.close()


@BOTH
async def test_an_echo_that_nobody_told_of_is_named_at_the_first_read(kind: str) -> None:
    """With the field that helps, also where it comes in pieces."""
    async with serving(Framing.RTU) as server:
        with_unit(server)
        async with echoing(kind, server.port, echo=False) as place:
            link = await reach(place)
            with pytest.raises(MalformedError) as caught:
                await link.read(ONE)
            assert str(caught.value) == f"gauge: read {ONE}: {WORDS}"
            await link.close()


@BOTH
@pytest.mark.parametrize("unit_answers", [True, False])
async def test_an_echo_is_never_taken_for_the_answer_to_a_write(kind: str, *, unit_answers: bool) -> None:
    """Where no answer has shown yet that there is none, a read goes first, and the write is not even sent."""
    async with serving(Framing.RTU) as server:
        unit = with_unit(server)
        if not unit_answers:
            server.units = {}
        async with echoing(kind, server.port, echo=False) as place:
            link = await reach(place)
            with pytest.raises(MalformedError, match=WORDS):
                await link.write(HOLDING, 0, [5])
            with pytest.raises(MalformedError, match=WORDS):
                await link.write(HOLDING, 0, [5])
            await server.wait_asked(1, 1)
            assert server.order == [1]
            assert unit.functions == ([3] if unit_answers else [])
            await link.close()


@pytest.mark.parametrize("reconnects", [False, True])
async def test_a_late_answer_is_no_proof_that_there_is_no_echo(*, reconnects: bool) -> None:
    """Not even on the next connection: the write is not sent, and what the line carried before is not forgotten."""
    async with serving(Framing.RTU) as server:
        unit = with_unit(server)
        async with lagging_gateway(server.port) as port:
            place = TcpPlace(host="127.0.0.1", port=port, framing=Framing.RTU)
            link = await reach(place)
            with pytest.raises(MalformedError, match=WORDS):
                await link.write(HOLDING, 0, [5])
            if reconnects:
                await link.close()
                link = await reach(place)
            with pytest.raises(MalformedError, match=WORDS):
                await link.write(HOLDING, 0, [5])
            with pytest.raises(MalformedError, match=WORDS):
                await link.read(ONE)
            assert unit.functions == ([3, 3, 3] if reconnects else [3])
            await link.close()


async def test_a_unit_that_lags_by_one_answer_is_not_written_to() -> None:
    """Each of its answers may be that of the request before, so none of them shows that there is no echo."""
    async with serving(Framing.RTU) as server:
        unit = with_unit(server)
        link = await reach(server.place)

        def act(request: bytes) -> bytes | None:
            server.send(server.frame(b"", 1, unit(request) or b""))
            return unit(request)

        server.units = {1: act}
        with pytest.raises(MalformedError):
            await link.write(HOLDING, 0, [5])
        assert set(unit.functions) == {3}
        await link.close()


async def test_bits_whose_request_is_a_whole_answer_are_not_taken_from_the_echo() -> None:
    """17 to 24 coils at 768 and beyond: three bytes are due, and the address begins with 3."""
    coils = Block(kind=COIL, address=0x0305, count=20)
    async with serving(Framing.RTU) as server:
        server.units = {1: lambda request: bytes((1, 3, 1, 2, 3)) if request[-1] == 20 else bytes((1, 1, 1))}
        async with echoing("rtu", server.port, echo=False) as place:
            link = await reach(place)
            with pytest.raises(MalformedError, match=WORDS):
                await link.read(coils)
            await link.close()
        async with echoing("rtu", server.port, echo=True) as place:
            link = await reach(place)
            assert (await link.read(coils)).data[:9].tolist() == [True, *[False] * 8]
            await link.close()


async def test_a_line_without_echo_is_asked_twice_more_before_its_first_write_only() -> None:
    """The price: two reads, and none where the recorder has read already."""
    async with serving(Framing.RTU) as server:
        unit = with_unit(server)
        link = await reach(server.place)
        await link.write(HOLDING, 0, [5])
        await link.write(HOLDING, 0, [6])
        assert unit.functions == [3, 3, 6, 6]
        await link.close()


async def test_a_place_that_says_echo_and_has_none_is_named() -> None:
    """Where the adapter was exchanged."""
    async with serving(Framing.RTU) as server:
        with_unit(server)
        link = await reach(TcpPlace(host="127.0.0.1", port=server.port, framing=Framing.RTU, echo=True))
        with pytest.raises(MalformedError, match=r"there is no echo: set devices\.gauge\.echo = false"):
            await link.read(ONE)
        await link.close()


def test_only_rtu_can_echo() -> None:
    """Modbus TCP has a number for each request."""
    with pytest.raises(DefinitionError, match="echo"):
        TcpPlace(host="plc", echo=True)


@pytest.mark.parametrize(
    ("request_", "expected", "passes"),
    [
        ("01 06 00 05 00 07", Expected(unit=1, function=6, echo=bytes.fromhex("0005 0007")), True),
        ("01 05 00 05 ff 00", Expected(unit=1, function=5, echo=bytes.fromhex("0005 ff00")), True),
        ("01 10 00 05 00 01 02 00 07", Expected(unit=1, function=16, echo=bytes.fromhex("0005 0001")), False),
        ("01 03 00 05 00 02", Expected(unit=1, function=3, data_bytes=4), False),
        ("01 03 04 05 00 02", Expected(unit=1, function=3, data_bytes=4), False),
        ("01 01 03 05 00 14", Expected(unit=1, function=1, data_bytes=3), True),
        ("01 01 02 05 00 14", Expected(unit=1, function=1, data_bytes=3), False),
    ],
)
def test_which_requests_would_pass_for_their_own_answer(request_: str, expected: Expected, *, passes: bool) -> None:
    """Writes of one value, and the reads of bits that happen to look like answers."""
    body = bytes.fromhex(request_)
    assert rtu.passes_for_answer(body + rtu.crc(body), expected) is passes
