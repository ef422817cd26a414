"""A block that is refused costs its bad address only, and that only for as long as it is refused."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.device import Device
from hal.errors import RefusedError, RequestTimeoutError
from hal.hole import Hole, HoleSort
from hal.limits import PlanLimits
from hal.memory import MemoryDevice
from hal.parameter import DataType, Parameter, RegisterKind
from hal.plan import ReadPlan, plan_reads
from hal.probing import MOST_EXTRA
from hal.quality import Quality
from hal.refusals import Refusals
from hal.scan import Scan
from tests.hal.parameters import holding

HOLDING = RegisterKind.HOLDING_REGISTER
S = 1_000_000_000
HUNDRED = [holding(n, n, scan_interval_ms=60_000) for n in range(1, 101)]


class SetClock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0 * seconds)


class Bench:
    """A device in memory whose registers say their own address."""

    def __init__(self, *, holes: Sequence[Hole] = (), probe_interval_s: float = 600.0) -> None:
        self.memory = MemoryDevice("plc")
        self.memory.put_raw(HOLDING, 0, range(300))
        self.clock = SetClock()
        self.told: list[tuple[Hole, ...]] = []
        self.device = Device(
            "plc",
            self.memory.connect,
            clock=self.clock,
            refusals=Refusals(holes, probe_interval_s=probe_interval_s),
            on_holes=self.told.append,
        )

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Own the connection as the daemon does."""
        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(self.device.run())
            await self.device.wait_connected()
            yield
            owner.cancel()

    async def scans(self, plan: ReadPlan, count: int) -> list[Scan]:
        """Scan again and again."""
        return [await self.device.scan(plan) for _ in range(count)]


def bad_of(scan: Scan) -> list[int]:
    """Parameters that were refused."""
    return [int(i) for i, q in zip(scan.parameter_ids, scan.quality, strict=True) if q == Quality.REFUSED]


def check_good(scan: Scan) -> None:
    """A value that is not refused is what the register says."""
    for parameter_id, value, quality in zip(scan.parameter_ids, scan.values, scan.quality, strict=True):
        assert quality in {Quality.GOOD, Quality.REFUSED}
        assert quality == Quality.REFUSED or value == parameter_id


async def test_one_bad_address_among_a_hundred_is_alone_in_the_first_scan() -> None:
    """All others are good at once, and from the second scan on two requests read them."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(38, 39))
    async with bench.connected():
        first, second = await bench.scans(plan_reads(HUNDRED), 2)
    assert bad_of(first) == bad_of(second) == [38]
    check_good(first)
    assert first.requests <= 1 + MOST_EXTRA
    assert (second.requests, second.failed_blocks, second.error) == (2, 0, None)
    assert [str(hole) for hole in bench.device.holes] == ["parameter at holding_register 38..38"]
    assert bench.told == [bench.device.holes]


async def test_a_bisection_that_takes_longer_than_half_the_interval_goes_on_in_later_scans() -> None:
    """Each scan makes two extra requests at least, so it ends; the grid holds."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(38, 39))
    hurried = [holding(n, n, scan_interval_ms=5) for n in range(1, 101)]
    requests = []
    read = bench.memory.answer

    async def slow(operation: str, kind: RegisterKind, address: int, count: int) -> None:
        bench.clock.now_ns += 3_000_000
        await read(operation, kind, address, count)

    bench.memory.answer = slow  # type: ignore[method-assign]
    async with bench.connected():
        plan = plan_reads(hurried)
        while True:
            scan = await bench.device.scan(plan)
            requests.append(scan.requests)
            check_good(scan)
            if bad_of(scan) == [38] and len(requests) > 8:
                break
    assert max(requests) <= 12
    assert requests[0] == 3
    assert requests[-1] == 2


