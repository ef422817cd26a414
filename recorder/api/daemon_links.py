"""The api's way to the daemon: few lasting connections, however many clients ask.

Whoever floods the api waits here, in another process than the scans, and is turned away where too many wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from recorder.api.errors import TooBusyError
from recorder.console.link import ANSWER_S, Link
from recorder.console.picture import OtherVersionError
from recorder.errors import CommandUnknownError

CONNECTIONS: Final = 4
MOST_WAITING: Final = 64
COMMAND_S: Final = 60.0
"""A set-value is written, read back and stored before it is answered; reading must not wait behind that."""


class DaemonLinks:
    """A bounded pool of connections to the control socket; an async context manager.

    Args:
        path: of the control socket, as configured.
        connections: open at one time, at most; each serves one question at a time.
        most_waiting: how many may wait for one of them.
        answer_s: how long an answer may take.
    """

    def __init__(
        self,
        path: Path,
        *,
        connections: int = CONNECTIONS,
        most_waiting: int = MOST_WAITING,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._free = [Link(path, answer_s=answer_s) for _ in range(connections)]
        self._links = tuple(self._free)
        self._turn = asyncio.Semaphore(connections)
        self._most_waiting = most_waiting
        self.waiting = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        for link in self._links:
            link.close()

    async def ask(self, command: str, **arguments: object) -> Any:
        """Send one command to the daemon and return its result.

        Raises:
            TooBusyError: too many wait already.
            DaemonAwayError: nobody listens.
            NoAnswerError: it went away, or does not answer in time.
            OtherVersionError: the daemon does not know the command.
            RecorderError: the daemon refused.
        """
        async with self._link() as link:
            try:
                return await link.ask(command, **arguments)
            except CommandUnknownError as error:
                raise OtherVersionError(
                    f"the recorder does not know {command!r}: it is older than this api; update it"
                ) from error

    @asynccontextmanager
    async def _link(self) -> AsyncIterator[Link]:
        if self.waiting >= self._most_waiting:
            raise TooBusyError("too many questions wait for the recorder; try again in a second")
        self.waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self.waiting -= 1
        link = self._free.pop()
        try:
            yield link
        finally:
            self._free.append(link)
            self._turn.release()
