"""Several requests outstanding on one connection: each answer is its own request's, or the connection ends."""

import asyncio
import socket
import time
from itertools import pairwise

import pytest

from hal.device import Device
from hal.errors import DefinitionError, LinkError, MalformedError, NotConnectedError, RefusedError, RequestTimeoutError
from hal.link import Link, Reading
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.plan import plan_reads
from hal.quality import Quality
from tests.hal.parameters import holding
from tests.hal.pipelining import Peer, answering, block, serving


async def ask(link: Link, count: int) -> list[Reading | BaseException]:
    """Read so many blocks at once, the one at n of n + 1 registers."""
    return await asyncio.gather(*(link.read(block(at, at + 1)) for at in range(count)), return_exceptions=True)


def data(results: list[Reading | BaseException]) -> list[list[int] | type]:
    """Words, or what was raised."""
    return [result.data.tolist() if isinstance(result, Reading) else type(result) for result in results]


def own(at: int) -> list[int]:
    """What the block at n holds."""
    return list(range(at, 2 * at + 1))


async def test_answers_in_any_order_find_their_own_requests() -> None:
    """Four outstanding and answered backwards, then four more in another order."""

    async def script(peer: Peer) -> None:
        for order in ((3, 2, 1, 0), (1, 3, 0, 2)):
            requests = await peer.requests(4)
            assert await peer.sends_no_more()  # the fifth waits
            peer.writer.write(b"".join(requests[at].answer() for at in order))

    async with serving(script) as place:
        link = await tcp_link(place.settings(4))()
        assert data(await ask(link, 8)) == [own(at) for at in range(8)]
        assert not link.lost.is_set()
        await link.close()


async def test_one_that_waits_goes_out_with_the_first_answer() -> None:
    """Whichever that is; never more are outstanding than may be."""

    async def script(peer: Peer) -> None:
        first, second = await peer.requests(2)
        assert await peer.sends_no_more()
        peer.writer.write(second.answer())
        (third,) = await peer.requests(1)
        peer.writer.write(third.answer())
        peer.writer.write(first.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(2))()
        assert data(await ask(link, 3)) == [own(at) for at in range(3)]
        await link.close()


async def test_by_default_one_is_outstanding() -> None:
    """Many a controller serves one transaction at a time, however many callers there are."""

    async def script(peer: Peer) -> None:
        for _ in range(3):
            (request,) = await peer.requests(1)
            assert await peer.sends_no_more()
            peer.writer.write(request.answer())

    async with serving(script) as place:
        link = await tcp_link(
            ModbusTcpSettings(device="plc", host="127.0.0.1", port=place.port, connect_timeout_s=20)
        )()
        assert data(await ask(link, 3)) == [own(at) for at in range(3)]
        await link.close()


async def test_a_refusal_among_good_answers_costs_its_own_request() -> None:
    """A Modbus exception carries its transaction as any answer does."""

    async def script(peer: Peer) -> None:
        first, second, third = await peer.requests(3)
        peer.writer.write(third.answer() + second.refusal() + first.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(3))()
        assert data(await ask(link, 3)) == [own(0), RefusedError, own(2)]
        assert not link.lost.is_set()
        await link.close()


async def test_swapped_transactions_are_never_data() -> None:
    """Each answer has the length of the other's request: the first to come is malformed, the rest ends with it."""

    async def script(peer: Peer) -> None:
        first, second, third = await peer.requests(3)
        peer.writer.write(first.answer(transaction=second.frame[:2]) + second.answer(transaction=first.frame[:2]))
        peer.writer.write(third.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(3))()
        assert data(await ask(link, 3)) == [NotConnectedError, MalformedError, NotConnectedError]
        assert link.lost.is_set()
        await link.close()


@pytest.mark.parametrize("before", [0, 1])
async def test_an_answer_to_nobody_ends_the_connection(before: int) -> None:
    """The oldest request is called malformed, since it was due; all others lose the connection, one that waits too."""

    async def script(peer: Peer) -> None:
        requests = await peer.requests(3)
        for request in requests[:before]:
            peer.writer.write(request.answer())
            await peer.requests(1)
        peer.writer.write(requests[-1].answer(transaction=b"\xff\xf0"))

    async with serving(script) as place:
        link = await tcp_link(place.settings(3))()
        results = await ask(link, 5)
        assert data(results) == [own(0)] * before + [MalformedError] + [NotConnectedError] * (4 - before)
        assert "transaction 65520 answered" in str(results[before])
        await link.close()


