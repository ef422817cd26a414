"""HTTP/1.1 as cheap as Python can, so that who makes the load is not what gives way: questions, and streams."""

import asyncio
import re
from typing import Final

TIMEOUT_S: Final = 10.0
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3})")
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class LostError(Exception):
    """The connection ended before the answer was whole."""


def request(path: str) -> bytes:
    """A request for a path."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


class _Connection(asyncio.Protocol):
    """One question at a time, whose answer says how long it is."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None
        self.is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or self._answer is None or self._answer.done():
            return
        status, length = _STATUS.match(head), _LENGTH.search(head)
        if status is None or (length is None and int(status[1]) != 304):
            self._answer.set_exception(LostError("an answer without status or length"))
        elif length is None or len(body) >= int(length[1]):
            self._answer.set_result((int(status[1]), body))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LostError(str(exc or "closed")))

    @property
    def has_heard(self) -> bool:
        """Whether a part of the answer came."""
        return bool(self._received)

    async def ask(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        assert self.transport is not None
        self._received = b""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request(path))
        return await self._answer


class Client:
    """Keeps its connection for as long as the server does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: _Connection | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of an answer.

        A kept connection may end just as a question goes out on it; then the question is asked anew, as browsers do.

        Raises:
            TimeoutError: it took longer than `TIMEOUT_S`.
            OSError: the server cannot be reached.
            LostError: the connection ended in the middle.
        """
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._kept is not None and not self._kept.is_lost:
                    try:
                        return await self._kept.ask(path)
                    except LostError:
                        if self._kept.has_heard:
                            raise
                loop = asyncio.get_running_loop()
                _, self._kept = await loop.create_connection(_Connection, "127.0.0.1", self._port)
                return await self._kept.ask(path)
        except BaseException:
            self.close()  # an answer that comes later is for nobody
            raise

    def close(self) -> None:
        """Let the connection go."""
        if self._kept is not None and self._kept.transport is not None:
            self._kept.transport.abort()
        self._kept = None


class Stream(asyncio.Protocol):
    """A client of the stream that counts what it is told, and looks at nothing.

    Attributes:
        begun: set once there is an answer, or none will come.
        status: of the answer; None before it.
        is_lost: whether the connection has ended.
        events: of all kinds.
        away: events that say that the recorder is not heard.
        longest_silence_s: between two pieces of the answer.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard_s = 0.0
        self.transport: asyncio.Transport | None = None
        self.begun = asyncio.Event()
        self.status: int | None = None
        self.is_lost = False
        self.events = 0
        self.away = 0
        self.longest_silence_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Ask for the stream."""
        self.transport = transport
        transport.write(request("/api/stream"))

    def data_received(self, data: bytes) -> None:
        """Count; a word that two pieces share is not seen, which is rare."""
        now_s = self._loop.time()
        if self.status is None:
            found = _STATUS.match(data)
            self.status = int(found[1]) if found else 0
            self.begun.set()
        else:
            self.longest_silence_s = max(self.longest_silence_s, now_s - self._heard_s)
        self._heard_s = now_s
        self.events += data.count(b"\nevent: ")
        self.away += data.count(b"\nevent: away")

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        del exc
        self.is_lost = True
        self.begun.set()

    @property
    def fault(self) -> str | None:
        """What is wrong with it, in a word; None while it is open."""
        if self.status not in {200, None}:
            return str(self.status)
        if self.is_lost:
            return "lost"
        return "no answer" if self.status is None else None
