"""Scans of a device, in health and in every kind of fault."""

import asyncio

import numpy as np
import pytest

from hal.device import Device
from hal.errors import (
    LinkError,
    MalformedError,
    NotConnectedError,
    RequestTimeoutError,
)
from hal.health import DeviceState
from hal.parameter import RegisterKind
from hal.plan import plan_reads
from hal.quality import FIRST_UNCERTAIN, Quality
from hal.scan import Scan
from tests.hal.device_bench import (
    FLOW,
    NAN,
    PLAN,
    PRESSURE,
    VALVE,
    Bench,
    until_told,
)
from tests.hal.parameters import holding


@pytest.fixture
async def bench() -> Bench:
    """A fresh one in the loop of the test."""
    return Bench()


def check_invariant(scan: Scan) -> None:
    """A value is NaN exactly where its quality is bad."""
    assert np.array_equal(np.isnan(scan.values), scan.quality < FIRST_UNCERTAIN)


async def test_a_scan_brings_values_set_values_quality_and_texts(bench: Bench) -> None:
    """Everything that the device says, in the order of the plan."""
    async with bench.connected():
        scan = await bench.device.scan(PLAN)
    assert scan.parameter_ids.tolist() == [3, 1, 4, 2]
    assert scan.values.tolist() == [pytest.approx(20.0), 1.5, 1.0, 2.0]
    assert scan.set_values.tolist() == pytest.approx([NAN, 2.0, NAN, NAN], nan_ok=True)
    assert scan.quality.tolist() == [Quality.GOOD] * 4
    assert scan.texts == {5: "Al2O3"}
    assert (scan.requests, scan.failed_blocks, scan.cause, scan.error) == (4, 0, None, None)
    assert scan.parameter_ids.dtype == np.int32
    assert scan.values.dtype == scan.set_values.dtype == np.float64
    assert scan.quality.dtype == np.int16
    assert scan.monotonic_ns.dtype == np.int64


async def test_a_device_without_connection_answers_at_once_with_bad_rows(bench: Bench) -> None:
    """Each slot makes its rows, with the cause; nothing is sent and nothing is awaited."""
    scan = await bench.device.scan(PLAN)
    assert scan.quality.tolist() == [Quality.NOT_CONNECTED] * 4
    assert (scan.requests, scan.failed_blocks, scan.cause) == (0, 4, "not_connected")
    assert scan.error == "plc: scan: no connection, stopped"
    assert scan.texts == {}
    check_invariant(scan)
    assert np.isnan(scan.set_values).all()


async def test_a_refused_block_costs_its_own_parameters_only(bench: Bench) -> None:
    """A bad address does not take the good ones with it."""
    bench.memory.refuse(RegisterKind.HOLDING_REGISTER, range(500, 501))
    async with bench.connected():
        scan = await bench.device.scan(PLAN)
        assert scan.quality.tolist() == [Quality.REFUSED, Quality.GOOD, Quality.GOOD, Quality.GOOD]
        assert (scan.requests, scan.failed_blocks, scan.cause) == (4, 1, None)
        assert scan.error == "plc: read holding_register 500..500: refused with exception 2 (illegal data address)"
        check_invariant(scan)
        assert bench.device.health.state is DeviceState.CONNECTED


async def test_a_busy_device_is_a_failure_of_communication_and_not_of_the_address(bench: Bench) -> None:
    """Exception 6 (server device busy) passes; the definition is not at fault."""
    bench.memory.refuse(RegisterKind.HOLDING_REGISTER, range(500, 501), 6)
    async with bench.connected():
        scan = await bench.device.scan(PLAN)
        assert scan.quality.tolist()[0] == Quality.COMMUNICATION_FAILURE
        check_invariant(scan)


async def test_a_scan_that_is_refused_altogether_says_so(bench: Bench) -> None:
    """The cause stands where no block was read."""
    for kind in RegisterKind:
        bench.memory.refuse(kind, range(65_536))
    async with bench.connected():
        scan = await bench.device.scan(PLAN)
    assert (scan.cause, scan.failed_blocks, scan.requests) == ("refused", 5, 6)  # the block of two was parted