async def test_many_bad_addresses_are_found_within_a_bound_of_requests_a_scan() -> None:
    """And every other parameter is good in the end."""
    bad = [3, 4, 40, 77, 100]
    bench = Bench()
    for address in bad:
        bench.memory.refuse(HOLDING, range(address, address + 1), 3)
    async with bench.connected():
        scans = await bench.scans(plan_reads(HUNDRED), 12)
    assert bad_of(scans[-1]) == bad
    assert all(scan.requests <= 12 + MOST_EXTRA for scan in scans)
    assert scans[-1].requests == 4
    for scan in scans:
        check_good(scan)


async def test_an_unused_address_that_is_refused_makes_no_parameter_bad() -> None:
    """Requests no longer bridge it; believed at the second time, since a device may refuse while it restarts."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(13, 14))
    plan = plan_reads([*(holding(n, n) for n in range(1, 11)), *(holding(n, n) for n in range(20, 31))])
    assert len(plan.blocks) == 1
    async with bench.connected():
        scans = await bench.scans(plan, 3)
    assert [bad_of(scan) for scan in scans] == [[], [], []]
    assert [scan.requests for scan in scans] == [3, 3, 2]
    assert [str(hole) for hole in bench.device.holes] == ["gap at holding_register 11..19"]


async def test_a_device_that_takes_fewer_registers_than_it_says_is_read_in_parts() -> None:
    """Refused for its length alone, a request is parted, and no parameter is bad at any time."""
    bench = Bench()
    answer = bench.memory.answer

    async def at_most_32(operation: str, kind: RegisterKind, address: int, count: int) -> None:
        await answer(operation, kind, address, count)
        if count > 32:
            raise RefusedError(operation=operation, device="plc", exception_code=3)

    bench.memory.answer = at_most_32  # type: ignore[method-assign]
    async with bench.connected():
        scans = await bench.scans(plan_reads(HUNDRED), 10)
    assert [bad_of(scan) for scan in scans] == [[]] * 10
    assert scans[-1].requests == 4
    assert {hole.sort for hole in bench.device.holes} == {HoleSort.BOUNDARY}


async def test_a_repaired_address_comes_back() -> None:
    """After a second at first, then ever later; in the end every ten minutes."""
    bench = Bench(probe_interval_s=600)
    bench.memory.refuse(HOLDING, range(38, 39))
    plan = plan_reads(HUNDRED)
    tries = []
    async with bench.connected():
        await bench.scans(plan, 2)
        for second in range(1, 4000):
            bench.clock.now_ns = second * S
            if (await bench.device.scan(plan)).requests == 3:
                tries.append(second)
        bench.memory.accept_all()
        bench.clock.now_ns += 600 * S
        await bench.device.scan(plan)
        scan = await bench.device.scan(plan)
    assert tries[:6] == [1, 3, 7, 15, 31, 63]
    assert tries[-1] - tries[-2] == 600
    assert bad_of(scan) == []
    assert scan.requests == 1
    assert bench.told[-1] == ()


async def test_a_device_that_refuses_all_while_it_restarts_is_whole_a_second_later() -> None:
    """One address that answers brings the tries of all the others forward."""
    bench = Bench()
    plan = plan_reads([holding(n, n * 30) for n in range(1, 6)])
    bench.memory.refuse(HOLDING, range(1000))
    async with bench.connected():
        refused = await bench.device.scan(plan)
        none_left = await bench.device.scan(plan)
        bench.memory.accept_all()
        bench.clock.now_ns += S
        await bench.device.scan(plan)
        scan = await bench.device.scan(plan)
    assert (refused.cause, none_left.cause) == ("refused", "refused")
    assert none_left.requests == 0
    assert bad_of(none_left) == [1, 2, 3, 4, 5]
    assert bad_of(scan) == []


async def test_what_an_earlier_run_learned_is_planned_around_and_tried_at_once() -> None:
    """Holes are plain data on their way to disk and back."""
    hole = Hole(kind=HOLDING, first=38, last=38, sort=HoleSort.PARAMETER, asked_first=38, asked_last=38)
    bench = Bench(holes=[Hole.of_plain(hole.to_plain())])
    async with bench.connected():
        first, second = await bench.scans(plan_reads(HUNDRED), 2)
    assert bad_of(first) == [38]
    assert first.requests == 3
    assert bad_of(second) == []
    assert bench.device.holes == ()


async def test_a_hole_of_one_plan_is_known_to_the_others() -> None:
    """Addresses are the device's, whatever the interval at which they are read."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(38, 39))
    async with bench.connected():
        await bench.device.scan(plan_reads(HUNDRED))
        other = await bench.device.scan(plan_reads([holding(n, n) for n in range(36, 41)]))
    assert (bad_of(other), other.requests) == ([38], 2)


