"""A pseudo-terminal that stands for a serial port, with a TCP server of RTU frames behind it."""

import asyncio
import os
import tty
from typing import Self

MOST = 4_096


class Terminal:
    """Passes bytes on between the port that the recorder opens and a connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._controller, self._port = os.openpty()
        tty.setraw(self._port)
        self.path = os.ttyname(self._port)
        self.is_closed = False
        self.received = bytearray()
        """What the recorder sent."""
        os.set_blocking(self._controller, False)
        asyncio.get_running_loop().add_reader(self._controller, self._read)
        self._answers = asyncio.create_task(self._pass_answers(reader), name="terminal")

    @classmethod
    async def open(cls, port: int) -> Self:
        """Connect to the server."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    def unplug(self) -> None:
        """Take the port away, as one that hangs on USB."""
        if self.is_closed:
            return
        self.is_closed = True
        asyncio.get_running_loop().remove_reader(self._controller)
        os.close(self._port)
        os.close(self._controller)
        self._answers.cancel()
        self._writer.transport.abort()

    async def close(self) -> None:
        """End everything."""
        self.unplug()
        await asyncio.gather(self._answers, return_exceptions=True)

    def _read(self) -> None:
        data = os.read(self._controller, MOST)
        self.received += data
        self._writer.write(data)

    async def _pass_answers(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(MOST):
            os.write(self._controller, data)