@pytest.mark.parametrize(
    ("error", "quality"),
    [
        (RequestTimeoutError(operation="read", device="plc", reason="test"), Quality.COMMUNICATION_FAILURE),
        (MalformedError(operation="read", device="plc", reason="test"), Quality.COMMUNICATION_FAILURE),
        (NotConnectedError(operation="read", device="plc", reason="test"), Quality.NOT_CONNECTED),
    ],
)
async def test_a_failed_request_ends_the_scan_and_the_next_one_has_a_new_link(
    bench: Bench, error: LinkError, quality: Quality
) -> None:
    """What was read before stays good; the rest is not tried on a link that cannot be trusted."""
    bench.memory.fail_next(error)
    plan = plan_reads([VALVE, PRESSURE, FLOW])
    async with bench.connected():
        bad = await bench.device.scan(plan)
        assert bad.quality.tolist() == [quality] * 3
        assert (bad.requests, bad.failed_blocks, bad.cause) == (1, 3, error.cause)
        check_invariant(bad)
        await bench.clock.sleeps.get()  # that link never answered, so there is a wait
        bench.clock.wake()
        await bench.device.wait_connected()
        assert (await bench.device.scan(plan)).failed_blocks == 0
    assert bench.memory.connects == 2


async def test_what_was_read_before_a_timeout_stays_good(bench: Bench) -> None:
    """And a set-value whose block failed is NaN."""
    plan = plan_reads([VALVE, holding(1, 0, set_value_parameter_id=7), holding(7, 300)])
    held = asyncio.Event()
    async with bench.connected():
        await bench.device.scan(plan_reads([VALVE]))
        bench.memory.delay_next(0)
        bench.memory.delay_next(0)
        bench.memory.delay_next(held)
        scan = await bench.device.scan(plan)
    assert scan.quality.tolist() == [Quality.GOOD, Quality.GOOD, Quality.COMMUNICATION_FAILURE]
    assert (scan.requests, scan.failed_blocks, scan.cause) == (3, 1, None)
    assert scan.error == "plc: read holding_register 300..300: no answer within 0.05 s"
    assert np.isnan(scan.set_values).all()
    check_invariant(scan)


async def test_a_cancelled_scan_spoils_no_other(bench: Bench) -> None:
    """Its answer may still come: so its link goes, and the next scan reads its own data on a new one."""
    held = asyncio.Event()
    async with bench.connected():
        await bench.device.scan(PLAN)
        bench.memory.delay_next(held)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await bench.device.scan(PLAN)
        await until_told(bench, DeviceState.CONNECTED, times=2)
        assert (await bench.device.scan(PLAN)).values.tolist() == [pytest.approx(20.0), 1.5, 1.0, 2.0]


async def test_scans_of_two_intervals_take_turns_request_by_request(bench: Bench) -> None:
    """A long scan does not hold a short one up for longer than one request."""
    slow = plan_reads([holding(n, 1000 * n) for n in range(1, 4)])
    fast = plan_reads([VALVE])
    async with bench.connected():
        bench.memory.delay_next(0.0)
        both = await asyncio.gather(bench.device.scan(slow), bench.device.scan(fast))
    assert bench.memory.addresses == [1000, 15, 2000, 3000]
    assert [scan.failed_blocks for scan in both] == [0, 0]


async def test_each_row_has_the_time_of_the_block_that_carried_it(bench: Bench) -> None:
    """The midpoint between request and response, not one time for the whole scan."""
    device = Device("plc", bench.memory.connect)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(device.run())
        await device.wait_connected()
        bench.memory.delay_next(0)
        bench.memory.delay_next(0.02)
        scan = await device.scan(PLAN)
        owner.cancel()
    flow, pressure, valve, set_pressure = scan.monotonic_ns.tolist()
    assert scan.started_ns <= valve < pressure == set_pressure < flow <= scan.ended_ns
    assert pressure - valve > 9_000_000
