"""Several units on one line: fair turns, a silent one among them, answers that come late."""

import asyncio
import time

import pytest

from hal.backoff import Backoff
from hal.device import Device
from hal.errors import DefinitionError, NotConnectedError, RequestTimeoutError
from hal.link import Block, Link
from hal.modbus import Framing, Line, UnitSettings
from hal.parameter import RegisterKind
from hal.plan import plan_reads
from hal.quality import Quality
from tests.hal.parameters import holding
from tests.hal.rtu_server import UnitServer, serving, words

HOLDING = RegisterKind.HOLDING_REGISTER
ONE = Block(kind=HOLDING, address=0, count=1)
BOTH = pytest.mark.parametrize("framing", [Framing.RTU, Framing.MBAP])


def unit(number: int, *, timeout_s: float = 5.0, turnaround_s: float = 0.005, delay_s: float = 0.0) -> UnitSettings:
    """One unit; patient, since a machine that stands still for a moment is no silent unit."""
    return UnitSettings(
        device=f"unit {number}",
        unit=number,
        request_timeout_s=timeout_s,
        turnaround_s=turnaround_s,
        inter_request_delay_s=delay_s,
    )


async def value(link: Link) -> int:
    """Read one register."""
    return int((await link.read(ONE)).data[0])


@BOTH
async def test_units_share_one_connection_that_closes_with_the_last(framing: Framing) -> None:
    """Opened once; closed when nobody has a link; opened again."""
    async with serving(framing) as server:
        server.units = {1: words(11), 2: words(22)}
        line = Line(server.place)
        first_connect, second_connect = line.join(unit(1)), line.join(unit(2))
        first, second = await asyncio.gather(first_connect(), second_connect())
        assert [await value(first), await value(second)] == [11, 22]
        await first.close()
        assert await value(second) == 22
        with pytest.raises(NotConnectedError):
            await value(first)
        await second.close()
        assert server.connections == 1
        again = await first_connect()
        assert await value(again) == 11
        assert server.connections == 2
        await again.close()


@BOTH
async def test_a_unit_that_asks_much_does_not_hold_up_one_that_asks_little(framing: Framing) -> None:
    """Twenty requests of one wait, and the other's single request is the next but one."""
    async with serving(framing) as server:
        server.units = {1: words(1), 2: words(2)}
        line = Line(server.place)
        greedy, modest = await line.join(unit(1))(), await line.join(unit(2))()
        many = [asyncio.create_task(value(greedy)) for _ in range(20)]
        await server.wait_asked(1, 1)
        assert await value(modest) == 2
        assert await asyncio.gather(*many) == [1] * 20
        assert server.order.index(2) <= 3
        await greedy.close()
        await modest.close()


@BOTH
async def test_a_silent_unit_costs_the_others_neither_connection_nor_time(framing: Framing) -> None:
    """It loses its own link after three requests, is probed for a tenth of the time, and comes back by itself."""
    async with serving(framing) as server:
        server.units = {2: words(22)}
        line = Line(server.place)
        plan = plan_reads([holding(1, 0)])
        backoff = Backoff(first_s=0.001, longest_s=0.001)
        silent = Device("unit 1", line.join(unit(1, timeout_s=0.02)), backoff=backoff)
        lively = Device("unit 2", line.join(unit(2)), backoff=backoff)
        async with asyncio.TaskGroup() as tasks:
            owners = [tasks.create_task(device.run()) for device in (silent, lively)]
            await asyncio.gather(silent.wait_connected(), lively.wait_connected())
            for _ in range(3):
                assert (await silent.scan(plan)).quality.tolist() == [Quality.COMMUNICATION_FAILURE]
            assert (await silent.scan(plan)).quality.tolist() == [Quality.NOT_CONNECTED]
            scans = 0
            started = time.monotonic()
            while server.order.count(1) < 6:  # three probes: each waits nine times as long as it holds the line up
                assert (await lively.scan(plan)).quality.tolist() == [Quality.GOOD]
                scans += 1
            assert time.monotonic() - started > 2 * 9 * 0.02
            assert scans > 20
            server.units[1] = words(11)
            async with asyncio.timeout(30):
                while True:  # where the machine stands still for 20 ms it is silent once more
                    await silent.wait_connected()
                    answered = [await silent.scan(plan) for _ in range(2)]
                    if all(scan.cause is None for scan in answered):
                        break
            assert answered[0].quality.tolist()[0] in {Quality.GOOD, Quality.UNCERTAIN}
            assert answered[1].values.tolist() == [11.0]
            assert server.connections == 1
            for owner in owners:
                owner.cancel()


@BOTH
async def test_a_line_on_which_nobody_answers_is_opened_anew(framing: Framing) -> None:
    """A gateway that was restarted in its sleep keeps a connection that is dead."""
    async with serving(framing) as server:
        line = Line(server.place)
        connects = [line.join(unit(1, timeout_s=0.01)), line.join(unit(2, timeout_s=0.5))]
        links = [await connect() for connect in connects]
        for link in [*links, *links]:
            with pytest.raises((RequestTimeoutError, NotConnectedError)):
                await value(link)
        assert [link.lost.is_set() for link in links] == [True, True]
        for link in links:
            await link.close()
        server.units = {1: words(11), 2: words(22)}
        fresh = await connects[1]()
        assert await value(fresh) == 22
        assert server.connections == 2
        await fresh.close()


