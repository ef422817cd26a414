"""The threads of the spool: in order, and never ended by a fault."""

import asyncio
import threading

import pytest

from recorder.spool.thread import SpoolThread


async def test_what_a_thread_is_asked_is_done_in_order_and_its_outcome_told() -> None:
    """Whether anybody waits for it or not, and an error reaches who waits."""
    thread = SpoolThread("spool-test")
    done: list[str] = []
    thread.do(lambda: done.append("first"))
    loop = asyncio.get_running_loop()

    def second() -> str:
        done.append("second")
        return threading.current_thread().name

    assert await loop.run_in_executor(thread, second) == "spool-test"
    assert done == ["first", "second"]
    with pytest.raises(ValueError, match="base"):
        await loop.run_in_executor(thread, int, "x")
    thread.shutdown()
    with pytest.raises(RuntimeError, match="spool-test has ended"):
        thread.do(done.clear)


def test_a_job_that_fails_is_told_and_the_next_one_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or nothing would reach the disk any more."""
    told: list[str] = []
    monkeypatch.setattr("threading.excepthook", lambda args: told.append(args.exc_type.__name__))
    thread = SpoolThread("spool-test")
    thread.do(lambda: int("x"))
    assert thread.submit(lambda: "goes on").result() == "goes on"
    thread.shutdown()
    assert told == ["ValueError"]
    thread.shutdown()


def test_what_was_asked_before_the_end_is_done() -> None:
    """Nothing is dropped, and what was cancelled while it waited is not begun."""
    thread = SpoolThread("spool-test")
    goes_on = threading.Event()
    done: list[str] = []
    thread.do(goes_on.wait)
    cancelled = thread.submit(lambda: done.append("cancelled"))
    assert cancelled.cancel()
    thread.do(lambda: done.append("last"))
    thread.shutdown(wait=False)
    goes_on.set()
    thread.shutdown()
    assert done == ["last"]