@pytest.mark.parametrize("code", [1, 4, 6, 11])
async def test_what_is_not_refused_for_its_address_is_not_bisected(code: int) -> None:
    """A busy device or an unknown function is not cured by smaller requests."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(38, 39), code)
    async with bench.connected():
        scan = await bench.device.scan(plan_reads(HUNDRED))
    assert (scan.requests, bench.device.holes) == (1, ())


async def test_a_connection_that_is_lost_in_mid_bisection_leaves_no_hole() -> None:
    """Only what a device says counts."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(38, 39))
    async with bench.connected():
        bench.memory.delay_next(0)
        bench.memory.fail_next(RefusedError(operation="read", device="plc", exception_code=2))
        bench.memory.fail_next(RequestTimeoutError(operation="read", device="plc", reason="test"))
        await bench.device.scan(plan_reads(HUNDRED))
    assert bench.device.holes == ()


async def test_overlapping_parameters_stand_and_fall_together() -> None:
    """No request can part them."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(11, 12))
    plan = plan_reads([holding(1, 1), holding(10, 10, DataType.FLOAT32), holding(11, 11), holding(20, 20)])
    async with bench.connected():
        scan = await bench.device.scan(plan)
    assert bad_of(scan) == [10, 11]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 150), min_size=1, max_size=60, unique=True),
    st.sets(st.integers(1, 150), max_size=12),
    st.integers(20, 125),
)
async def test_whatever_is_refused_all_else_is_read_in_few_requests(
    addresses: list[int], refused: set[int], span: int
) -> None:
    """In the end exactly the refused parameters are bad, and nothing is asked that is refused."""
    bench = Bench()
    for address in refused:
        bench.memory.refuse(HOLDING, range(address, address + 1))
    parameters: list[Parameter] = [holding(a, a, scan_interval_ms=60_000) for a in addresses]
    plan = plan_reads(parameters, limits=PlanLimits(max_registers=span))
    async with bench.connected():
        scans = await bench.scans(plan, 40)
    for scan in scans:
        check_good(scan)
    assert sorted(bad_of(scans[-1])) == sorted(refused & set(addresses))
    assert scans[-1].failed_blocks == 0
    assert scans[-1].requests == len(bench.device.plan_now(plan).blocks)


async def test_a_hole_that_another_scan_finds_meanwhile_mixes_nothing_up() -> None:
    """A scan decodes what it asked for, though the plan is another by its end."""
    bench = Bench()
    bench.memory.refuse(HOLDING, range(38, 39))
    held = asyncio.Event()
    async with bench.connected():
        slow, fast = plan_reads([holding(n, n) for n in (40, 200, 36)]), plan_reads([holding(38, 38)])
        await bench.device.scan(slow)  # once, so that its bisection is over
        bench.memory.accept_all()
        bench.memory.refuse(HOLDING, range(37, 39))
        bench.memory.delay_next(held)
        both = asyncio.gather(bench.device.scan(slow), bench.device.scan(fast))
        await asyncio.sleep(0)
        held.set()
        first, second = await both
    check_good(first)
    assert bad_of(first) == []
    assert bad_of(second) == [38]
