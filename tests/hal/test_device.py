"""Scans of a device, in health and in every kind of fault."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from hal.backoff import Backoff
from hal.device import Device
from hal.errors import (
    DefinitionError,
    LinkError,
    MalformedError,
    NotConnectedError,
    RefusedError,
    RequestTimeoutError,
)
from hal.health import DeviceEvent, DeviceState
from hal.link import Link
from hal.memory import MemoryDevice
from hal.parameter import DataType, RegisterKind
from hal.plan import plan_reads
from hal.quality import FIRST_UNCERTAIN, Quality
from hal.scan import Scan
from tests.contract.subjects import Hold
from tests.hal.parameters import coil, holding, make

NAN = math.nan
PRESSURE = holding(1, 0, DataType.FLOAT32, set_value_parameter_id=2)
SET_PRESSURE = holding(2, 2, DataType.FLOAT32)
FLOW = holding(3, 500, DataType.UINT16, scale=0.1)
VALVE = coil(4, 15)
RECIPE = holding(5, 900, DataType.ASCII, length=4)
EVERYTHING = [FLOW, PRESSURE, VALVE, RECIPE, SET_PRESSURE]
PLAN = plan_reads(EVERYTHING)
"""Four blocks: the coil, then holding registers 0..3, 500, 900..903; rows 3, 1, 4, 2."""


class StoppedClock:
    """A clock whose sleeps end when the test says so."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.sleeps: asyncio.Queue[float] = asyncio.Queue()
        self._awake = asyncio.Event()

    def monotonic_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self._awake.clear()
        self.sleeps.put_nowait(seconds)
        await self._awake.wait()
        self.now_ns += round(seconds * 1e9)

    def wake(self) -> None:
        self._awake.set()


class Bench:
    """A device in memory, its owner, and what the owner told."""

    def __init__(self) -> None:
        self.memory = MemoryDevice("plc", request_timeout_s=0.05)
        self.clock = StoppedClock()
        self.events: list[DeviceEvent] = []
        self.told: asyncio.Queue[DeviceEvent] = asyncio.Queue()
        backoff = Backoff(chance=lambda: 1.0)
        self.device = Device("plc", self.memory.connect, backoff=backoff, clock=self.clock, on_event=self._note)
        for parameter, value in ((PRESSURE, 1.5), (SET_PRESSURE, 2.0), (FLOW, 20.0), (VALVE, 1.0), (RECIPE, "Al2O3")):
            self.memory.put(parameter, value)

    def _note(self, event: DeviceEvent) -> None:
        self.events.append(event)
        self.told.put_nowait(event)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Own the connection as the daemon does."""
        async with asyncio.TaskGroup() as tasks:
            owner = tasks.create_task(self.device.run())
            yield
            owner.cancel()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Run until there is a connection."""
        async with self.running():
            await self.device.wait_connected()
            yield


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


async def test_a_connection_that_served_is_replaced_at_once(bench: Bench) -> None:
    """A restarted device is back before the next slot: no wait comes first."""
    async with bench.connected():
        await bench.device.scan(PLAN)
        bench.memory.disconnect()
        assert (await bench.device.scan(PLAN)).cause == "not_connected"
        await _until(bench, DeviceState.CONNECTED, times=2)
        assert (await bench.device.scan(PLAN)).failed_blocks == 0
    assert bench.clock.sleeps.empty()
    states = [event.state for event in bench.events]
    assert states == [DeviceState.CONNECTED, DeviceState.CONNECTING, DeviceState.CONNECTED]
    assert "closed" in str(bench.events[1].reason)


