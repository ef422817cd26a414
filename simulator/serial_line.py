"""Modbus RTU in front of a wire, over a pseudo-terminal: what a device on RS-485 looks like to its master.

Layout and checksum: MODBUS over Serial Line Specification V1.02, sections 2.5.1 and 6.2.2. A pseudo-terminal carries no
timing, so a request ends where its function code says, and silence only ends what cannot become a request.
"""

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from simulator.wire import Delivery, Wire

SILENCE_S: Final = 0.05
"""An unfinished request is forgotten after this: 3.5 characters at 9,600 baud are 4 ms, and a busy machine is late."""
BROADCAST: Final = 0
_SHORTEST: Final = 4
_LONGEST: Final = 256
_FIXED: Final = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 7: 4, 8: 8, 11: 4, 12: 4, 17: 4, 22: 10, 24: 6, 43: 7}
"""Length of a request by its function code, address and checksum included."""
_COUNTED: Final = {15: 6, 16: 6, 23: 10}
"""Index of the byte that says how many bytes follow it, by function code."""
_GARBLE: Final = 0xA5
_POLYNOMIAL: Final = 0xA001


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ _POLYNOMIAL if value & 1 else value >> 1
    return value


_CRC_TABLE: Final = tuple(_crc_of_byte(value) for value in range(256))


def checksum(frame: bytes) -> bytes:
    """The two bytes behind a frame, the low one first."""
    crc = 0xFFFF
    for byte in frame:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def request_length(received: bytes) -> int | None:
    """How long the request is that begins here, address and checksum included; None where more bytes must say so.

    Raises:
        ValueError: no request begins like this.
    """
    if len(received) < 2:  # noqa: PLR2004  (address and function code)
        return None
    function = received[1]
    if function in _FIXED:
        return _FIXED[function]
    at = _COUNTED.get(function)
    if at is None:
        raise ValueError(f"the length of a request of function {function} is not known")
    return None if len(received) <= at else at + 1 + received[at] + 2


class SerialConversation:
    """The master side of a pseudo-terminal; one for the life of the line."""

    def __init__(self, wire: Wire, descriptor: int) -> None:
        self._wire = wire
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._silence: asyncio.TimerHandle | None = None
        self._waiting: set[asyncio.TimerHandle] = set()

    def abort(self) -> None:
        """Forget what was asked: a serial line has no connection that could be closed."""
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
        self._forget()

    def readable(self) -> None:
        """Take what came; called by the event loop."""
        with suppress(BlockingIOError, OSError):
            self._received += os.read(self._descriptor, 4096)
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._loop.call_later(SILENCE_S, self._forget)
        while self._received:
            try:
                length = request_length(self._received)
            except ValueError:
                self._skip_unknown()
                return
            if length is None or len(self._received) < length:
                return
            frame, self._received = self._received[:length], self._received[length:]
            if checksum(frame[:-2]) == frame[-2:]:
                self._take(frame[0], frame[1:-2])

    def _skip_unknown(self) -> None:
        """A function whose length is unknown: its request is all that came, if the checksum agrees."""
        frame = self._received
        if _SHORTEST <= len(frame) <= _LONGEST and checksum(frame[:-2]) == frame[-2:]:
            self._received = b""
            self._take(frame[0], frame[1:-2])

    def _forget(self) -> None:
        self._received = b""

    def _take(self, number: int, request: bytes) -> None:
        if number == BROADCAST:
            for unit in self._wire.units:
                self._wire.answer(unit, request)
            return
        if number not in self._wire.units:
            return
        now_s = self._loop.time()
        wait_s, is_late = self._wire.delay(number, request, now_s)
        if wait_s <= 0:
            self._deliver(self._wire.respond(0, number, request), request)
            return

        def answer() -> None:
            self._waiting.discard(timer)
            self._deliver(self._wire.respond(0, number, request, is_late=is_late), request)

        timer = self._loop.call_at(now_s + wait_s, answer)
        self._waiting.add(timer)

    def _deliver(self, delivery: Delivery, request: bytes) -> None:
        if not delivery.answer or self._wire.is_refusing:
            return
        frame = bytes((delivery.unit,)) + delivery.answer
        frame += checksum(frame)
        if delivery.is_garbled:
            frame = bytes(byte ^ _GARBLE for byte in frame)
        if delivery.is_cut:
            frame = frame[: len(frame) // 2]
        with suppress(BlockingIOError):  # a master that does not read loses it, as on a real line
            os.write(self._descriptor, frame)
            if self._wire.log is not None:
                self._wire.log.record(
                    step=self._wire.step(),
                    transaction=0,
                    unit=delivery.unit,
                    request=request,
                    answer=frame[1:-2],
                    is_altered=delivery.is_altered,
                )


@asynccontextmanager
async def serve_rtu(wire: Wire) -> AsyncIterator[Path]:
    """Serve a wire over Modbus RTU until the block ends.

    Yields:
        The terminal that a master opens.
    """
    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    # The slave stays open here, or the line would end whenever a master closes it.
    try:
        tty.setraw(slave)
        os.set_blocking(master, False)
        conversation = SerialConversation(wire, master)
        wire.conversations.add(conversation)
        loop.add_reader(master, conversation.readable)
        try:
            yield Path(os.ttyname(slave))
        finally:
            loop.remove_reader(master)
            wire.conversations.discard(conversation)
            conversation.abort()
    finally:
        os.close(master)
        os.close(slave)
