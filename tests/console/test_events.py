"""Events: newest first, with words and marks, found as one types."""

from recorder.status.recent_events import KEPT
from tests.console.conftest import Driven
from tests.console.daemon import Daemon


async def test_events_come_by_themselves_newest_first(daemon: Daemon, live: Driven) -> None:
    """With what happened, where, and why."""
    await live.press("6")
    daemon.tell("device_lost", reason="plc: read: timed out")
    await live.until("✕", "device lost", "plc: read: timed out", "1 of 1")
    daemon.tell("device_connected")
    screen = await live.until("2 of 2")
    assert screen.index("device connected") < screen.index("device lost")


async def test_an_event_is_read_whole(daemon: Daemon, live: Driven) -> None:
    """Enter opens it."""
    daemon.tell("clock_step", offset_us=-90_000_000, meaning="x" * 100)
    await live.press("6")
    await live.until("clock step")
    await live.press("enter")
    await live.until("clock step", "offset us", "-90000000")


async def test_a_filter_finds_events(daemon: Daemon, live: Driven) -> None:
    """By words of all columns."""
    for kind in ("device_lost", "device_frozen", "clock_step"):
        daemon.tell(kind)
    await live.press("6")
    await live.until("3 of 3")
    await live.press("slash")
    await live.type("device fro")
    await live.until("1 of 3", "device frozen", without="clock step")
    await live.press("escape")
    await live.until("3 of 3")


async def test_more_events_than_one_answer_arrive_all(daemon: Daemon, live: Driven) -> None:
    """Page after page; the oldest leave where there are too many."""
    for at in range(KEPT + 50):
        daemon.tell("clock_step", number=at)
    await live.press("6")
    await live.until(f"{KEPT:,} of {KEPT:,}", f"number {KEPT + 49}")
