"""A Modbus TCP server that costs as little as Python can, so that the daemon's cost is not hidden behind its peer's.

A process of its own: ``python -m benchmarks.modbus_server``. It answers function codes 1 to 4 from an image that never
changes, whole and at once, and counts. On standard input each line asks for the counts, and the end ends it; on
standard output the first line is ``{"port": …}``, then one line of counts for each that was asked for.

The frames are those of the MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3. Any two neighbouring
registers make a float32 between 24 and 26 in either word order, so no value is NaN.
"""

import asyncio
import json
import struct
import sys
from collections import Counter
from contextlib import suppress
from typing import Final

_HEADER: Final = 7
_READ: Final = struct.Struct(">HHHBBHH")
"""Transaction, protocol, length, unit, function, address, count."""
_ANSWER: Final = struct.Struct(">HHHBBB")
_REGISTERS: Final = b"".join(struct.pack(">H", 0x41C0 + address % 16) for address in range(65_536 + 125))
_BITS: Final = b"\x5a" * 250
_BIT_FUNCTIONS: Final = frozenset({1, 2})


class _Conversation(asyncio.Protocol):
    """One connection; requests may arrive in pieces or several at once."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        received = self._received + data
        while len(received) >= _READ.size:
            request, received = received[: _READ.size], received[_READ.size :]
            self._transport.write(self._answer(request))
        self._received = received

    def _answer(self, request: bytes) -> bytes:
        transaction, _, _, unit, function, address, count = _READ.unpack(request)
        self._counts["requests"] += 1
        self._counts[f"function {function}"] += 1
        is_bit = function in _BIT_FUNCTIONS
        data = _BITS[: (count + 7) // 8] if is_bit else _REGISTERS[2 * address : 2 * (address + count)]
        return _ANSWER.pack(transaction, 0, 3 + len(data), unit, function, len(data)) + data


async def _serve() -> None:
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Conversation(counts), "127.0.0.1", 0)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    while await commands.readline():
        print(json.dumps(counts), flush=True)
    server.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve())
