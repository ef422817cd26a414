"""Keeps the answers to those who watch out of the way of scans: they are given between them.

An answer takes the event loop a millisecond or two. Where it falls on the beginning of a scan, or on a response of the
tool, that is how much later the sample is taken, or stamped. An answer can wait for the end of a scan; a slot cannot.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from recorder.control import Handler

BEFORE_SLOT_S: Final = 0.005
"""No answer is begun so shortly before a slot: longer than any of them takes."""
LONGEST_S: Final = 0.1
"""Then it is given all the same: scans may follow each other closely, or last for seconds where a device is dead."""


class ClearWay:
    """Knows when no scan is under way, and none about to begin.

    Args:
        next_slot_s: seconds until the next slot is due; None where none is waited for.
    """

    def __init__(self, next_slot_s: Callable[[], float | None] = lambda: None) -> None:
        self._next_slot_s = next_slot_s
        self._under_way = 0
        self._ended = asyncio.Event()

    @property
    def is_scanning(self) -> bool:
        """Whether a scan is under way."""
        return self._under_way > 0

    def begin(self) -> None:
        """A scan begins."""
        self._under_way += 1
        self._ended.clear()

    def end(self) -> None:
        """A scan was taken, whether it is good or not."""
        self._under_way -= 1
        if not self.is_scanning:
            self._ended.set()

    async def wait(self) -> None:
        """Return between two scans, or after `LONGEST_S`."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + LONGEST_S
        while (now_s := loop.time()) < give_up_s:
            if self.is_scanning:
                try:
                    async with asyncio.timeout_at(give_up_s):
                        await self._ended.wait()
                except TimeoutError:
                    return
            elif (left_s := self._next_slot_s()) is not None and left_s < BEFORE_SLOT_S:
                await asyncio.sleep(min(max(left_s, 0.0) + 0.001, give_up_s - now_s))
            else:
                return

    def between_scans(self, handlers: Mapping[str, Handler]) -> dict[str, Handler]:
        """The same commands, each answered when the way is clear."""

        def courteous(answer: Handler) -> Handler:
            async def handler(request: Mapping[str, Any]) -> Any:
                await self.wait()
                return await answer(request)

            return handler

        return {name: courteous(answer) for name, answer in handlers.items()}
