"""The simulated tool of the fault lab: a process, broken and mended on command, which logs each answer it sends."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recorder.cli.fault_lab.children import Child
from recorder.errors import LabError
from simulator.control import ask
from simulator.response_log import Response, read_responses

READS = frozenset({1, 2, 3, 4})
"""Function codes that read."""


class Tool:
    """A simulated tool, off until it is started; an async context manager.

    Each time that it is switched on it has another seed, so that no two of its answers are alike by construction.

    Args:
        folder: for its logs and socket.
        seed: of its first life.
    """

    def __init__(self, folder: Path, *, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._logs: list[Path] = []
        self._child: Child | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        child, self._child = self._child, None
        if child is not None:
            await asyncio.shield(child.kill())

    @property
    def _control(self) -> Path:
        return self._folder / "tool.sock"

    async def start(self) -> None:
        """Switch it on, on the port that it had before."""
        responses = self._folder / f"responses-{len(self._logs)}.bin"
        self._logs.append(responses)
        log = self._folder / "tool.log"
        self._child = await Child.start(
            "simulated tool",
            *("simulate", "--json", "--port", str(self.port), "--seed", str(self._seed + len(self._logs))),
            *("--response-log", str(responses), "--control", str(self._control)),
            log=log,
            answers=True,
        )
        text = ""
        while line := await self._child.read_line():
            text += line
            if line.rstrip() == "}":
                self.port = json.loads(text)["port"]
                return
        await self._child.ended(deadline_s=5.0)
        self._child.check_running()
        raise LabError("the simulated tool did not say where it listens")

    async def stop(self) -> None:
        """Switch it off; its log is whole."""
        child, self._child = self._child, None
        assert child is not None
        await child.stop()

    async def inject(self, name: str, **fields: object) -> None:
        """Break it."""
        await ask(self._control, "inject", fault={"name": name, **fields})

    async def mend(self) -> None:
        """Take all faults away."""
        await ask(self._control, "clear", which=None)

    async def hits(self) -> int:
        """How many answers the faults in force have hit."""
        found: list[dict[str, Any]] = await ask(self._control, "list")
        return sum(fault["hits"] for fault in found)

    async def flush(self) -> None:
        """Bring its log to disk; where it is off that was done."""
        if self._child is not None:
            await ask(self._control, "flush")

    def responses(self, *, since_ns: int, until_ns: int) -> Iterator[Response]:
        """Every answer to a read that was sent between two monotonic times; up to the last `flush` of a running one."""
        for log in self._logs:
            for response in read_responses(log):
                if since_ns <= response.monotonic_ns <= until_ns and response.function in READS:
                    yield response
