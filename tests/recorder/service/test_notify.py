"""What a service manager hears, over a real datagram socket; and that it is never waited for."""

import asyncio
import os
import secrets
import time
from pathlib import Path

import pytest

from recorder.service.notify import ServiceManager
from recorder.service.vitals import Vitals
from tests.notify_socket import NotifySocket, notify_socket


def test_a_message_arrives_at_a_path_and_at_an_abstract_name(short_directory: Path) -> None:
    """Line for line, each assignment one line whatever its value has."""
    for address in (str(short_directory / "notify"), f"@ald-recorder-{secrets.token_hex(8)}"):
        with notify_socket(address) as heard, ServiceManager(address) as manager:
            manager.tell("READY=1", "STATUS=all is\nwell = fine")
            assert heard.next() == {"READY": "1", "STATUS": "all is well = fine"}
            manager.reloading()
            message = heard.next()
            assert message["RELOADING"] == "1"
            assert abs(int(message["MONOTONIC_USEC"]) - time.monotonic_ns() // 1000) < 30_000_000


def test_nobody_to_tell_is_no_trouble(short_directory: Path) -> None:
    """Neither without a service manager, nor where its socket is gone, nor after the end."""
    with ServiceManager.of_environment({}) as manager:
        assert not manager.is_there
        manager.ready()
    with ServiceManager(str(short_directory / "gone")) as manager:
        assert manager.is_there
        manager.ready()
    manager.ready()


def test_a_service_manager_that_does_not_read_is_not_waited_for(short_directory: Path) -> None:
    """Its buffer fills up, and a message is dropped at once."""
    address = str(short_directory / "notify")
    with notify_socket(address) as heard, ServiceManager(address) as manager:
        began_s = time.monotonic()
        for _ in range(10_000):
            manager.tell("STATUS=" + "x" * 200)
        assert time.monotonic() - began_s < 10
        heard.forget()
        manager.tell("STATUS=read again")
        assert heard.next() == {"STATUS": "read again"}


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_where_it_is_ours(environment: dict[str, str], watchdog_s: float | None) -> None:
    """The time is in microseconds, and may be meant for another process."""
    assert ServiceManager.of_environment(environment).watchdog_s == watchdog_s


class Pauses:
    """Stands for the pauses between two messages: each is let go by the test."""

    def __init__(self) -> None:
        self.asked_s: asyncio.Queue[float] = asyncio.Queue()
        self._go = asyncio.Semaphore(0)

    async def __call__(self, seconds: float) -> None:
        self.asked_s.put_nowait(seconds)
        await self._go.acquire()

    async def end(self) -> float:
        """Wait for the next pause, end it, and return how long it was to be."""
        seconds = await self.asked_s.get()
        self._go.release()
        return seconds


async def test_ready_comes_with_the_first_slot_and_food_while_it_records(short_directory: Path) -> None:
    """Several feeds within the watchdog's time, none while nothing is recorded, and again when it is."""
    address = str(short_directory / "notify")
    now_ns = 0
    vitals, pauses = Vitals(lambda: now_ns), Pauses()
    with notify_socket(address) as heard, ServiceManager(address, watchdog_s=8.0) as manager:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(manager.follow(vitals, lambda: "records", sleep=pauses))
            await asyncio.sleep(0)
            vitals.expect("plc/100", 100)
            vitals.slot_began("plc/100")
            assert await pauses.end() == 2.0
            assert heard.next() == {"READY": "1"}
            assert heard.next() == {"WATCHDOG": "1", "STATUS": "records"}
            await pauses.end()
            now_ns += 5_000_000_000
            assert heard.next() == {"WATCHDOG": "1", "STATUS": "records"}
            await pauses.end()
            assert heard.next() == {"STATUS": "stands still: no slot of plc/100 for 5.0 s"}
            vitals.slot_began("plc/100")
            vitals.appended()
            await pauses.asked_s.get()
            assert_fed_again(heard)
            following.cancel()


def assert_fed_again(heard: NotifySocket) -> None:
    """The next message feeds the watchdog."""
    assert heard.next()["WATCHDOG"] == "1"
