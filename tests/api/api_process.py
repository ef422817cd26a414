"""The api as a process of its own, started as an operator starts it."""

import asyncio
import json
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import httpx

from tests.system.plant import command_line, environment

DEADLINE_S: Final = 60.0
"""Generous: a busy machine takes long to start a Python."""
END_S: Final = 10.0


class ApiProcess(AbstractContextManager["ApiProcess"]):
    """``ald-recorder api`` on a configuration; it has ended when the block ends.

    Args:
        config_path: its section [api] should ask for port 0.
    """

    def __init__(self, config_path: Path) -> None:
        self.config_path = config_path
        self.log_path = config_path.with_name("api.log")
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with self.log_path.open("a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command_line("api", "--config", str(self.config_path)),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            assert self._process.stderr is not None
            try:
                self.url = _listening(self._process.stderr, log)
            except BaseException:
                self.__exit__(None, None, None)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self.rest()

    @property
    def port(self) -> int:
        """The TCP port that it was given."""
        port = httpx.URL(self.url).port
        assert port is not None
        return port

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """A client of it, with a token."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE_S, trust_env=False, **options)

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        assert self._process is not None
        return self._process.wait(END_S)

    def rest(self) -> str:
        """What it logs until its end, once it is told to end."""
        if self._process is None:
            return ""
        assert self._process.stderr is not None
        rest = self._process.stderr.read() if not self._process.stderr.closed else ""
        self._process.stderr.close()
        self._process.wait()
        print(rest[-3000:])  # noqa: T201  (pytest shows it where the test failed)
        return rest


def _listening(lines: IO[str], log: IO[str]) -> str:
    for line in lines:
        log.write(line)
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("event") == "api_listening":
            return str(told["url"])
    raise AssertionError(f"the api did not start; see {log.name}")


async def read_events(response: httpx.Response, count: int) -> list[tuple[str, Any]]:
    """The next events of a stream: kind and data; comments and retry lines are passed over.

    Raises:
        TimeoutError: they did not come.
    """
    found: list[tuple[str, Any]] = []
    kind = ""
    async with asyncio.timeout(DEADLINE_S):
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((kind, json.loads(line.removeprefix("data: "))))
                if len(found) == count:
                    return found
    return found
