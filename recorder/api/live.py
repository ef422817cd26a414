"""What the recorder does now, asked of the daemon once for all clients: a thousand of them cost it what one does."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

from recorder.api.daemon_links import DaemonLinks
from recorder.api.errors import TooBusyError
from recorder.api.value_board import ValueBoard
from recorder.config.api import ApiConfig
from recorder.console.picture import ParameterRow, ParametersPage, StatusPicture, ValuesPicture, parse
from recorder.database.single_flight import SingleFlight
from recorder.errors import DaemonAwayError, RecorderError
from recorder.status.live_values import MOST_VALUES

POLL_S: Final = 0.125
"""Between two questions for values while somebody streams; the console asks as often."""
VALUES_S: Final = 0.1
STATUS_S: Final = 0.25
"""An answer this young is given again rather than asked for once more."""
_RETRY_S: Final = 0.5
_RECORDING: Final = "recording"
_EVENTS_A_SECOND: Final = 2_000
"""Pictures to all streams together: beyond, each gets one less often, so that requests are answered between them."""


class Live:
    """Asks the daemon, and keeps what it said for a moment; `live` opens one.

    Attributes:
        board: the newest value of every parameter.
        streams: clients of the stream.
        asked: questions that were sent to the daemon, by command.
        is_ending: whether streams shall end.
    """

    def __init__(self, links: DaemonLinks, config: ApiConfig) -> None:
        self._links = links
        self._max_streams = config.max_streams
        self._stream_interval_s = config.stream_interval_s
        self._flights: SingleFlight[str, Any] = SingleFlight()
        self._status: tuple[float, StatusPicture, dict[str, Any]] | None = None
        self._values_s = float("-inf")
        self._known: tuple[str, int] | None = None
        self._since: dict[int, tuple[str, int]] = {}
        self._wanted = asyncio.Event()
        self._news = asyncio.Event()
        self.board = ValueBoard()
        self.streams = 0
        self.asked: dict[str, int] = {}
        self.is_ending = False

    @property
    def pace_s(self) -> float:
        """Pause between two pictures to one client."""
        return max(self._stream_interval_s, self.streams / _EVENTS_A_SECOND)

    def end(self) -> None:
        """Let all streams end, and begin no more."""
        self.is_ending = True
        self._tell()

    async def run(self) -> None:
        """Keep the board up to date for as long as somebody streams, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._wanted.wait()
            due_s = loop.time() + POLL_S
            try:
                await self.values()
            except RecorderError as error:
                self._lose(error)
                due_s = loop.time() + _RETRY_S
            self._tell()
            await asyncio.sleep(max(0.0, due_s - loop.time()))

    async def news(self, version: int, *, within_s: float) -> None:
        """Wait until the board says something else than at a version, streams end, or time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.board.moved <= version and not self.is_ending:
                    await self._news.wait()

    def require_room(self) -> None:
        """Refuse one more client of the stream where there are as many as may be.

        Raises:
            TooBusyError: there are, or the api is about to end.
        """
        if self.is_ending:
            raise TooBusyError("the api is about to end; try again in a second")
        if self.streams >= self._max_streams:
            raise TooBusyError(f"{self.streams} streams are open, and [api] max_streams allows no more")

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """Count a client of the stream for as long as the block runs."""
        self.streams += 1
        self._wanted.set()
        try:
            yield
        finally:
            self.streams -= 1
            if not self.streams:
                self._wanted.clear()

    async def status(self) -> tuple[StatusPicture, dict[str, Any]]:
        """What the daemon says of itself, no older than a quarter of a second; understood, and as it said it.

        Raises:
            RecorderError: it is away, or of another version.
        """
        now_s = asyncio.get_running_loop().time()
        if self._status is not None and now_s - self._status[0] < STATUS_S:
            return self._status[1], self._status[2]
        asked: tuple[StatusPicture, dict[str, Any]] = await self._flights.run("status", self._ask_status)
        return asked

    async def _ask_status(self) -> tuple[StatusPicture, dict[str, Any]]:
        try:
            plain: dict[str, Any] = await self._ask("status")
            picture = parse(StatusPicture, plain)
        except RecorderError as error:
            self._lose(error)
            raise
        self._status = (asyncio.get_running_loop().time(), picture, plain)
        return picture, plain

    async def values(self) -> ValueBoard:
        """The board, no older than a tenth of a second.

        Raises:
            RecorderError: the daemon is away, or of another version, or does not record yet.
        """
        if asyncio.get_running_loop().time() - self._values_s >= VALUES_S:
            await self._flights.run("values", self._ask_values)
        return self.board

    async def _ask_values(self) -> None:
        try:
            picture, _ = await self.status()
            if picture.state != _RECORDING:
                raise DaemonAwayError(f"the recorder does not record yet: {picture.state} {picture.reason}".rstrip())
            known = (picture.definitions.version, picture.pid)
            rows = await self._load_parameters() if known != self._known else list(self.board.parameters.values())
            answers = await self._ask_for(rows, is_anew=known != self._known)
        except RecorderError as error:
            self._lose(error)
            raise
        if known != self._known:
            self.board.take_parameters(rows)
            self._known = known
        # only now, with no await between: who is cancelled before has missed nothing
        self._since = {first: (answer.epoch, answer.version) for first, answer in answers.items()}
        for answer in answers.values():
            self.board.take_values(answer)
        self._values_s = asyncio.get_running_loop().time()

    async def _ask_for(self, rows: Sequence[ParameterRow], *, is_anew: bool) -> dict[int, ValuesPicture]:
        """What changed since the last time, by the place of the first parameter of each answer."""
        ids = [row.id for row in rows if row.is_read]
        answers = {}
        for first in range(0, max(1, len(ids)), MOST_VALUES):
            epoch, since = ("", 0) if is_anew else self._since.get(first, ("", 0))
            part = ids[first : first + MOST_VALUES]
            answers[first] = parse(ValuesPicture, await self._ask("values", ids=part, epoch=epoch, since=since))
        return answers

    async def _load_parameters(self) -> list[ParameterRow]:
        rows: list[ParameterRow] = []
        total = 1
        while len(rows) < total:
            page = parse(ParametersPage, await self._ask("parameters", offset=len(rows)))
            total = page.total
            if not page.rows:
                break
            rows += (parse(ParameterRow, dict(zip(page.columns, row, strict=True))) for row in page.rows)
        return rows

    async def _ask(self, command: str, **arguments: object) -> Any:
        self.asked[command] = self.asked.get(command, 0) + 1
        return await self._links.ask(command, **arguments)

    def _lose(self, error: RecorderError) -> None:
        """Forget what only holds for the daemon that was heard."""
        if not isinstance(error, TooBusyError):
            self._known, self._status, self._values_s = None, None, float("-inf")
            self.board.is_lost(str(error))

    def _tell(self) -> None:
        """Wake all who wait for news; who comes later waits for the next."""
        news, self._news = self._news, asyncio.Event()
        news.set()


@asynccontextmanager
async def live(links: DaemonLinks, config: ApiConfig) -> AsyncIterator[Live]:
    """Follow the daemon for as long as the block runs."""
    following = Live(links, config)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(following.run(), name="live values")
        try:
            yield following
        finally:
            following.end()
            task.cancel()
