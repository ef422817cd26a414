"""What a survey finds of a device in memory, with how many requests, and that it never asks for what is forbidden."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import NotConnectedError
from hal.limits import AddressRange, PlanLimits
from hal.link import Block
from hal.memory import MemoryDevice
from hal.parameter import RegisterKind
from hal.survey import Pace, SurveyReader, compare_images, largest_block, readable_ranges

HOLDING, INPUT = RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER


def device_with(*ranges: range, kind: RegisterKind = HOLDING, end: int = 65_536) -> MemoryDevice:
    """A device that answers these addresses alone."""
    device = MemoryDevice("plc")
    at = 0
    for readable in sorted(ranges, key=lambda its: its.start):
        if readable.start > at:
            device.refuse(kind, range(at, readable.start))
        at = readable.stop
    if at < end:
        device.refuse(kind, range(at, end))
    return device


async def found_in(
    device: MemoryDevice, last: int, *, stride: int = 16, limits: PlanLimits | None = None
) -> list[tuple[int, int]]:
    """First and last address of each range that is found."""
    async with SurveyReader(device.connect) as reader:
        within = AddressRange(kind=HOLDING, first=0, last=last)
        ranges = readable_ranges(reader, within, stride=stride, limits=limits or PlanLimits())
        return [(found.first, found.last) async for found in ranges]


async def test_a_whole_map_takes_one_request_a_block() -> None:
    """Nothing is halved where nothing is refused."""
    device = device_with(range(65_536))
    assert await found_in(device, 999) == [(0, 999)]
    assert len(device.addresses) == 8


async def test_edges_are_found_to_the_address() -> None:
    """By halving, not by trying each."""
    device = device_with(range(100, 300), range(2_000, 2_047))
    assert await found_in(device, 4_000) == [(100, 299), (2_000, 2_046)]
    assert len(device.addresses) < 700


async def test_an_empty_map_is_an_empty_answer() -> None:
    """And costs two requests a stride."""
    assert await found_in(device_with(), 1_000) == []


async def test_addresses_that_are_forbidden_are_never_asked_for() -> None:
    """Some registers have an effect when they are read."""
    device = device_with(range(300))
    forbidden = PlanLimits(forbidden=(AddressRange(kind=HOLDING, first=50, last=59),))
    touched: list[range] = []

    class Watched:
        async def read(self, block: Block) -> object:
            touched.append(range(block.address, block.address + block.count))
            return await link.read(block)

    link = await device.connect()
    within = AddressRange(kind=HOLDING, first=0, last=299)
    found = [its async for its in readable_ranges(Watched(), within, stride=2, limits=forbidden)]  # type: ignore[arg-type]
    await link.close()
    assert [(its.first, its.last) for its in found] == [(0, 49), (60, 299)]
    assert not any(set(asked) & set(range(50, 60)) for asked in touched)


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.integers(0, 40), min_size=0, max_size=5, unique=True),
    lengths=st.lists(st.integers(16, 30), min_size=5, max_size=5),
)
def test_every_range_as_long_as_the_stride_is_found(starts: list[int], lengths: list[int]) -> None:
    """Whatever the map, as the docstring promises."""
    ranges = [range(start * 50, start * 50 + n) for start, n in zip(sorted(starts), lengths, strict=False)]
    readable = {address for addresses in ranges for address in addresses}
    device = device_with(*ranges)
    found = asyncio.run(found_in(device, 2_200))
    assert _addresses(found) == readable


def _addresses(found: Iterable[tuple[int, int]]) -> set[int]:
    return {address for first, last in found for address in range(first, last + 1)}


async def test_the_largest_block_is_found_and_how_a_larger_one_is_refused() -> None:
    """A device that ends at 99 takes 100 from 0, and 40 from 60."""
    device = device_with(range(100))
    async with SurveyReader(device.connect) as reader:
        largest = await largest_block(reader, HOLDING, [60, 0])
    assert (largest.count, largest.address, largest.exception_code) == (100, 0, 2)


async def test_a_device_that_takes_the_longest_request_is_asked_once() -> None:
    """Nothing more is to be known."""
    device = MemoryDevice("plc")
    async with SurveyReader(device.connect) as reader:
        largest = await largest_block(reader, HOLDING, [0, 500])
    assert (largest.count, largest.exception_code, len(device.addresses)) == (125, None, 1)


async def test_one_memory_behind_both_kinds_is_seen() -> None:
    """Words that are not zero agree."""
    device = MemoryDevice("plc")
    for kind in (HOLDING, INPUT):
        device.put_raw(kind, 10, [7, 8, 9])
    async with SurveyReader(device.connect) as reader:
        comparison = await compare_images(reader, [Block(kind=INPUT, address=8, count=10)])
    assert (comparison.agree, comparison.compared, comparison.not_zero) == (True, 10, 3)


async def test_zeros_do_not_prove_one_memory() -> None:
    """Two empty memories look alike."""
    async with SurveyReader(MemoryDevice("plc").connect) as reader:
        comparison = await compare_images(reader, [Block(kind=INPUT, address=0, count=10)])
    assert comparison.agree is None


async def test_two_memories_are_told_apart_by_a_difference_or_a_refusal() -> None:
    """One word is enough."""
    device = MemoryDevice("plc")
    device.put_raw(HOLDING, 3, [1])
    async with SurveyReader(device.connect) as reader:
        comparison = await compare_images(reader, [Block(kind=INPUT, address=0, count=10)])
        assert (comparison.agree, comparison.differing) == (False, (3,))
        device.refuse(INPUT, range(100))
        assert (await compare_images(reader, [Block(kind=HOLDING, address=0, count=10)])).agree is False


async def test_a_survey_connects_again_after_a_loss_and_raises_where_it_cannot() -> None:
    """A unit that closes idle connections is met again with the next request."""
    device = MemoryDevice("plc")
    block = Block(kind=HOLDING, address=0, count=1)
    async with SurveyReader(device.connect) as reader:
        await reader.read(block)
        device.disconnect()
        await reader.read(block)
        assert (reader.requests, device.connects) == (2, 2)
        device.become_unreachable()
        with pytest.raises(NotConnectedError, match="Connection refused"):
            await reader.read(block)


class FakeClock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now_ns = 5_000_000_000

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


async def test_requests_are_no_closer_than_the_rate() -> None:
    """21 requests at 20 a second take a second, and a pause is not made up for."""
    clock = FakeClock()
    pace = Pace(20, clock=clock)
    for _ in range(21):
        await pace.wait()
    assert clock.now_ns == 6_000_000_000
    clock.now_ns += 10_000_000_000
    await pace.wait()
    await pace.wait()
    assert clock.now_ns == 16_050_000_000
