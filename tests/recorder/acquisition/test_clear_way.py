"""Answers between scans: they wait for the end of one, keep clear of the next slot, and are given in the end."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from recorder.acquisition.clear_way import BEFORE_SLOT_S, LONGEST_S, ClearWay
from recorder.acquisition.slot_timer import SlotTimer


async def test_nothing_is_waited_for_where_no_scan_is_near() -> None:
    """The way is clear at once: the loop does not even turn."""
    way = ClearWay(lambda: 10 * BEFORE_SLOT_S)
    waiting = way.wait()
    with pytest.raises(StopIteration):
        waiting.send(None)


async def test_an_answer_waits_until_the_last_scan_has_ended() -> None:
    """Of two at once, until the second."""
    way = ClearWay()
    told: list[str] = []

    async def answer(request: Mapping[str, Any]) -> Any:
        told.append(request["command"])
        return "answered"

    way.begin()
    way.begin()
    handler = way.between_scans({"status": answer})["status"]
    asked = asyncio.ensure_future(handler({"command": "status"}))
    await asyncio.sleep(0)
    way.end()
    await asyncio.sleep(0)
    assert not told
    way.end()
    assert await asked == "answered"
    assert told == ["status"]


async def test_an_answer_is_not_begun_right_before_a_slot() -> None:
    """It is given behind that slot's scan."""
    with SlotTimer() as timer:
        way, order = ClearWay(timer.left_s), []

        async def scan() -> None:
            await timer.sleep(BEFORE_SLOT_S / 2)
            way.begin()
            await asyncio.sleep(BEFORE_SLOT_S)
            way.end()
            order.append("scan")

        scanning = asyncio.create_task(scan())
        await asyncio.sleep(0)
        await way.wait()
        order.append("answer")
        await scanning
    assert order == ["scan", "answer"]


async def test_an_answer_is_given_although_a_scan_does_not_end() -> None:
    """A dead device takes its time-outs; whoever looks must still see that."""
    way = ClearWay()
    way.begin()
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await way.wait()
    assert loop.time() - began_s >= LONGEST_S - 0.002  # the timers of the event loop are true to a millisecond
    assert way.is_scanning


async def test_a_slot_that_nobody_waits_for_any_more_is_not_kept_clear() -> None:
    """A grid that was cancelled."""
    with SlotTimer() as timer:
        waiting = asyncio.create_task(timer.sleep(10))
        await asyncio.sleep(0)
        left_s = timer.left_s()
        assert left_s is not None
        assert 9 < left_s <= 10
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert timer.left_s() is None
