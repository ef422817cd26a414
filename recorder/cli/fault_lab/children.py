"""Processes of the fault lab: our own commands, frozen and killed at will, and never left behind.

Each reads its standard input to the end and stops there, so it also ends when the lab is killed with -9. A process
group of its own keeps Ctrl-C from it; in the lab's session, since Linux then wakes a frozen one whose lab has gone.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from recorder.cli.children import last_line
from recorder.cli.fault_lab.waiting import until
from recorder.config.file import ENVIRONMENT_PREFIX
from recorder.errors import LabError

END_S: Final = 10.0
"""SIGTERM has to end each of our commands within this."""
PROGRAM: Final = ("-m", "recorder")


class Child:
    """One of our own commands as a process.

    Attributes:
        log: where its standard error goes, and its standard output where that is not read.
    """

    def __init__(self, name: str, process: Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls,
        name: str,
        *arguments: str,
        log: Path,
        answers: bool = False,
        program: Sequence[str] = PROGRAM,
        through: Sequence[str] = (),
    ) -> "Child":
        """Start a command of ``ald-recorder``.

        Args:
            name: how errors call it.
            arguments: of the command.
            log: added to.
            answers: whether the caller reads its standard output.
            program: what Python runs.
            through: a program, and its arguments, that runs Python.
        """
        # without what would change a recorder's configuration
        environment = {
            key: value for key, value in os.environ.items() if not key.upper().startswith(ENVIRONMENT_PREFIX)
        }
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *through,
                *(sys.executable, *program, *arguments, "--until-stdin-closes"),
                stdin=PIPE,
                stdout=PIPE if answers else file,
                stderr=file,
                env=environment,
                process_group=0,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, as far as we were told."""
        return self._process.returncode is None

    def check_running(self) -> None:
        """Raise where it has ended on its own.

        Raises:
            LabError: with its last line of log.
        """
        if not self.is_running:
            raise LabError(f"the {self.name} ended with status {self._process.returncode}: {last_line(self.log)}")

    async def read_line(self) -> str:
        """The next line of its standard output; empty at the end."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode()

    def halt(self) -> None:
        """Stop it where it is; a thread that waits for the disk stands when that has answered."""
        self._process.send_signal(signal.SIGSTOP)

    async def until_halted(self) -> None:
        """Wait until every thread of it stands."""

        async def stands() -> bool:
            return all(state in "TtXZ" for state in _states(self.pid))

        await until(f"the standstill of the {self.name}", stands)

    def go_on(self) -> None:
        """Let it go on after `halt`."""
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it as kill -9 or a crash does."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._wait()

    async def stop(self, *, deadline_s: float = END_S) -> int:
        """Ask it to end, and return its exit status.

        Raises:
            LabError: it did not end in time; it is killed then.
        """
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(deadline_s):
                await self._wait()
        except TimeoutError:
            await self.kill()
            raise LabError(f"the {self.name} did not end within {deadline_s:g} s of SIGTERM") from None
        assert self._process.returncode is not None
        return self._process.returncode

    async def ended(self, *, deadline_s: float) -> int:
        """Wait until it ends by itself, and return its exit status.

        Raises:
            LabError: it did not.
        """
        try:
            async with asyncio.timeout(deadline_s):
                await self._wait()
        except TimeoutError:
            raise LabError(f"the {self.name} did not end by itself within {deadline_s:g} s") from None
        assert self._process.returncode is not None
        return self._process.returncode

    async def _wait(self) -> None:
        await self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


def _states(pid: int) -> list[str]:
    """The state letter of each thread of a process; X where it has gone."""
    states = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            stat = (thread / "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            states.append("X")
        else:
            states.append(stat.rpartition(")")[2].split()[0])
    return states
