"""Waiting at a start, which must not hold up an end."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any


async def unless(stop: asyncio.Event, waiting: Coroutine[Any, Any, object], *, longest_s: float | None = None) -> None:
    """Wait for something, but no longer than until the daemon is to stop; a time-out is an end like any other."""

    async def patiently() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await waiting

    async with asyncio.TaskGroup() as tasks:
        stopping = tasks.create_task(stop.wait(), name="stop")
        work = tasks.create_task(patiently(), name="start")
        await asyncio.wait({stopping, work}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not work.done():
            work.cancel()
