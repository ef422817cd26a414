"""A serial line as slow as they are: characters take their time at 9,600 baud, and units think before they answer."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from simulator import pdu
from simulator.memory import Unit
from simulator.serial_line import checksum, request_length

CHARACTER_S: Final = 10 / 9_600
SILENCE_S: Final = 3.5 * CHARACTER_S
TURNAROUND_S: Final = 0.04
_PIECE: Final = 16
"""Bytes that a serial port hands on at a time."""


class SlowLine:
    """The units on a pseudo-terminal, and what its master did wrong.

    Attributes:
        path: the port.
        requests: unit and function code of each request, in order.
        collisions: times at which the master sent while a unit was asked or answered.
        hasty: requests that came before the line had been silent for 3.5 characters.
        busy_s: how long frames and thinking took altogether.
    """

    def __init__(
        self, units: Mapping[int, Unit], *, silent_on: frozenset[int] = frozenset(), echoes: bool = False
    ) -> None:
        self._units = units
        self._echoes = echoes
        self._silent_on = silent_on
        self._controller, self._port = os.openpty()
        tty.setraw(self._port)
        os.set_blocking(self._controller, False)
        self.path = os.ttyname(self._port)
        self.requests: list[tuple[int, int]] = []
        self.collisions = 0
        self.hasty = 0
        self.busy_s = 0.0
        self._received = b""
        self._answering: asyncio.Task[None] | None = None
        self._free_at_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._controller, self._read)

    async def close(self) -> None:
        """Take the port away."""
        self._loop.remove_reader(self._controller)
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.gather(self._answering, return_exceptions=True)
        os.close(self._port)
        os.close(self._controller)

    def _read(self) -> None:
        data = os.read(self._controller, 4096)
        if self._echoes:
            os.write(self._controller, data)
        if self._answering is not None and not self._answering.done():
            self.collisions += 1
            return
        if not self._received:
            self.hasty += self._loop.time() < self._free_at_s + SILENCE_S
        self._received += data
        length = request_length(self._received)
        if length is not None and len(self._received) >= length:
            frame, self._received = self._received[:length], self._received[length:]
            assert checksum(frame[:-2]) == frame[-2:]
            self.requests.append((frame[0], frame[1]))
            self._answering = asyncio.create_task(self._answer(frame), name="slow line")

    async def _answer(self, frame: bytes) -> None:
        begun_s = self._loop.time()
        await asyncio.sleep(len(frame) * CHARACTER_S)
        if frame[0] in self._units and frame[1] not in self._silent_on:
            body = frame[:1] + pdu.answer(self._units[frame[0]], frame[1:-2])
            body += checksum(body)
            await asyncio.sleep(TURNAROUND_S)
            for at in range(0, len(body), _PIECE):
                piece = body[at : at + _PIECE]
                await asyncio.sleep(len(piece) * CHARACTER_S)
                os.write(self._controller, piece)
        self._free_at_s = self._loop.time()
        self.busy_s += self._free_at_s - begun_s


@asynccontextmanager
async def slow_line(
    units: Mapping[int, Unit], *, silent_on: frozenset[int] = frozenset(), echoes: bool = False
) -> AsyncIterator[SlowLine]:
    """Serve for the length of a test.

    Args:
        units: by their number.
        silent_on: functions that no unit answers.
        echoes: whether the adapter hears what it sends.
    """
    line = SlowLine(units, silent_on=silent_on, echoes=echoes)
    try:
        yield line
    finally:
        await line.close()


def request_s(registers: int) -> float:
    """How long a read of so many registers takes: eight characters, thinking, and five more than its data."""
    return (8 + 5 + 2 * registers) * CHARACTER_S + TURNAROUND_S
