"""Modbus TCP in front of a wire: connections, their frames, and what a fault does to these.

Our own few lines of framing rather than pymodbus's server: faults must reach single bytes of a frame, and the rate is
several times higher (docs/decisions/0005-simulator-framing.md). Layout of a frame: MODBUS Messaging on TCP/IP
Implementation Guide V1.0b, section 3.1.3.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, cast

from simulator import pdu
from simulator.errors import ListenError
from simulator.memory import Unit
from simulator.wire import GATEWAY_NO_RESPONSE, Delivery, Wire

MOST_WAITING: Final = 64
"""Requests of one connection that may wait for a slow answer; then no more of it are read."""
_HEADER: Final = struct.Struct(">HHHB")
_LENGTH_FROM: Final = 6
"""The length field counts from behind itself: unit number and what follows."""
_LENGTHS: Final = range(2, 255)
"""Unit number, function code, at most 252 bytes of data."""
_RELISTEN_S: Final = 0.1
_GARBLE: Final = 0xA5


class TcpConversation(asyncio.Protocol):
    """One connection; requests may come in pieces or many at once, and rubbish ends it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._waiting: set[asyncio.TimerHandle] = set()
        self._is_write_paused = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._wire.conversations.add(self)
        if self._wire.is_refusing:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  (asyncio's signature)
        """End; called by the event loop."""
        self._wire.conversations.discard(self)
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()

    def abort(self) -> None:
        """Close the connection now, without sending what waits."""
        self._transport.abort()

    def pause_writing(self) -> None:
        """Read no more of a client that does not read its answers; called by the event loop."""
        self._is_write_paused = True
        self._balance()

    def resume_writing(self) -> None:
        """Read again; called by the event loop."""
        self._is_write_paused = False
        self._balance()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole; called by the event loop."""
        if self._rest:
            data = self._rest + data
        wire, units, log = self._wire, self._wire.units, self._wire.log
        at, end = 0, len(data)
        out: list[bytes] = []
        while end - at > _HEADER.size:
            transaction, protocol, length, number = _HEADER.unpack_from(data, at)
            if protocol or length not in _LENGTHS:
                # The next frame cannot be found in a stream whose lengths are wrong, so there is nothing to go on with.
                self._send(out)
                self._rest = b""
                self._transport.close()
                return
            stop = at + _LENGTH_FROM + length
            if stop > end:
                break
            request = data[at + _HEADER.size : stop]
            at = stop
            unit = units.get(number)
            if not wire.is_plain or (unit is not None and unit.answer_delay_s):
                self._send(out)
                out = []
                self._answer_slowly(transaction, number, request)
                if self._transport.is_closing():
                    return
                continue
            answer = pdu.refusal(request[0], GATEWAY_NO_RESPONSE) if unit is None else pdu.answer(unit, request)
            out += (_HEADER.pack(transaction, 0, len(answer) + 1, number), answer)
            if log is not None:
                log.record(step=wire.step(), transaction=transaction, unit=number, request=request, answer=answer)
        self._rest = data[at:]
        self._send(out)

    def _send(self, frames: list[bytes]) -> None:
        if frames:
            self._transport.write(b"".join(frames))

    def _answer_slowly(self, transaction: int, number: int, request: bytes) -> None:
        """Answer a request as faults and delays have it."""
        now_s = self._loop.time()
        wait_s, is_late = self._wire.delay(number, request, now_s)
        if wait_s <= 0:
            self._deliver(self._wire.respond(transaction, number, request), request)
            return

        def answer() -> None:
            self._waiting.discard(timer)
            self._balance()
            self._deliver(self._wire.respond(transaction, number, request, is_late=is_late), request)

        timer = self._loop.call_at(now_s + wait_s, answer)
        self._waiting.add(timer)
        self._balance()

    def _deliver(self, delivery: Delivery, request: bytes) -> None:
        if self._transport.is_closing():
            return
        answer = delivery.answer
        if answer:
            frame = _HEADER.pack(delivery.transaction, 0, len(answer) + 1, delivery.unit) + answer
            if delivery.is_garbled:
                frame = bytes(byte ^ _GARBLE for byte in frame)
            if delivery.is_cut:
                frame = frame[: len(frame) // 2]
            self._transport.write(frame)
            if self._wire.log is not None:
                self._wire.log.record(
                    step=self._wire.step(),
                    transaction=int.from_bytes(frame[:2], "big"),
                    unit=delivery.unit,
                    request=request,
                    answer=frame[_HEADER.size :],
                    is_altered=delivery.is_altered,
                )
        if delivery.closes:
            # In order, so that the half of a frame which was written still arrives.
            self._transport.close()

    def _balance(self) -> None:
        """Read requests only as long as their answers are wanted and do not pile up."""
        if self._transport.is_closing():
            return
        if self._is_write_paused or len(self._waiting) >= MOST_WAITING:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()


@asynccontextmanager
async def serve_tcp(wire: Wire, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve a wire over Modbus TCP until the block ends; connections that are open then are closed.

    While the wire refuses connections the port is not listened on at all, so a client is refused by its system.

    Args:
        wire: of the tool.
        host: address to listen on.
        port: 0 takes any free one.

    Yields:
        The port in use.

    Raises:
        ListenError: the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()

    async def listen(at: int) -> asyncio.Server:
        return await loop.create_server(lambda: TcpConversation(wire), host, at, backlog=1024)

    try:
        listener = await listen(port)
    except (OSError, OverflowError) as fault:
        reason = getattr(fault, "strerror", None) or str(fault)
        raise ListenError(
            f"cannot serve on {host}:{port}: {reason}; choose another port, or 0 for any free one"
        ) from fault
    in_use: int = listener.sockets[0].getsockname()[1]
    changed = asyncio.Event()

    async def keep() -> None:
        """Listen, or do not, as the wire has it."""
        nonlocal listener
        while True:
            await changed.wait()
            changed.clear()
            if wire.is_refusing:
                listener.close()
            elif not listener.is_serving():
                with suppress(OSError):
                    listener = await listen(in_use)
                    continue
                # Somebody else has the port for the moment.
                loop.call_later(_RELISTEN_S, changed.set)

    wire.on_refusing.append(changed.set)
    keeper = asyncio.create_task(keep(), name=f"modbus-listener-{in_use}")
    try:
        yield in_use
    finally:
        wire.on_refusing.remove(changed.set)
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        listener.close()
        wire.drop_connections()
        await asyncio.sleep(0)  # the closed sockets are let go in the loop's next turn


@asynccontextmanager
async def serve(units: Mapping[int, Unit], *, host: str, port: int) -> AsyncIterator[int]:
    """Serve units over Modbus TCP without faults and without a log; see `serve_tcp`."""
    async with serve_tcp(Wire(units), host=host, port=port) as in_use:
        yield in_use
