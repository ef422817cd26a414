"""Clients that nobody wants, as a process of their own: ``python -m tests.api.attack PORT SECONDS``.

Floods of requests, connections that say nothing, requests without end, rubbish, huge bodies, and streams that nobody
reads. Prints how many answers of each status it got.
"""

import asyncio
import itertools
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

FLOODS: Final = 24
HOLDERS: Final = 60
DEAF: Final = 30
_PATHS: Final = ("/api/status", "/api/values", "/api/parameters", "/health/ready", "/api/alarms", "/api/openapi.json")
ENOUGH: Final = 50
LONGEST_S: Final = 120.0
_PAUSE_S: Final = 0.02
Attempt = Callable[[], Awaitable[None]]


class Attack:
    """Everything at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._answers: Counter[str] = Counter()
        self._enough = asyncio.Event()
        self._chance = random.Random(7)

    async def run(self, seconds: float) -> dict[str, int]:
        """Go on for so long, and until there were some answers, then say what came back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_S) as limit, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._end(limit, seconds))
                for number in range(FLOODS):
                    tasks.create_task(self._again(self._ask(_PATHS[number % len(_PATHS)])))
                for _ in range(HOLDERS):
                    tasks.create_task(self._again(self._hold(b"GET /api/values HTTP/1.1\r\nHost: loc")))
                for _ in range(DEAF):
                    tasks.create_task(self._again(self._hold(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")))
                tasks.create_task(self._again(self._rubbish()))
                tasks.create_task(self._again(self._huge()))
        return dict(self._answers)

    async def _end(self, limit: asyncio.Timeout, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._enough.wait()
        limit.reschedule(asyncio.get_running_loop().time())

    async def _again(self, act: Attempt) -> None:
        while True:
            with suppress(OSError, EOFError):
                await act()
            await asyncio.sleep(_PAUSE_S)

    def _ask(self, path: str) -> Attempt:
        async def ask() -> None:
            reader, writer = await self._connect()
            try:
                for _ in itertools.repeat(None):
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                    await self._answer(reader)
            finally:
                writer.transport.abort()

        return ask

    def _hold(self, head: bytes) -> Attempt:
        async def hold() -> None:
            reader, writer = await self._connect()
            try:
                writer.write(head)
                await writer.drain()
                # nothing more is read: it is the server that must end this
                await reader.readexactly(1_000)
                await asyncio.Event().wait()
            finally:
                writer.transport.abort()

        return hold

    def _rubbish(self) -> Attempt:
        async def rubbish() -> None:
            _, writer = await self._connect()
            writer.write(self._chance.randbytes(self._chance.randrange(1, 5_000)))
            await writer.drain()
            writer.transport.abort()

        return rubbish

    def _huge(self) -> Attempt:
        async def huge() -> None:
            reader, writer = await self._connect()
            writer.write(b"POST /api/runs/start HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            with suppress(ConnectionError):
                for _ in range(100):
                    writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
                    await writer.drain()
            await self._answer(reader)
            writer.transport.abort()

        return huge

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=4096)

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self._answers[head.split(b" ")[1].decode()] += 1
        if self._answers.total() >= ENOUGH:
            self._enough.set()
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length: "):
                await reader.readexactly(int(line.split(b": ")[1]))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Attack(int(sys.argv[1])).run(float(sys.argv[2])))))  # noqa: T201
