"""The one way in which system tests wait for other processes: ask again and again, for a limited time."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

DEADLINE_S: Final = 30.0
"""Generous, as two cores may be shared with other work; a test that passes never waits for it."""
_POLL_S: Final = 0.03

Answer = TypeVar("Answer")


def until(what: str, ask: Callable[[], Answer | None], *, deadline_s: float = DEADLINE_S) -> Answer:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it never was; the message names what was waited for and the last answer.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what} did not come within {deadline_s:g} s; the last answer was {answer!r}"
        time.sleep(_POLL_S)
