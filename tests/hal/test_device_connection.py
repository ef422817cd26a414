"""The connection of a device: replaced, tried ever more slowly, told once, and closed by its owner."""

import asyncio

import pytest

from hal.device import Device
from hal.health import DeviceState
from hal.link import Link
from hal.parameter import RegisterKind
from hal.quality import Quality
from tests.contract.subjects import Hold
from tests.hal.device_bench import (
    PLAN,
    Bench,
    until_told,
)


@pytest.fixture
async def bench() -> Bench:
    """A fresh one in the loop of the test."""
    return Bench()


async def test_a_connection_that_served_is_replaced_at_once(bench: Bench) -> None:
    """A restarted device is back before the next slot: no wait comes first."""
    async with bench.connected():
        await bench.device.scan(PLAN)
        bench.memory.disconnect()
        assert (await bench.device.scan(PLAN)).cause == "not_connected"
        await until_told(bench, DeviceState.CONNECTED, times=2)
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