async def test_an_answer_that_comes_twice_ends_the_connection() -> None:
    """Its second coming belongs to nobody, although others are outstanding."""

    async def script(peer: Peer) -> None:
        first, _ = await peer.requests(2)
        peer.writer.write(first.answer() + first.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(2))()
        assert data(await ask(link, 2)) == [MalformedError, NotConnectedError]
        await link.close()


async def test_a_reset_tells_all_that_are_outstanding_at_once() -> None:
    """Three requests and one that waits; each says that the peer reset."""

    async def script(peer: Peer) -> None:
        await peer.requests(3)
        reset = b"\x01\0\0\0\0\0\0\0"
        peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        peer.writer.transport.abort()

    async with serving(script) as place:
        link = await tcp_link(place.settings(3))()
        async with asyncio.timeout(4):  # less than the time-out of a request
            results = await ask(link, 4)
        assert data(results) == [NotConnectedError] * 4
        assert [result.was_sent for result in results if isinstance(result, LinkError)] == [True, True, True, False]
        assert link.lost.is_set()
        await link.close()


async def test_a_request_that_is_passed_over_times_out_and_says_what_to_do() -> None:
    """A device that serves one at a time and drops the others: the error names the setting."""

    async def script(peer: Peer) -> None:
        first, _, _ = await peer.requests(3)
        peer.writer.write(first.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(3, timeout_s=0.5))()
        results = await ask(link, 3)
        assert data(results) == [own(0), RequestTimeoutError, NotConnectedError]
        words = r"no answer within 0.5 s while others were answered, with up to 3 in flight: .*lower requests_in_flight"
        with pytest.raises(RequestTimeoutError, match=words):
            raise results[1] if isinstance(results[1], RequestTimeoutError) else AssertionError
        with pytest.raises(NotConnectedError):
            await link.read(block(0))
        await link.close()


async def test_a_device_that_is_silent_is_not_blamed_on_the_setting() -> None:
    """Nothing was answered, so the plain words are right; the others end with the oldest."""

    async def script(peer: Peer) -> None:
        await peer.requests(2)

    async with serving(script) as place:
        link = await tcp_link(place.settings(2, timeout_s=0.05))()
        results = await ask(link, 2)
        assert data(results) == [RequestTimeoutError, NotConnectedError]
        assert str(results[0]).endswith("no answer within 0.05 s")
        await link.close()


async def test_one_that_waits_in_the_device_has_its_time_from_the_answer_before() -> None:
    """Sixteen answers of 0.06 s each come in time where 0.8 s are allowed; and each is dated behind the one before."""

    async def script(peer: Peer) -> None:
        for request in await peer.requests(16):
            await asyncio.sleep(0.06)
            peer.writer.write(request.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(16, timeout_s=0.8))()
        results = await ask(link, 16)
        readings = [result for result in results if isinstance(result, Reading)]
        assert data(results) == [own(at) for at in range(16)]
        assert all(before.responded_ns == after.requested_ns for before, after in pairwise(readings))
        await link.close()


async def test_answers_that_arrive_together_are_dated_alike() -> None:
    """None of them tells more than that it was made between the sending and the arrival."""

    async def script(peer: Peer) -> None:
        peer.writer.write(b"".join(request.answer() for request in await peer.requests(3)))

    async with serving(script) as place:
        link = await tcp_link(place.settings(3))()
        readings = [result for result in await ask(link, 3) if isinstance(result, Reading)]
        assert len({reading.responded_ns for reading in readings}) == 1
        assert all(reading.requested_ns < reading.responded_ns for reading in readings)
        await link.close()


async def test_a_cancellation_in_mid_request_ends_the_others() -> None:
    """Its answer may still come; nobody is left whom it could meet."""

    async def script(peer: Peer) -> None:
        await peer.requests(3)
        sent.set()

    sent = asyncio.Event()
    async with serving(script) as place:
        link = await tcp_link(place.settings(3))()
        reads = [asyncio.create_task(link.read(block(at))) for at in range(4)]
        await sent.wait()
        reads[1].cancel()
        results = await asyncio.gather(*reads, return_exceptions=True)
        kinds = [type(result) for result in results]
        assert kinds == [NotConnectedError, asyncio.CancelledError, NotConnectedError, NotConnectedError]
        assert link.lost.is_set()
        await link.close()


