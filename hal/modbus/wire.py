"""One open connection of pymodbus, with one request at a time on it.

pymodbus enters here, in `hal.modbus.framed_wire` and in `hal.modbus.request`, and nowhere else in hal. It opens the
connection, and encodes and frames the requests. The answers are judged by `hal.mbap` and `hal.rtu`, because
pymodbus 3.16 takes a short answer, an answer to transaction 0 and a coil answer of any length as good, skips an answer
of another unit until the time-out, hunts for an RTU frame in the middle of rubbish, and does not tell a pending request
that the peer is gone.
"""

import asyncio
import logging
import ssl
import termios
import time
from abc import abstractmethod
from collections.abc import Callable
from typing import cast

from pymodbus.framer import FramerBase
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType
from pymodbus.transport.serialtransport import SerialTransport

from hal.modbus.channel import MismatchError, Question, Reply
from hal.modbus.place import Parity, Place, SerialPlace, TcpPlace
from hal.pdu import Answer, Expected

# pymodbus logs whole frames at ERROR for each fault. Every fault is raised here as a LinkError, so those words are
# noise; whoever wants them sets a level for the logger "pymodbus" first.
if logging.getLogger("pymodbus").level == logging.NOTSET:
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_PARITIES = {Parity.NONE: "N", Parity.EVEN: "E", Parity.ODD: "O"}
_DATA_BITS = 8


