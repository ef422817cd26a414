"""What every `hal.link.Link` does, tested alike in memory and over each transport of Modbus."""

import asyncio
import time

import numpy as np
import pytest

from hal.errors import (
    DefinitionError,
    MalformedError,
    NotConnectedError,
    RefusedError,
    RequestTimeoutError,
)
from hal.link import Block
from hal.parameter import RegisterKind
from tests.contract.subjects import ADDRESSES, Subject

HOLDING = RegisterKind.HOLDING_REGISTER
WORDS = [RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER]
BITS = [RegisterKind.COIL, RegisterKind.DISCRETE_INPUT]
FIRST = Block(kind=HOLDING, address=0, count=2)


@pytest.mark.parametrize("kind", WORDS)
async def test_words_arrive_as_the_device_holds_them(subject: Subject, kind: RegisterKind) -> None:
    """A register block gives its words as uint16, from the table of its own kind."""
    await subject.put(kind, 7, [0x022B, 0x0000, 0xFFFF])
    link = await subject.connect()
    reading = await link.read(Block(kind=kind, address=7, count=3))
    assert reading.data.dtype == np.uint16
    assert reading.data.tolist() == [0x022B, 0x0000, 0xFFFF]
    await link.close()


@pytest.mark.parametrize("kind", BITS)
@pytest.mark.parametrize("count", [1, 8, 19])
async def test_bits_arrive_without_the_padding_of_their_last_byte(
    subject: Subject, kind: RegisterKind, count: int
) -> None:
    """A bit block gives exactly as many bool as were asked, although the wire carries whole bytes."""
    bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1][:count]
    await subject.put(kind, 19, bits)
    link = await subject.connect()
    reading = await link.read(Block(kind=kind, address=19, count=count))
    assert reading.data.dtype == np.bool_
    assert reading.data.tolist() == [bool(bit) for bit in bits]
    await link.close()


async def test_the_largest_blocks_arrive_whole(subject: Subject) -> None:
    """125 registers and all bits that the subject has come in one request each."""
    words = list(range(1000, 1125))
    await subject.put(HOLDING, 100, words)
    link = await subject.connect()
    assert (await link.read(Block(kind=HOLDING, address=100, count=125))).data.tolist() == words
    assert len((await link.read(Block(kind=RegisterKind.COIL, address=0, count=ADDRESSES))).data) == ADDRESSES
    await link.close()


async def test_a_reading_says_when_it_was_asked_and_answered(subject: Subject) -> None:
    """The monotonic times of a reading lie around its request, in order."""
    link = await subject.connect()
    before_ns = time.monotonic_ns()
    reading = await link.read(FIRST)
    assert before_ns <= reading.requested_ns <= reading.responded_ns <= time.monotonic_ns()
    await link.close()


@pytest.mark.parametrize("values", [[0xABCD], [1, 2, 0xFFFF]])
async def test_written_registers_are_read_back(subject: Subject, values: list[int]) -> None:
    """One word and several words reach the holding registers."""
    link = await subject.connect()
    await link.write(HOLDING, 30, values)
    assert (await link.read(Block(kind=HOLDING, address=30, count=len(values)))).data.tolist() == values
    await link.close()


@pytest.mark.parametrize("values", [[1], [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]])
async def test_written_coils_are_read_back(subject: Subject, values: list[int]) -> None:
    """One bit and several bits reach the coils."""
    link = await subject.connect()
    await link.write(RegisterKind.COIL, 19, values)
    reading = await link.read(Block(kind=RegisterKind.COIL, address=19, count=len(values)))
    assert reading.data.tolist() == [bool(value) for value in values]
    await link.close()


