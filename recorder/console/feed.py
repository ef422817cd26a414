"""Keeps the board up to date: asks the daemon again and again, and comes back by itself when it was away."""

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final

from recorder.console.board import Board
from recorder.console.link import Link
from recorder.console.picture import (
    AlarmsPicture,
    EventsPicture,
    ParametersPage,
    StatusPicture,
    ValuesPicture,
    parse,
)
from recorder.errors import RecorderError

POLL_S: Final = 0.125
"""With a scan interval of 100 ms, what changes in the tool is told within 225 ms."""
STATUS_S: Final = 1.0
FIRST_RETRY_S: Final = 0.5
LONGEST_RETRY_S: Final = 2.0
_RECORDING: Final = "recording"


class News(StrEnum):
    """What the board has anew."""

    LINK = "link"
    STATUS = "status"
    PARAMETERS = "parameters"
    VALUES = "values"
    EVENTS = "events"
    ALARMS = "alarms"


class Feed:
    """Asks the daemon for what is on the screen.

    Args:
        wanted: ids of the parameters whose values are seen now.
        tell: called with what is new; must not block.
    """

    def __init__(
        self,
        link: Link,
        board: Board,
        *,
        wanted: Callable[[], Sequence[int]] = tuple,
        tell: Callable[[News], None] = lambda _news: None,
        poll_s: float = POLL_S,
    ) -> None:
        self._link = link
        self._board = board
        self._wanted = wanted
        self._tell = tell
        self._poll_s = poll_s
        self._wanted_before: frozenset[int] = frozenset()
        self._known = ("", 0)

    async def run(self) -> None:
        """Ask until cancelled."""
        retry_s = FIRST_RETRY_S
        while True:
            try:
                await self.refresh()
                retry_s = FIRST_RETRY_S
                await self._poll()
            except RecorderError as error:
                self._board.is_lost(str(error), self._board.monotonic_s() + retry_s)
                self._link.close()
                self._tell(News.LINK)
                await asyncio.sleep(retry_s)
                retry_s = min(LONGEST_RETRY_S, 2 * retry_s)

    async def refresh(self) -> None:
        """Ask for everything but values once.

        Raises:
            RecorderError: the daemon is away, or of another version.
        """
        status = parse(StatusPicture, await self._link.ask("status"))
        self._board.take_status(status)
        was_lost = self._board.fault is not None
        self._board.is_heard()
        if was_lost:
            self._tell(News.LINK)
        self._tell(News.STATUS)
        if status.state != _RECORDING:
            return
        if (status.definitions.version, status.pid) != self._known:
            await self._load_parameters()
            self._known = (status.definitions.version, status.pid)
        await self._load_events()
        if status.alarms is not None:  # an older recorder has none
            await self.load_alarms()

    async def _load_parameters(self) -> None:
        offset, total = 0, 1
        while offset < total:
            page = parse(ParametersPage, await self._link.ask("parameters", offset=offset))
            self._board.take_parameters(page)
            total = page.total
            offset += max(1, len(page.rows))
        self._tell(News.PARAMETERS)

    async def load_alarms(self) -> None:
        """Ask for the alarms that are not normal.

        Raises:
            RecorderError: the daemon is away, or of another version.
        """
        if self._board.take_alarms(parse(AlarmsPicture, await self._link.ask("alarms"))):
            self._tell(News.ALARMS)

    async def _load_events(self) -> None:
        board = self._board
        while True:
            answer = await self._link.ask("events", epoch=board.events_epoch, since=board.last_event)
            picture = parse(EventsPicture, answer)
            before = board.last_event
            board.take_events(picture)
            if picture.events:
                self._tell(News.EVENTS)
            if board.last_event >= picture.last or board.last_event == before:
                return

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        status_due_s = loop.time() + STATUS_S
        while True:
            due_s = loop.time() + self._poll_s
            status = self._board.status
            if status is not None and status.state == _RECORDING:
                await self.ask_values(self._wanted())
            if loop.time() >= status_due_s:
                await self.refresh()
                status_due_s = loop.time() + STATUS_S
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def ask_values(self, ids: Sequence[int]) -> None:
        """Ask for what changed of these values; of ones that were not asked for before, all.

        Raises:
            RecorderError: the daemon is away, or of another version.
        """
        board, wanted = self._board, frozenset(ids)
        since = board.version if wanted <= self._wanted_before else 0
        answer = await self._link.ask("values", ids=list(ids), epoch=board.epoch, since=since)
        board.take_values(parse(ValuesPicture, answer), ids)
        board.sample_small_trends(ids)
        self._wanted_before = wanted
        self._tell(News.VALUES)