class Wire(TransactionManager):
    """An open connection to a line; whoever asks sees to it that nobody else does at the same time.

    Attributes:
        lost: set once no further request can be made.
        gone: set once the socket or port is closed, or never was open.
        lost_reason: why.
    """

    def __init__(self, place: Place, framer: FramerBase, when_lost: Callable[["Wire"], None]) -> None:
        params = CommParams(
            comm_type=CommType.SERIAL if isinstance(place, SerialPlace) else CommType.TCP,
            comm_name=str(place),
            host=place.path if isinstance(place, SerialPlace) else place.host,
            port=0 if isinstance(place, SerialPlace) else place.port,
            reconnect_delay=0.0,  # a connection lives once; hal.device owns the retry
        )
        super().__init__(
            params, framer, retries=0, is_server=False, trace_packet=None, trace_pdu=None, trace_connect=None
        )
        self.place = place
        self.lost = asyncio.Event()
        self.gone = asyncio.Event()
        self.lost_reason = "the connection is closed"
        self._when_lost = when_lost
        self._received = bytearray()
        self._expected: Expected | None = None
        self._pending: asyncio.Future[Answer] | None = None
        self._responded_ns = 0

    async def open(self, context: ssl.SSLContext | None) -> None:
        """Connect, or raise the OSError that pymodbus's own connect() swallows.

        Raises:
            OSError: it did not open; a TimeoutError where it took too long.
            ValueError: the port cannot be set so, or the host is no name.
        """
        try:
            if isinstance(self.place, SerialPlace):
                self._open_serial(self.place)
            else:
                name = (self.place.tls.server_name if self.place.tls else "") or self.place.host
                async with asyncio.timeout(self.place.connect_timeout_s):
                    await self.loop.create_connection(
                        self.handle_new_connection,
                        self.place.host,
                        self.place.port,
                        ssl=context,
                        server_hostname=name if context else None,
                    )
        except BaseException:
            self.drop()
            self.gone.set()
            raise

    def _open_serial(self, place: SerialPlace) -> None:
        # Not by create_serial_connection, which sets the port up later: a connection that is given up at once would
        # then be set up after it was closed.
        try:
            transport = SerialTransport(
                self.loop, self, place.path, place.baud, _DATA_BITS, _PARITIES[place.parity], place.stop_bits, 0
            )
        except termios.error as error:  # no OSError, although it carries the system's number
            raise OSError(*error.args) from error
        self.transport = transport
        transport.setup()

    async def ask(self, question: Question) -> Reply:
        """Send a request and wait for what answers it.

        Raises:
            TimeoutError: no answer in time.
            ConnectionError: the connection is or was closed.
            MismatchError: what came is not the answer.
        """
        await self.make_ready()
        if self.lost.is_set():
            raise ConnectionError(self.lost_reason)
        frame, self._expected = self.wrap(question)
        self._received.clear()
        requested_ns = time.monotonic_ns()
        if self.is_broadcast(question):
            self._put(frame)
            self.after_broadcast(question, len(frame))
            return Reply(answer=Answer(), requested_ns=requested_ns, responded_ns=time.monotonic_ns())
        self._pending = self.loop.create_future()
        timer = self.loop.call_later(question.unit.request_timeout_s, self._fail, TimeoutError())
        try:
            self._put(frame)
            answer = await self._pending
        except BaseException as error:  # also a cancellation: its answer may still come, and must fit no other request
            self.after_failure(question, error)
            raise
        finally:
            timer.cancel()
            self._pending = None
        return Reply(
            answer=answer,
            requested_ns=requested_ns,
            responded_ns=self._responded_ns,
            is_after_flush=self.after_answer(question),
        )

    def _put(self, frame: bytes) -> None:
        """Write a frame; pymodbus's own way traces and logs each anew."""
        cast("asyncio.Transport", self.transport).write(frame)

    async def make_ready(self) -> None:
        """Wait until a request may be sent."""

    @abstractmethod
    def wrap(self, question: Question) -> tuple[bytes, Expected]:
        """Frame a request, and say what answers it."""

    @abstractmethod
    def judge(self, received: bytearray, expected: Expected) -> Answer | None:
        """Take the answer out of what was received; None where more is due, ValueError where it cannot be one."""

    @abstractmethod
    def after_failure(self, question: Question, error: BaseException) -> None:
        """See to it that a late answer is taken for no other."""

    def after_answer(self, _question: Question) -> bool:
        """Note an answer; whether the line was flushed before it."""
        return False

    def is_broadcast(self, _question: Question) -> bool:
        """Whether nobody will answer."""
        return False

    def after_broadcast(self, question: Question, length: int) -> None:
        """Give everybody the time to act."""

    @abstractmethod
    def unasked(self, data: bytes) -> None:
        """Take bytes while no request is under way."""

    def data_received(self, data: bytes) -> None:
        """Judge what came; called by the event loop."""
        if self._pending is None or self._expected is None or self._pending.done():
            self.unasked(data)
            return
        responded_ns = time.monotonic_ns()
        self._received += data
        try:
            answer = self.judge(self._received, self._expected)
        except ValueError as error:
            self._fail(MismatchError(str(error)))
            return
        if answer is not None:
            self._responded_ns = responded_ns
            self._pending.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the pending request at once, which pymodbus does not; called by the event loop."""
        reason = "closed by the device" if exc is None else _words(exc, self.place)
        if isinstance(self.place, TcpPlace) and self.place.tls is not None and self._responded_ns == 0:
            # TLS 1.3 refuses a client's certificate after the handshake, and mostly by closing.
            reason += " before its first answer: it may want another tls_certificate"
        self._lose(reason)
        self.gone.set()
        super().connection_lost(exc)

    def drop(self, reason: str = "the connection is closed") -> None:
        """Close the socket or port now, without waiting for anything to be sent."""
        self._lose(reason)
        transport = cast("asyncio.Transport | None", self.transport)
        if transport is not None:
            transport.abort()
        if isinstance(self.place, SerialPlace):
            self.gone.set()  # a serial transport tells nobody that it was closed
        self.close()

    def _lose(self, reason: str) -> None:
        self._fail(ConnectionError(reason))
        if not self.lost.is_set():
            self.lost_reason = reason
            self.lost.set()
            self._when_lost(self)

    def _fail(self, error: Exception) -> None:
        if self._pending is not None and not self._pending.done():
            self._pending.set_exception(error)


def _words(error: Exception, place: Place) -> str:
    if isinstance(error, ssl.SSLError):
        alert = (error.reason or str(error)).lower().replace("_", " ")
        return f"the device refused the TLS connection ({alert})"
    if isinstance(place, SerialPlace):
        return f"the serial port is gone; is it unplugged? ({error})"
    return str(getattr(error, "strerror", None) or error)
