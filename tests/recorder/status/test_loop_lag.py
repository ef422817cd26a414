"""How late the event loop is, and whose doing that is."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from recorder.status.loop_lag import INTERVAL_S, LoopLag, waiting_for_processor

pytestmark = pytest.mark.alone

ON_A_SHARED_PROCESSOR = """
import os, subprocess, sys, time
from recorder.status.loop_lag import waiting_for_processor
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other, waiting_for_processor() as waited_ns:
    began = time.monotonic()
    while waited_ns() < 2e8 and time.monotonic() < began + 10: pass
    print(waited_ns() / 1e9)
    other.kill()
"""


@pytest.mark.parametrize(
    ("late_ms", "waited_ms", "held_ms"),
    [(0.0, 0.0, 0.0), (50.0, 0.0, 50.0), (50.0, 50.0, 0.0), (50.0, 20.0, 30.0), (5.0, 20.0, 0.0)],
)
async def test_what_the_machine_was_busy_with_is_not_ours(late_ms: float, waited_ms: float, held_ms: float) -> None:
    """Late by so much, of which the thread was ready for so long and had no processor."""
    now_ns, waited_ns = 0, 0
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def call_later(seconds: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        nonlocal now_ns, waited_ns
        if lag.picture_ms()["late"]["count"] == 10:
            ended.set()
            return loop.call_later(0, ended.set)
        now_ns += round(seconds * 1e9 + late_ms * 1e6)
        waited_ns += round(waited_ms * 1e6)
        return loop.call_later(0, call)

    @contextmanager
    def waiting() -> Iterator[Callable[[], int]]:
        yield lambda: waited_ns

    lag = LoopLag(monotonic_ns=lambda: now_ns, waiting=waiting, call_later=call_later)
    measuring = asyncio.create_task(lag.run())
    await ended.wait()
    measuring.cancel()
    await asyncio.wait([measuring])
    picture = lag.picture_ms()
    assert picture["late"]["count"] == picture["held"]["count"] == 10
    assert picture["late"]["max"] == pytest.approx(late_ms)
    assert picture["held"]["max"] == pytest.approx(held_ms)


@pytest.mark.parametrize("hold", [lambda: time.sleep(0.2), lambda: sum(range(20_000_000))], ids=["sleeps", "computes"])
async def test_a_callback_that_holds_the_loop_is_seen(hold: object) -> None:
    """Whether it waits for something or computes."""
    assert callable(hold)
    lag = LoopLag()
    measuring = asyncio.create_task(lag.run())
    await asyncio.sleep(4 * INTERVAL_S)
    hold()
    seen = lag.picture_ms()["late"]["count"]
    while lag.picture_ms()["late"]["count"] < seen + 2:  # noqa: ASYNC110  (it measures, and tells nobody)
        await asyncio.sleep(INTERVAL_S)
    measuring.cancel()
    await asyncio.wait([measuring])
    assert lag.picture_ms()["held"]["max"] > 100


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long a thread waited for a processor")
def test_linux_says_how_long_a_thread_waited_for_a_processor() -> None:
    """Held to one processor with another that computes, a thread waits for about half of the time."""
    said = subprocess.run([sys.executable, "-c", ON_A_SHARED_PROCESSOR], capture_output=True, text=True, check=True)
    assert float(said.stdout) > 0.1


def test_where_the_system_says_nothing_all_of_it_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading of zero, and no error."""
    monkeypatch.setattr("recorder.status.loop_lag.threading.get_native_id", lambda: 0)
    with waiting_for_processor() as waited_ns:
        assert waited_ns() == 0