async def test_an_unreachable_device_is_tried_ever_more_slowly_and_told_once(bench: Bench) -> None:
    """0.1 s doubles to 5 s; an outage of an hour is one event, not seven hundred."""
    bench.memory.become_unreachable("Connection refused")
    waits = []
    async with bench.running():
        for _ in range(8):
            waits.append(await bench.clock.sleeps.get())
            assert bench.device.health.state is DeviceState.BACKING_OFF
            bench.clock.wake()
        last = await bench.clock.sleeps.get()
        assert bench.device.health.failures == 9
        assert bench.device.health.next_try_ns == bench.clock.now_ns + round(last * 1e9)
        assert (await bench.device.scan(PLAN)).error == (
            "plc: scan: no connection, backing_off after: connect to memory: Connection refused"
        )
        bench.memory.become_reachable()
        bench.clock.wake()
        await bench.device.wait_connected()
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])
    assert [event.state for event in bench.events] == [DeviceState.BACKING_OFF, DeviceState.CONNECTED]
    assert bench.events[0].reason == "plc: connect to memory: Connection refused"


async def test_a_device_that_accepts_and_never_serves_is_not_hammered(bench: Bench) -> None:
    """A connection that closes without an answer counts as a failure, so waits grow."""
    waits = []
    async with bench.running():
        for _ in range(3):
            await bench.device.wait_connected()
            bench.memory.disconnect()
            waits.append(await bench.clock.sleeps.get())
            bench.clock.wake()
            await asyncio.sleep(0)
    assert waits == pytest.approx([0.1, 0.2, 0.4])


async def test_a_dead_device_that_accepts_connections_costs_one_request_a_back_off(bench: Bench) -> None:
    """After two connections that never served the circuit is half open: scans fail at once until a request is answered.

    The rows say 24 while scans waited for it, and 8 from then on.
    """
    holds = [Hold() for _ in range(4)]
    for hold in holds:
        bench.memory.delay_next(hold)
    async with bench.running():
        for wait_s in (0.1, 0.2):
            await bench.device.wait_connected()
            assert set((await bench.device.scan(PLAN)).quality.tolist()) == {Quality.COMMUNICATION_FAILURE}
            assert await bench.clock.sleeps.get() == pytest.approx(wait_s)
            assert set((await bench.device.scan(PLAN)).quality.tolist()) == {Quality.NOT_CONNECTED}
            bench.clock.wake()
        for wait_s, hold in ((0.4, holds[2]), (0.8, holds[3])):
            await hold.arrived.wait()
            assert bench.device.health.state is DeviceState.HALF_OPEN
            scan = await bench.device.scan(PLAN)
            assert (scan.cause, scan.requests) == ("not_connected", 0)
            assert "half_open after: read coil 15..15: no answer within 0.05 s" in str(scan.error)
            assert set(scan.quality.tolist()) == {Quality.NOT_CONNECTED}
            assert await bench.clock.sleeps.get() == pytest.approx(wait_s)
            bench.clock.wake()
        await bench.device.wait_connected()
        assert (await bench.device.scan(PLAN)).failed_blocks == 0
        assert bench.device.health.failures == 0
    # the coil is the first block of each scan: twice by scans, three times by a half-open circuit, then all four
    assert bench.memory.addresses[:5] == [15] * 5
    assert len(bench.memory.addresses) == 9
    states = [event.state for event in bench.events]
    assert states == [DeviceState.CONNECTED, DeviceState.CONNECTING] * 2 + [DeviceState.CONNECTED]


async def test_a_refusal_closes_a_half_open_circuit(bench: Bench) -> None:
    """A device that refuses an address is alive."""
    for _ in range(2):
        bench.memory.delay_next(10.0)
    async with bench.running():
        for _ in range(2):
            await bench.device.wait_connected()
            await bench.device.scan(PLAN)
            await bench.clock.sleeps.get()
            bench.memory.refuse(RegisterKind.COIL, range(65_536))
            bench.clock.wake()
            await asyncio.sleep(0)
        await bench.device.wait_connected()
        assert bench.device.health.state is DeviceState.CONNECTED