async def test_connections_times_requests_in_flight() -> None:
    """Three connections with four each: twelve requests are outstanding, spread evenly."""
    arrived: list[int] = []

    async def script(peer: Peer) -> None:
        requests = await peer.requests(4)
        arrived.append(len(requests))
        all_here.set() if len(arrived) == 3 else None
        await all_here.wait()
        peer.writer.write(b"".join(request.answer() for request in requests))
        await answering(peer)

    all_here = asyncio.Event()
    async with serving(script) as place:
        link = await tcp_link(place.settings(4, connections=3))()
        assert link.parallel == 12
        assert data(await ask(link, 20)) == [own(at) for at in range(20)]
        await link.close()


async def test_a_scan_with_several_in_flight_tells_its_first_cause() -> None:
    """The time-out is what the scan and the device's health say, not the loss that it brought to the others."""

    async def script(peer: Peer) -> None:
        first, _, third = await peer.requests(3)
        peer.writer.write(third.answer() + first.answer())
        await peer.requests(1)

    plan = plan_reads([holding(number, 100 * number) for number in range(1, 7)])
    async with serving(script) as place, asyncio.TaskGroup() as tasks:
        device = Device("plc", tcp_link(place.settings(3, timeout_s=0.5)))
        owner = tasks.create_task(device.run())
        await device.wait_connected()
        scan = await device.scan(plan)
        assert scan.quality.tolist() == [
            Quality.GOOD,
            Quality.COMMUNICATION_FAILURE,
            Quality.GOOD,
            *[Quality.NOT_CONNECTED] * 2,
            Quality.COMMUNICATION_FAILURE,  # never asked for
        ]
        assert scan.requests == 5
        assert scan.error is not None
        assert "plc: read holding_register 200..200: no answer within 0.5 s" in scan.error
        assert device.health.last_error == scan.error
        owner.cancel()


async def test_a_scan_with_one_in_flight_asks_nothing_behind_a_time_out() -> None:
    """What waited to go out is not asked for, and counted so; its parameters share the cause."""

    async def script(peer: Peer) -> None:
        await peer.requests(1)
        assert await peer.sends_no_more()

    plan = plan_reads([holding(number, 100 * number) for number in range(1, 5)])
    async with serving(script) as place, asyncio.TaskGroup() as tasks:
        device = Device("plc", tcp_link(place.settings(1, timeout_s=0.1)))
        owner = tasks.create_task(device.run())
        await device.wait_connected()
        scan = await device.scan(plan)
        assert scan.quality.tolist() == [Quality.COMMUNICATION_FAILURE] * 4
        assert (scan.requests, scan.cause) == (1, "timeout")
        assert device.health.last_error == scan.error
        owner.cancel()


async def test_the_pause_that_a_unit_needs_is_kept_before_one_that_waits() -> None:
    """From an answer to the next request, however early that was asked for."""
    gaps_s: list[float] = []

    async def script(peer: Peer) -> None:
        answered_s: float | None = None
        for _ in range(4):
            (request,) = await peer.requests(1)
            if answered_s is not None:
                gaps_s.append(time.monotonic() - answered_s)
            answered_s = time.monotonic()
            peer.writer.write(request.answer())

    async with serving(script) as place:
        link = await tcp_link(place.settings(1, delay_s=0.03))()
        assert data(await ask(link, 4)) == [own(at) for at in range(4)]
        assert min(gaps_s) >= 0.028  # the timers of the event loop are true to a millisecond
        await link.close()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"requests_in_flight": 0}, "0 requests in flight are outside 1…16"),
        ({"requests_in_flight": 17}, "17 requests in flight are outside 1…16"),
        ({"requests_in_flight": 2, "inter_request_delay_s": 0.01}, "2 requests in flight contradict each other"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields: dict[str, float], words: str) -> None:
    """Before any connection is tried."""
    with pytest.raises(DefinitionError, match=words):
        ModbusTcpSettings(**{"device": "plc", "host": "127.0.0.1", **fields})  # type: ignore[arg-type]
