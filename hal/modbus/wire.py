"""One open connection of pymodbus: opened, written to, and closed.

pymodbus enters here, in the wires made of this one and in `hal.modbus.request`, and nowhere else in hal. It opens the
connection, and encodes the requests. The answers are judged by `hal.mbap` and `hal.rtu`, because
pymodbus 3.16 takes a short answer, an answer to transaction 0 and a coil answer of any length as good, skips an answer
of another unit until the time-out, hunts for an RTU frame in the middle of rubbish, and does not tell a pending request
that the peer is gone.
"""

import asyncio
import logging
import ssl
import termios
from abc import abstractmethod
from collections.abc import Callable
from typing import cast

from pymodbus.framer import FramerBase
from pymodbus.transaction import TransactionManager
from pymodbus.transport import CommParams, CommType
from pymodbus.transport.serialtransport import SerialTransport

from hal.modbus.channel import Question, Reply
from hal.modbus.place import Parity, Place, SerialPlace, TcpPlace

# pymodbus logs whole frames at ERROR for each fault. Every fault is raised here as a LinkError, so those words are
# noise; whoever wants them sets a level for the logger "pymodbus" first.
if logging.getLogger("pymodbus").level == logging.NOTSET:
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_PARITIES = {Parity.NONE: "N", Parity.EVEN: "E", Parity.ODD: "O"}
_DATA_BITS = 8


class Wire(TransactionManager):
    """An open connection to a line.

    Attributes:
        lost: set once no further request can be made.
        gone: set once the socket or port is closed, or never was open.
        lost_reason: why.
        answered_ns: monotonic nanoseconds of the last answer; 0 before the first.
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
        self.answered_ns = 0

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

    @abstractmethod
    async def ask(self, question: Question) -> Reply:
        """Send a request and wait for what answers it.

        Raises:
            TimeoutError: no answer in time.
            ConnectionError: the connection is or was closed.
            MismatchError: what came is not the answer.
        """

    @abstractmethod
    def fail(self, error: ConnectionError) -> None:
        """Let everybody who waits for an answer know that none will come."""

    def put(self, frame: bytes) -> None:
        """Write a frame; pymodbus's own way traces and logs each anew."""
        cast("asyncio.Transport", self.transport).write(frame)

    def is_broadcast(self, _question: Question) -> bool:
        """Whether nobody will answer."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits at once, which pymodbus does not; called by the event loop."""
        reason = "closed by the device" if exc is None else _words(exc, self.place)
        if isinstance(self.place, TcpPlace) and self.place.tls is not None and self.answered_ns == 0:
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
        self.fail(ConnectionError(reason))
        if not self.lost.is_set():
            self.lost_reason = reason
            self.lost.set()
            self._when_lost(self)


def _words(error: Exception, place: Place) -> str:
    if isinstance(error, ssl.SSLError):
        alert = (error.reason or str(error)).lower().replace("_", " ")
        return f"the device refused the TLS connection ({alert})"
    if isinstance(place, SerialPlace):
        return f"the serial port is gone; is it unplugged? ({error})"
    return str(getattr(error, "strerror", None) or error)