@pytest.mark.parametrize(
    ("kind", "address", "values"),
    [
        (RegisterKind.INPUT_REGISTER, 0, [1]),
        (RegisterKind.DISCRETE_INPUT, 0, [1]),
        (HOLDING, 0, []),
        (HOLDING, 0, [0] * 124),
        (HOLDING, 0, [65_536]),
        (HOLDING, 0, [-1]),
        (HOLDING, 65_535, [1, 2]),
        (RegisterKind.COIL, 0, [2]),
        (RegisterKind.COIL, 0, [0] * 1_969),
    ],
)
async def test_a_write_that_no_request_can_carry_is_not_sent(
    subject: Subject, kind: RegisterKind, address: int, values: list[int]
) -> None:
    """An impossible write is an error of the definition, the device sees nothing, and the link stays usable."""
    link = await subject.connect()
    with pytest.raises(DefinitionError):
        await link.write(kind, address, values)
    assert subject.order == []
    assert len((await link.read(FIRST)).data) == 2
    await link.close()


async def test_a_refusal_names_its_exception_and_leaves_the_link_open(subject: Subject) -> None:
    """A Modbus exception costs its own request only."""
    link = await subject.connect()
    with pytest.raises(RefusedError) as caught:
        await link.read(Block(kind=HOLDING, address=ADDRESSES, count=1))
    assert caught.value.exception_code == 2
    assert f"read holding_register {ADDRESSES}..{ADDRESSES}" in str(caught.value)
    assert not link.lost.is_set()
    assert len((await link.read(FIRST)).data) == 2
    await link.close()


async def test_a_refused_write_is_raised(subject: Subject) -> None:
    """A Modbus exception to a write is an error as well."""
    link = await subject.connect()
    with pytest.raises(RefusedError):
        await link.write(HOLDING, ADDRESSES, [1])
    await link.close()


async def test_no_answer_in_time_is_a_timeout_and_its_late_answer_meets_nobody(subject: Subject) -> None:
    """After the deadline the request fails; the link is closed, or its line flushed and the next reading marked."""
    await subject.put(HOLDING, 50, [51, 52])
    held = subject.hold_next()
    link = await subject.connect()
    with pytest.raises(RequestTimeoutError, match=r"no answer within 0\.5 s") as caught:
        await link.read(FIRST)
    assert isinstance(caught.value, TimeoutError)
    assert link.lost.is_set() is not subject.is_flushed
    held.set()
    if subject.is_flushed:
        marks = []
        for _ in range(3):
            reading = await link.read(Block(kind=HOLDING, address=50, count=2))
            assert reading.data.tolist() == [51, 52]
            marks.append(reading.is_after_flush)
        assert marks == [True, False, False]
    else:
        with pytest.raises(NotConnectedError):
            await link.read(FIRST)
    await link.close()


async def test_a_short_answer_is_malformed_and_nothing_is_left_of_it(subject: Subject) -> None:
    """An answer with fewer words than were asked is an error, never data."""
    subject.short_next()
    link = await subject.connect()
    with pytest.raises(MalformedError):
        await link.read(Block(kind=HOLDING, address=0, count=10))
    assert link.lost.is_set() is not subject.is_flushed
    if subject.is_flushed:
        assert (await link.read(FIRST)).is_after_flush
    await link.close()


@pytest.mark.alone
async def test_a_loss_in_mid_request_is_noticed_at_once(subject: Subject) -> None:
    """A request under way fails when the device closes the connection, not when its deadline passes."""
    held = subject.hold_next()
    link = await subject.connect()
    reading = asyncio.create_task(link.read(FIRST))
    await held.arrived.wait()
    started = time.monotonic()
    subject.disconnect()
    with pytest.raises(NotConnectedError):
        await reading
    assert time.monotonic() - started < 0.1
    assert link.lost.is_set()
    held.set()
    await link.close()


async def test_a_loss_between_requests_is_told(subject: Subject) -> None:
    """Whoever waits for the loss of an idle link is woken."""
    link = await subject.connect()
    await link.read(FIRST)
    subject.disconnect()
    async with asyncio.timeout(4):
        await link.lost.wait()
    with pytest.raises(NotConnectedError):
        await link.read(FIRST)
    await link.close()


