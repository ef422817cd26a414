"""Faults at the level of frames, laid out by hand; combined, limited, ended."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulator.fault import Fault, FaultName
from simulator.response_log import ResponseLog, read_responses
from simulator.server import serve_tcp
from simulator.wire import Wire
from tests.simulator.served import HOST, everything, exchange, opened, small_unit

READ = "00 01 00 00 00 06 01 03 07 d0 00 02"
ANSWER = "00 01 00 00 00 07 01 03 04 07 d0 07 d1"


@pytest.fixture
def wire() -> Wire:
    """A wire in front of a small device."""
    return Wire({1: small_unit()})


@pytest.fixture
async def port(wire: Wire) -> AsyncIterator[int]:
    """The port on which it is served."""
    async with serve_tcp(wire, host=HOST, port=0) as port:
        yield port


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("short", "00 01 00 00 00 05 01 03 02 07 d0"),
        ("wrong_transaction", "00 02 00 00 00 07 01 03 04 07 d0 07 d1"),
        ("wrong_unit", "00 01 00 00 00 07 02 03 04 07 d0 07 d1"),
        ("word_swap", "00 01 00 00 00 07 01 03 04 07 d1 07 d0"),
        ("exception", "00 01 00 00 00 03 01 83 04"),
        ("garbled", "a5 a4 a5 a5 a5 a2 a4 a6 a1 a2 75 a2 74"),
    ],
)
async def test_an_answer_is_changed_as_the_fault_says(wire: Wire, port: int, name: str, answer: str) -> None:
    """Byte for byte; without the fault it is whole again."""
    wire.set_faults([Fault(name=FaultName(name))])
    assert await exchange(port, READ, len(answer.split())) == answer
    wire.set_faults([])
    assert await exchange(port, READ, 13) == ANSWER


async def test_faults_combine(wire: Wire, port: int) -> None:
    """Short, of another transaction and another unit, and late, all in one answer."""
    names = (FaultName.SHORT, FaultName.WRONG_TRANSACTION, FaultName.WRONG_UNIT)
    wire.set_faults([*(Fault(name=name) for name in names), Fault(name=FaultName.SLOW, seconds=0.05)])
    begin_s = asyncio.get_running_loop().time()
    assert await exchange(port, READ, 11) == "00 02 00 00 00 05 02 03 02 07 d0"
    assert asyncio.get_running_loop().time() - begin_s >= 0.05


async def test_a_dropped_socket_is_closed_in_place_of_an_answer(wire: Wire, port: int) -> None:
    """Not a byte comes."""
    wire.set_faults([Fault(name=FaultName.DROPPED)])
    assert await everything(port, READ) == ""


async def test_a_cut_answer_ends_in_the_middle_of_its_frame(wire: Wire, port: int) -> None:
    """Six of thirteen bytes, then the end of the connection."""
    wire.set_faults([Fault(name=FaultName.CUT)])
    assert await everything(port, READ) == "00 01 00 00 00 07"[: 6 * 3 - 1]


async def test_a_half_open_connection_accepts_and_never_answers(wire: Wire, port: int) -> None:
    """Nothing comes while it lasts; what is asked behind it is answered."""
    wire.set_faults([Fault(name=FaultName.HALF_OPEN)])
    async with opened(port) as (reader, writer):
        writer.write(bytes.fromhex(READ))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.readexactly(1)
        wire.set_faults([])
        writer.write(bytes.fromhex(READ))
        assert (await reader.readexactly(13)).hex(" ") == ANSWER


async def test_a_refused_port_closes_what_is_open_and_comes_back_on_the_same_port(wire: Wire, port: int) -> None:
    """The system refuses, as it does where no program listens."""
    async with opened(port) as (reader, _):
        wire.set_faults([Fault(name=FaultName.REFUSED)])
        assert await reader.read() == b""
    with pytest.raises(ConnectionRefusedError):
        await exchange(port, READ, 13)
    wire.set_faults([])
    async with asyncio.timeout(5):
        while True:
            try:
                assert await exchange(port, READ, 13) == ANSWER
            except ConnectionRefusedError:
                await asyncio.sleep(0)
            else:
                return


async def test_a_fault_of_one_unit_or_of_some_addresses_leaves_the_others_alone(wire: Wire, port: int) -> None:
    """Exception 2 for registers 2010 to 2019 only, and for no request that does not touch them."""
    wire.set_faults([Fault(name=FaultName.EXCEPTION, code=2, unit=1, first_address=2010, last_address=2019)])
    assert await exchange(port, READ, 13) == ANSWER
    assert await exchange(port, "00 01 00 00 00 06 01 03 07 d0 00 0b", 9) == "00 01 00 00 00 03 01 83 02"
    assert await exchange(port, "00 01 00 00 00 06 01 03 07 e4 00 01", 11) == "00 01 00 00 00 05 01 03 02 07 e4"


async def test_the_log_has_every_response_as_it_was_sent(tmp_path: Path) -> None:
    """A true one, a changed one, one of the gateway; what was never sent is not in it."""
    path = tmp_path / "responses.bin"
    with ResponseLog(path) as log:
        wire = Wire({1: small_unit()}, step=lambda: 7, log=log)
        async with serve_tcp(wire, host=HOST, port=0) as port:
            await exchange(port, READ, 13)
            wire.set_faults([Fault(name=FaultName.SHORT)])
            await exchange(port, READ, 11)
            wire.set_faults([Fault(name=FaultName.DROPPED)])
            await everything(port, READ)
            wire.set_faults([])
            await exchange(port, "00 09 00 00 00 06 07 03 07 d0 00 02", 9)
    true, short, gateway = read_responses(path)
    assert (true.step, true.transaction, true.unit, true.function, true.is_altered) == (7, 1, 1, 3, False)
    assert true.span is not None
    assert true.span[1:] == (2000, 2)
    assert true.words == (2000, 2001)
    assert (short.answer.hex(" "), short.is_altered) == ("03 02 07 d0", True)
    assert (gateway.unit, gateway.answer.hex(" ")) == (7, "83 0b")
    assert true.monotonic_ns < short.monotonic_ns < gateway.monotonic_ns
    assert abs(true.utc_us - gateway.utc_us) < 60_000_000


def test_a_log_that_ends_in_the_middle_of_a_record_is_read_up_to_there(tmp_path: Path) -> None:
    """As after a kill."""
    path = tmp_path / "responses.bin"
    with ResponseLog(path) as log:
        for step in range(3):
            log.record(step=step, transaction=step, unit=1, request=b"\x03", answer=b"\x83\x02")
    path.write_bytes(path.read_bytes()[:-1])
    assert [response.step for response in read_responses(path)] == [0, 1]
