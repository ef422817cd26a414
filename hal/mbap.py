"""Judges answers of Modbus TCP, byte by byte, without a socket.

Layout: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, section 3.1.3; what stands behind the header is judged by
`hal.pdu`. A deviation is found with the first byte that shows it, so that rubbish does not have to wait for the
time-out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

from hal.pdu import EXCEPTION_FLAG, IDENTIFICATION, READ_FUNCTIONS, Answer, Expected, pdu_length, take_pdu

_TRANSACTION_END: Final = 2
_PROTOCOL_END: Final = 4
_LENGTH_END: Final = 6
_HEADER: Final = 7
_HEADER_FIELDS: Final = Struct(">HHHB")
_READ_HEAD: Final = Struct(">HHHBBB")
"""What comes before the data of a read: the header, the function code and the bytes of data."""
_LONGEST_PDU: Final = 253
"""Bytes of a PDU, at most: MODBUS Application Protocol Specification V1.1b3, section 4.1."""
_MOST_DATA: Final = _LONGEST_PDU - 2


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Put the header in front of a request, whose PDU begins with its function code."""
    return _HEADER_FIELDS.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def take_answer(received: bytes | bytearray, expected: Expected) -> Answer | None:
    """Take the answer out of what was received so far; None where more bytes are due.

    Raises:
        ValueError: what was received cannot become the answer; says why.
    """
    if (head := read_head(expected)) and received.startswith(head):
        # nearly every answer; whatever is not right with one is found below
        data = bytes(received[len(head) :])
        if len(data) == expected.data_bytes:
            return Answer(data=data)
    _check_header(received, expected)
    if len(received) <= _HEADER:
        return None
    pdu = bytes(received[_HEADER:])
    said = int.from_bytes(received[_PROTOCOL_END:_LENGTH_END], "big") - 1
    due = pdu_length(pdu, expected)
    if due is not None and said != due:
        raise ValueError(f"an answer of {due} bytes is due, its header says {said}")
    if due is None and not 0 < said <= _LONGEST_PDU:
        raise ValueError(f"an answer has 1…{_LONGEST_PDU} bytes, its header says {said}")
    if due is None and len(pdu) >= said:
        raise ValueError(f"its header says {said} bytes, and more are due")
    if due is None or len(pdu) < due:
        return None
    if len(pdu) > due:
        raise ValueError(f"{len(pdu) - due} bytes too many came behind the answer")
    return take_pdu(pdu, expected)


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands at the front of what was received, as far as it came.

    Attributes:
        transaction: None where more bytes must tell.
        frame: as many bytes as its header says; all, where that cannot be.
    """

    transaction: int | None
    frame: bytes


def first_answer(received: bytes) -> Frame:
    """Cut the first answer off; whether it is one is for `take_answer` to say."""
    if len(received) < _TRANSACTION_END:
        return Frame(None, received)
    said = int.from_bytes(received[_PROTOCOL_END:_LENGTH_END], "big") if len(received) >= _LENGTH_END else 0
    frame = received[: _LENGTH_END + said] if said > 1 else received
    return Frame(int.from_bytes(received[:_TRANSACTION_END], "big"), frame)


def check_room(more: int, *, is_answered: bool) -> None:
    """Check that bytes do not come behind an answer as if they belonged to it.

    Raises:
        ValueError: they do.
    """
    if is_answered:
        raise ValueError(f"{more} bytes too many came behind the answer")


def late_bytes(received: bytes | bytearray, abandoned: Mapping[int, Expected]) -> int | None:
    """Say how many bytes at the front belong to the answer of a request that nobody waits for any more.

    On a line that several units share, a time-out must not cost the others their connection: the transaction tells a
    late answer from the one that is due.

    Returns:
        0 where they belong to no such answer, None where more bytes must tell.
    """
    if len(received) < _HEADER + 1:
        return None if not received or _may_be_late(received, abandoned) else 0
    expected = abandoned.get(int.from_bytes(received[:_TRANSACTION_END], "big"))
    said = int.from_bytes(received[_PROTOCOL_END:_LENGTH_END], "big")
    if expected is None or not _may_be_late(received, abandoned) or not 1 < said <= _LONGEST_PDU + 1:
        return 0
    if received[_HEADER] & ~EXCEPTION_FLAG != expected.function:
        return 0
    due = None if expected.function == IDENTIFICATION else pdu_length(bytes(received[_HEADER:]), expected)
    if due is not None and said != due + 1:
        return 0
    return None if len(received) < _LENGTH_END + said else _LENGTH_END + said


def _may_be_late(received: bytes | bytearray, abandoned: Mapping[int, Expected]) -> bool:
    begin = bytes(received[:_TRANSACTION_END])
    for transaction, expected in abandoned.items():
        if transaction.to_bytes(_TRANSACTION_END, "big").startswith(begin):
            unit_fits = len(received) < _HEADER or received[_LENGTH_END] == expected.unit
            if unit_fits and not any(received[_TRANSACTION_END:_PROTOCOL_END]):
                return True
    return False


def read_head(expected: Expected) -> bytes:
    """Say how the only answer begins that fits a read and is no refusal; nothing where the request is no read."""
    if expected.function not in READ_FUNCTIONS or expected.data_bytes > _MOST_DATA:
        return b""
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