async def test_a_cancelled_request_never_leaves_its_answer_to_the_next(subject: Subject) -> None:
    """After a cancellation in mid-request the link is closed or flushed, and what is read next is its own data."""
    await subject.put(HOLDING, 0, [11, 12])
    await subject.put(HOLDING, 50, [51, 52])
    held = subject.hold_next()
    link = await subject.connect()
    reading = asyncio.create_task(link.read(FIRST))
    await held.arrived.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert link.lost.is_set() is not subject.is_flushed
    held.set()
    if subject.is_flushed:
        assert (await link.read(Block(kind=HOLDING, address=50, count=2))).data.tolist() == [51, 52]
        await link.close()
    else:
        with pytest.raises(NotConnectedError):
            await link.read(Block(kind=HOLDING, address=50, count=2))
    fresh = await subject.connect()
    assert (await fresh.read(Block(kind=HOLDING, address=50, count=2))).data.tolist() == [51, 52]
    await fresh.close()
    await link.close()


async def test_a_cancelled_wait_for_ones_turn_harms_nobody(subject: Subject) -> None:
    """A caller that gives up while as many requests as may be are under way leaves the link open."""
    holds = [subject.hold_next() for _ in range(subject.in_flight)]
    link = await subject.connect()
    sent = [asyncio.create_task(link.read(FIRST)) for _ in holds]
    for held in holds:
        await held.arrived.wait()
    waiting = asyncio.create_task(link.read(Block(kind=HOLDING, address=5, count=1)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for held in holds:
        held.set()
    for reading in await asyncio.gather(*sent):
        assert len(reading.data) == 2
    assert subject.order == [0] * subject.in_flight
    await link.close()


async def test_concurrent_requests_go_out_in_the_order_they_came(subject: Subject) -> None:
    """Each of many callers at once gets its own data, first come first served."""
    for address in range(20):
        await subject.put(HOLDING, address, [1000 + address])
    link = await subject.connect()
    addresses = [7, 3, 19, 0, 11, 4]
    readings = await asyncio.gather(*(link.read(Block(kind=HOLDING, address=at, count=1)) for at in addresses))
    assert [int(reading.data[0]) for reading in readings] == [1000 + at for at in addresses]
    assert subject.order == addresses
    await link.close()


async def test_what_is_asked_while_an_answer_is_out_is_read_too(subject: Subject) -> None:
    """Callers that come while as many requests as may be are outstanding wait their turn; each has its own data."""
    for address in range(12):
        await subject.put(HOLDING, address, [1000 + address])
    holds = [subject.hold_next() for _ in range(subject.in_flight)]
    link = await subject.connect()
    reads = [asyncio.create_task(link.read(Block(kind=HOLDING, address=at, count=1))) for at in range(12)]
    for held in holds:
        await held.arrived.wait()
    assert subject.order == list(range(subject.in_flight))
    for held in reversed(holds):
        held.set()
    assert [int(reading.data[0]) for reading in await asyncio.gather(*reads)] == list(range(1000, 1012))
    assert subject.order == list(range(12))
    await link.close()


async def test_closing_twice_is_harmless_and_a_closed_link_reads_nothing(subject: Subject) -> None:
    """A closed link says so."""
    link = await subject.connect()
    await link.close()
    await link.close()
    assert link.lost.is_set()
    with pytest.raises(NotConnectedError):
        await link.read(FIRST)
    with pytest.raises(NotConnectedError):
        await link.write(HOLDING, 0, [1])


async def test_a_fresh_link_works_after_a_lost_one(subject: Subject) -> None:
    """A link lives once; the next one is not harmed by what happened to it."""
    await subject.put(HOLDING, 0, [1, 2])
    first = await subject.connect()
    await first.read(FIRST)
    subject.disconnect()
    async with asyncio.timeout(4):
        await first.lost.wait()
    second = await subject.connect()
    assert (await second.read(FIRST)).data.tolist() == [1, 2]
    await second.close()
    await first.close()
