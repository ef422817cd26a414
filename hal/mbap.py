"""Frames requests of Modbus TCP and judges their answers, byte by byte, without a socket.

Layout: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3; the data of each function: MODBUS
Application Protocol Specification V1.1b3, section 6. A deviation is found with the first byte that shows it, so that
rubbish does not have to wait for the time-out.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Final

_EXCEPTION_FLAG: Final = 0x80
_TRANSACTION_END: Final = 2
_PROTOCOL_END: Final = 4
_LENGTH_END: Final = 6
_HEADER: Final = 7
_HEADER_FIELDS: Final = Struct(">HHHB")
_READ_HEAD: Final = Struct(">HHHBBB")
"""What comes before the data of a read: the header, the function code and the bytes of data."""
_EXCEPTION_PDU: Final = 2
_READ_FUNCTIONS: Final = frozenset({1, 2, 3, 4})


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """The only answer that fits a request, but for its data.

    Attributes:
        function: function code of the request.
        data_bytes: of a read, the bytes of data that are due.
        echo: of a write, what the answer has to repeat behind the function code.
    """

    transaction: int
    unit: int
    function: int
    data_bytes: int = 0
    echo: bytes = b""

    @property
    def pdu_bytes(self) -> int:
        """Length of the answer from its function code on, where it is no exception."""
        return 2 + self.data_bytes if self.function in _READ_FUNCTIONS else 1 + len(self.echo)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer that fits its request.

    Attributes:
        data: of a read, its data; of a write or a refusal, empty.
        exception_code: where the device refused, why; else None.
    """

    data: bytes = b""
    exception_code: int | None = None


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Put the header in front of a request, whose PDU begins with its function code."""
    return _HEADER_FIELDS.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def take_answer(received: bytes | bytearray, expected: Expected) -> Answer | None:
    """Take the answer out of what was received so far; None where more bytes are due.

    Raises:
        ValueError: what was received cannot become the answer; says why.
    """
    if expected.function in _READ_FUNCTIONS and received.startswith(head := _read_head(expected)):
        # nearly every answer; whatever is not right with one is found below
        data = bytes(received[len(head) :])
        if len(data) == expected.data_bytes:
            return Answer(data=data)
    _check_header(received, expected)
    if len(received) <= _HEADER:
        return None
    function = received[_HEADER]
    refused = function == expected.function | _EXCEPTION_FLAG
    if not refused and function != expected.function:
        raise ValueError(f"function {expected.function} was asked, function {function} answered")
    due = _EXCEPTION_PDU if refused else expected.pdu_bytes
    said = int.from_bytes(received[_PROTOCOL_END:_LENGTH_END], "big")
    if said != due + 1:
        raise ValueError(f"an answer of {due} bytes is due, its header says {said - 1}")
    if len(received) < _HEADER + due:
        return None
    if len(received) > _HEADER + due:
        raise ValueError(f"{len(received) - _HEADER - due} bytes too many came behind the answer")
    body = bytes(received[_HEADER + 1 :])
    return Answer(exception_code=body[0]) if refused else Answer(data=_data(body, expected))


def _read_head(expected: Expected) -> bytes:
    """The start of the only answer that fits a read and is no refusal."""
    data_bytes = expected.data_bytes
    return _READ_HEAD.pack(expected.transaction, 0, data_bytes + 3, expected.unit, expected.function, data_bytes)


def _check_header(received: bytes | bytearray, expected: Expected) -> None:
    transaction = int.from_bytes(received[:_TRANSACTION_END], "big")
    if len(received) >= _TRANSACTION_END and transaction != expected.transaction:
        raise ValueError(f"transaction {expected.transaction} was asked, transaction {transaction} answered")
    protocol = int.from_bytes(received[_TRANSACTION_END:_PROTOCOL_END], "big")
    if len(received) >= _PROTOCOL_END and protocol != 0:
        raise ValueError(f"the protocol id is {protocol}, and Modbus has 0")
    if len(received) >= _HEADER and received[_LENGTH_END] != expected.unit:
        raise ValueError(f"unit {expected.unit} was asked, unit {received[_LENGTH_END]} answered")


def _data(body: bytes, expected: Expected) -> bytes:
    if expected.function not in _READ_FUNCTIONS:
        if body != expected.echo:
            raise ValueError(f"{expected.echo.hex(' ')} was written, the answer repeats {body.hex(' ')}")
        return b""
    if body[0] != expected.data_bytes:
        raise ValueError(f"{expected.data_bytes} bytes of data are due, the answer says {body[0]}")
    return body[1:]