async def test_a_late_answer_of_one_unit_is_skipped_on_a_shared_gateway() -> None:
    """Its transaction tells; the other's answer behind it is taken, and the connection stays."""
    async with serving(Framing.MBAP) as server:
        server.units = {2: words(22)}
        line = Line(server.place)
        late, lively = await line.join(unit(1, timeout_s=0.05))(), await line.join(unit(2))()
        with pytest.raises(RequestTimeoutError):
            await value(late)
        server.units[2] = lambda _request: None
        asking = asyncio.create_task(value(lively))
        await server.wait_asked(2, 1)
        answer = bytes.fromhex("0001 0000 0005 01 03 02 DEAD 0002 0000 0005 02 03 02 0016")
        for at in range(len(answer)):
            server.send(answer[at : at + 1])
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            assert await asking == 22
        assert not lively.lost.is_set()
        await late.close()
        await lively.close()


async def test_a_device_that_lags_by_an_answer_stays_marked_on_rtu() -> None:
    """What comes behind a marked answer shows that it was the one before, so the next is marked too."""
    async with serving(Framing.RTU) as server:
        line = Line(server.place)
        link = await line.join(unit(1, timeout_s=0.5, turnaround_s=0.03))()
        with pytest.raises(RequestTimeoutError):
            await value(link)
        lagging = server.frame(b"", 1, bytes.fromhex("03 02 0001"))
        server.units[1] = words(1)
        assert (await link.read(ONE)).is_after_flush
        server.send(lagging)  # a second answer, of the very same shape, that nobody asked for
        marks = [(await link.read(ONE)).is_after_flush for _ in range(3)]
        assert marks == [True, False, False]
        await link.close()


async def test_a_line_that_does_not_fall_silent_is_closed() -> None:
    """A device that babbles; it is no endless wait."""
    async with serving(Framing.RTU) as server:
        link = await Line(server.place).join(unit(1, timeout_s=0.05, turnaround_s=0.3))()
        with pytest.raises(RequestTimeoutError):
            await value(link)
        reading = asyncio.create_task(value(link))
        while not reading.done():
            server.send(b"\x55")
            await asyncio.sleep(0)
        with pytest.raises(Exception, match="does not fall silent"):
            await reading
        assert link.lost.is_set()
        await link.close()


async def test_a_unit_has_its_pause_between_requests_and_another_uses_it() -> None:
    """The inter-request delay holds up nobody else."""
    async with serving(Framing.RTU) as server:
        server.units = {1: words(1), 2: words(2)}
        line = Line(server.place)
        slow, quick = await line.join(unit(1, delay_s=0.05))(), await line.join(unit(2))()
        await value(slow)
        started = time.monotonic()
        waiting = asyncio.create_task(value(slow))
        for _ in range(5):
            await value(quick)
        assert server.order == [1, 2, 2, 2, 2, 2]
        await waiting
        assert time.monotonic() - started >= 0.049
        await slow.close()
        await quick.close()


async def test_a_broadcast_is_written_without_an_answer_and_gives_time_to_act() -> None:
    """Unit 0 of a serial line is everybody: the turnaround follows; it cannot be read."""
    async with serving(Framing.RTU) as server:
        server.units = {1: words(1)}
        line = Line(server.place)
        everybody = await line.join(unit(0, turnaround_s=0.05))()
        one = await line.join(unit(1))()
        started = time.monotonic()
        await everybody.write(HOLDING, 5, [1])
        assert await value(one) == 1
        assert time.monotonic() - started >= 0.049
        assert server.order == [0, 1]
        with pytest.raises(DefinitionError, match="nobody answers for unit 0"):
            await value(everybody)
        await everybody.close()
        await one.close()


@BOTH
async def test_a_cancelled_request_costs_the_other_units_nothing(framing: Framing) -> None:
    """A scan that is given up leaves the shared connection open."""
    async with serving(framing) as server:
        server.units = {2: words(22)}
        line = Line(server.place)
        given_up, lively = await line.join(unit(1))(), await line.join(unit(2))()
        asking = asyncio.create_task(value(given_up))
        await server.wait_asked(1, 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await value(lively) == 22
        assert server.connections == 1
        await given_up.close()
        await lively.close()


async def test_one_failed_attempt_to_open_is_told_to_all_who_wait(unused_server: UnitServer) -> None:
    """Ten units behind a gateway that is off must not try in vain ten times in a row."""
    line = Line(unused_server.place)
    connects = [line.join(unit(number)) for number in range(1, 4)]
    results = await asyncio.gather(*(connect() for connect in connects), return_exceptions=True)
    assert [str(result).partition(":")[0] for result in results] == ["unit 1", "unit 2", "unit 3"]
    assert line._attempts == 1


@pytest.fixture
async def unused_server() -> UnitServer:
    """A port on which nobody listens."""
    async with serving(Framing.MBAP) as server:
        pass
    return server
