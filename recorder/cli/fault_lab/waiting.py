"""The one way in which the fault lab waits for its processes: ask again and again, for a limited time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from recorder.errors import LabError

DEADLINE_S: Final = 120.0
"""Generous, as the machine may have other work to do (where ten others wanted its two
processors, the start of a recorder alone took 30 s); a scenario that passes never waits for it."""
_POLL_S: Final = 0.02

Answer = TypeVar("Answer")


async def until(what: str, ask: Callable[[], Awaitable[Answer | None]], *, deadline_s: float = DEADLINE_S) -> Answer:
    """Ask until the answer is true, and return it.

    Raises:
        LabError: it never was; the message names what was waited for.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = await ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise LabError(f"{what} did not come within {deadline_s:g} s; the last answer was {answer!r}")
        await asyncio.sleep(_POLL_S)
