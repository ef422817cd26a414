"""Judges the part of an answer that every transport carries alike: function code and data.

Source: MODBUS Application Protocol Specification V1.1b3, sections 6 and 7. A deviation is found with the first byte
that shows it, so that rubbish does not have to wait for the time-out.
"""

from dataclasses import dataclass
from typing import Final

EXCEPTION_FLAG: Final = 0x80
IDENTIFICATION: Final = 43
"""Function code of the encapsulated interface, whose type 14 reads a device's identification (section 6.21)."""

_EXCEPTION_BYTES: Final = 2
READ_FUNCTIONS: Final = frozenset({1, 2, 3, 4, 23})
_IDENTIFICATION_TYPE: Final = 14
_IDENTIFICATION_HEAD: Final = 7  # function, type, code, conformity, more follows, next object, number of objects
_OBJECT_HEAD: Final = 2  # its id, its length


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """The only answer that fits a request, but for its data.

    Attributes:
        transaction: of Modbus TCP, what tells this request from the others; RTU has none.
        function: function code of the request.
        data_bytes: of a read, the bytes of data that are due.
        echo: of a write, what the answer has to repeat behind the function code.
    """

    transaction: int = 0
    unit: int
    function: int
    data_bytes: int = 0
    echo: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """An answer that fits its request.

    Attributes:
        data: of a read, its data; of an identification, all behind the type; of a write or a refusal, empty.
        exception_code: where the device refused, why; else None.
    """

    data: bytes = b""
    exception_code: int | None = None


def pdu_length(pdu: bytes, expected: Expected) -> int | None:
    """Say how long the answer that begins so has to be; None where more bytes must tell.

    Raises:
        ValueError: what was received cannot become the answer; says why.
    """
    if not pdu:
        return None
    if pdu[0] == expected.function | EXCEPTION_FLAG:
        return _EXCEPTION_BYTES
    if pdu[0] != expected.function:
        raise ValueError(f"function {expected.function} was asked, function {pdu[0]} answered")
    if expected.function == IDENTIFICATION:
        return _identification_length(pdu)
    if expected.function not in READ_FUNCTIONS:
        return 1 + len(expected.echo)
    return 2 + expected.data_bytes


def check_pdu(pdu: bytes, expected: Expected) -> None:
    """Check as much of an answer as there is, at most the whole of it.

    Raises:
        ValueError: what was received cannot become the answer; says why.
    """
    if len(pdu) <= 1 or pdu[0] != expected.function or expected.function == IDENTIFICATION:
        return
    body = pdu[1:]
    if expected.function in READ_FUNCTIONS:
        if body[0] != expected.data_bytes:
            raise ValueError(f"{expected.data_bytes} bytes of data are due, the answer says {body[0]}")
    elif not expected.echo.startswith(body):
        raise ValueError(f"{expected.echo.hex(' ')} was written, the answer repeats {body.hex(' ')}")


def take_pdu(pdu: bytes, expected: Expected) -> Answer:
    """Take the data out of a whole answer, of the length that `pdu_length` says.

    Raises:
        ValueError: it is not the answer; says why.
    """
    if pdu[0] & EXCEPTION_FLAG:
        return Answer(exception_code=pdu[1])
    check_pdu(pdu, expected)
    if expected.function == IDENTIFICATION:
        return Answer(data=pdu[2:])
    return Answer(data=pdu[2:] if expected.function in READ_FUNCTIONS else b"")


def _identification_length(pdu: bytes) -> int | None:
    """Walk over the objects: this answer alone says nowhere how long it is."""
    if len(pdu) > 1 and pdu[1] != _IDENTIFICATION_TYPE:
        raise ValueError(f"interface type {_IDENTIFICATION_TYPE} was asked, type {pdu[1]} answered")
    if len(pdu) < _IDENTIFICATION_HEAD:
        return None
    length = _IDENTIFICATION_HEAD
    for _ in range(pdu[_IDENTIFICATION_HEAD - 1]):
        if len(pdu) < length + _OBJECT_HEAD:
            return None
        length += _OBJECT_HEAD + pdu[length + 1]
    return length