async def test_health_follows_the_connection(bench: Bench) -> None:
    """Stopped, connected since, round trip, last error, stopped again."""
    assert bench.device.health.state is DeviceState.STOPPED
    bench.clock.now_ns = 77
    async with bench.connected():
        assert bench.device.health.connected_since_ns == 77
        assert bench.device.health.round_trip_ns is None
        await bench.device.scan(PLAN)
        health = bench.device.health
        assert health.state is DeviceState.CONNECTED
        assert health.round_trip_ns is not None
        assert health.last_error is None
    assert bench.device.health.state is DeviceState.STOPPED
    assert bench.device.health.connected_since_ns is None


async def test_a_cancelled_owner_closes_the_connection(bench: Bench) -> None:
    """Nothing stays open behind the daemon."""
    links: list[Link] = []

    async def connect() -> Link:
        links.append(await bench.memory.connect())
        return links[-1]

    device = Device("plc", connect)
    async with asyncio.TaskGroup() as tasks:
        owner = tasks.create_task(device.run())
        await device.wait_connected()
        owner.cancel()
    assert links[0].lost.is_set()
    assert (await device.scan(PLAN)).cause == "not_connected"


async def test_a_cancelled_scan_spoils_no_other(bench: Bench) -> None:
    """Its answer may still come: so its link goes, and the next scan reads its own data on a new one."""
    held = asyncio.Event()
    async with bench.connected():
        await bench.device.scan(PLAN)
        bench.memory.delay_next(held)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await bench.device.scan(PLAN)
        await _until(bench, DeviceState.CONNECTED, times=2)
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


async def test_a_written_value_reaches_the_device(bench: Bench) -> None:
    """Encoded by type, order and scale."""
    async with bench.connected():
        await bench.device.write(SET_PRESSURE, 2.5)
        await bench.device.write(FLOW, 12.3)
        await bench.device.write(VALVE, 0)
    assert bench.memory.get(SET_PRESSURE) == 2.5
    assert bench.memory.get(FLOW) == pytest.approx(12.3)
    assert bench.memory.get(VALVE) == 0.0


async def test_writing_one_bit_of_a_register_keeps_the_others(bench: Bench) -> None:
    """Two writers of two bits of one word do not undo each other."""
    bench.memory.put_raw(RegisterKind.HOLDING_REGISTER, 40, [0b1000_0000_0000_0101])
    bits = [holding(number, 40, DataType.BINARY, bit=number) for number in range(4)]
    async with bench.connected():
        await asyncio.gather(bench.device.write(bits[0], 0), bench.device.write(bits[3], 1))
    assert bench.memory.get_raw(RegisterKind.HOLDING_REGISTER, 40, 1).tolist() == [0b1000_0000_0000_1100]


async def test_a_refused_write_is_raised_and_noted(bench: Bench) -> None:
    """Whoever writes must know that it did not happen."""
    bench.memory.refuse(RegisterKind.COIL, range(15, 16))
    async with bench.connected():
        with pytest.raises(RefusedError):
            await bench.device.write(VALVE, 1)
        assert "write coil 15..15" in str(bench.device.health.last_error)


async def test_a_write_without_connection_is_raised(bench: Bench) -> None:
    """It is not kept for later: a late write could harm."""
    with pytest.raises(NotConnectedError, match=r"plc: write test/4: no connection"):
        await bench.device.write(VALVE, 1)


@pytest.mark.parametrize("value", [NAN, math.inf])
async def test_no_value_is_not_written(bench: Bench, value: float) -> None:
    """NaN in a set-value register could be taken for anything."""
    async with bench.connected():
        with pytest.raises(DefinitionError, match="no value to write"):
            await bench.device.write(SET_PRESSURE, value)


async def test_an_input_cannot_be_written(bench: Bench) -> None:
    """Two of the four kinds are read only."""
    with pytest.raises(DefinitionError, match="input_register cannot be written"):
        await bench.device.write(make(9, RegisterKind.INPUT_REGISTER, 0, DataType.INT16), 1)


async def _until(bench: Bench, state: DeviceState, *, times: int) -> None:
    """Wait until a state was told so many times."""
    while [event.state for event in bench.events].count(state) < times:
        await bench.told.get()
