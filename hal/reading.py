"""Reads the blocks of one scan, one after the other or as many at a time as the link takes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hal.errors import LinkError, RefusedError
from hal.link import Block
from hal.outcome import Failure, Outcome


async def read_blocks(
    blocks: Sequence[Block],
    *,
    read: Callable[[Block], Awaitable[Outcome]],
    parallel: int,
    now_ns: Callable[[], int],
) -> list[Outcome]:
    """Read each block; return the outcomes in the order of the blocks.

    A block that is refused costs itself. Any other failure ends the link: what is under way then ends by itself, and
    the rest is not tried.
    """
    outcomes: list[Outcome | None] = [None] * len(blocks)
    waiting = iter(enumerate(blocks))
    ended: LinkError | None = None

    async def take_turns() -> None:
        nonlocal ended
        for index, block in waiting:
            if ended is not None:
                outcomes[index] = Failure(error=ended, at_ns=now_ns(), sent=False)
                continue
            outcome = outcomes[index] = await read(block)
            if isinstance(outcome, Failure) and not isinstance(outcome.error, RefusedError):
                ended = ended or outcome.error
                if not outcome.sent:
                    outcomes[index] = Failure(error=ended, at_ns=outcome.at_ns, sent=False)

    others = min(parallel, len(blocks)) - 1
    if others < 1:
        await take_turns()
    else:
        async with asyncio.TaskGroup() as tasks:
            for number in range(others):
                tasks.create_task(take_turns(), name=f"reading {number}")
            await take_turns()  # here and now, so that the first request waits for no task to start
    return [outcome for outcome in outcomes if outcome is not None]
