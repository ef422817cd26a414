"""Blocks of a scan, read one after the other and several at a time."""

import asyncio

import numpy as np
import pytest

from hal.device import Device
from hal.errors import LinkError, RefusedError, RequestTimeoutError
from hal.link import Block, Reading
from hal.memory import MemoryDevice
from hal.outcome import Failure, Outcome, make_rows
from hal.parameter import DataType, RegisterKind
from hal.plan import plan_reads
from hal.quality import Quality
from hal.reading import read_blocks
from tests.contract.subjects import Hold
from tests.hal.parameters import coil, holding

BLOCKS = [Block(kind=RegisterKind.HOLDING_REGISTER, address=at, count=1) for at in range(10)]
TIMEOUT = RequestTimeoutError(operation="read", device="plc", reason="test")
REFUSED = RefusedError(operation="read", device="plc", exception_code=2)


class Reader:
    """Answers with the address, and says how many requests there were, and how many at a time."""

    def __init__(self, errors: dict[int, LinkError] | None = None) -> None:
        self.errors = errors or {}
        self.asked: list[int] = []
        self.most = 0
        self._now = 0

    async def read(self, block: Block) -> Outcome:
        self.asked.append(block.address)
        self._now += 1
        self.most = max(self.most, self._now)
        for _ in range(10 - block.address):  # the last asked is answered first
            await asyncio.sleep(0)
        self._now -= 1
        if block.address in self.errors:
            return Failure(error=self.errors[block.address], at_ns=0, sent=True)
        return Reading(data=np.array([block.address], np.uint16), requested_ns=0, responded_ns=0)


async def outcomes(reader: Reader, parallel: int) -> list[Outcome]:
    """Read all blocks."""
    return await read_blocks(BLOCKS, read=reader.read, parallel=parallel, now_ns=lambda: 7)


@pytest.mark.parametrize("parallel", [1, 2, 4, 8, 64])
async def test_outcomes_keep_the_order_of_the_blocks(parallel: int) -> None:
    """Whatever is answered first."""
    reader = Reader()
    read = await outcomes(reader, parallel)
    assert [int(one.data[0]) for one in read if isinstance(one, Reading)] == list(range(10))
    assert reader.asked == list(range(10))
    assert reader.most == min(parallel, 10)


@pytest.mark.parametrize("parallel", [1, 3])
async def test_a_refusal_costs_its_own_block_only(parallel: int) -> None:
    """The others are read."""
    read = await outcomes(Reader({4: REFUSED}), parallel)
    assert [isinstance(one, Failure) for one in read] == [at == 4 for at in range(10)]


@pytest.mark.parametrize(("parallel", "asked"), [(1, 4), (3, 6)])
async def test_after_a_timeout_nothing_more_is_asked(parallel: int, asked: int) -> None:
    """What was under way at the time is kept; the rest has the cause of the first failure."""
    reader = Reader({3: TIMEOUT, 4: TIMEOUT, 5: TIMEOUT} if parallel == 3 else {3: TIMEOUT})
    read = await outcomes(reader, parallel)
    assert len(reader.asked) == asked
    assert [one.sent for one in read if isinstance(one, Failure)] == [True] * (asked - 3) + [False] * (10 - asked)
    assert {one.at_ns for one in read[asked:] if isinstance(one, Failure)} == {7}


async def test_a_scan_reads_as_many_blocks_at_a_time_as_the_link_takes() -> None:
    """Both requests are under way before the first is answered, and each answer finds its place."""
    memory = MemoryDevice("plc", parallel=2)
    plan = plan_reads([holding(1, 0), holding(2, 500)])
    memory.put_raw(RegisterKind.HOLDING_REGISTER, 0, [11])
    memory.put_raw(RegisterKind.HOLDING_REGISTER, 500, [22])
    holds = [Hold(), Hold()]
    for hold in holds:
        memory.delay_next(hold)
    device = Device("plc", memory.connect)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(device.run())
        await device.wait_connected()
        scanning = tasks.create_task(device.scan(plan))
        for hold in holds:
            await hold.arrived.wait()
        for hold in reversed(holds):
            hold.set()
        assert (await scanning).values.tolist() == [11.0, 22.0]
        owner.cancel()


def test_what_was_read_after_a_flush_is_uncertain_where_it_would_be_good() -> None:
    """Quality 64, with the value; a sentinel stays bad, a value out of range stays out of range."""
    plan = plan_reads(
        [
            holding(1, 0),
            holding(2, 1, sentinels=(0x8002,)),
            holding(3, 2, range_high=5.0),
            holding(4, 500, DataType.UINT16),
            coil(5, 0),
        ]
    )
    words = {0: [0x0001], 1: [10, 0x8002, 99], 2: [20]}
    read = [
        Reading(
            data=np.array(words[index], np.uint16).astype(np.bool_)
            if block.kind.is_bit
            else np.array(words[index], np.uint16),
            requested_ns=0,
            responded_ns=0,
            is_after_flush=index == 1,
        )
        for index, block in enumerate(plan.blocks)
    ]
    rows = make_rows(plan, read, unread=Quality.REFUSED, unread_ns=0)
    assert rows.quality.tolist() == [
        Quality.UNCERTAIN,
        Quality.SENSOR_FAILURE,
        Quality.OUT_OF_RANGE,
        Quality.GOOD,
        Quality.GOOD,
    ]
    assert rows.values[0] == 10.0
