"""Judges answers of Modbus RTU, byte by byte, without a port.

Layout, check and silence: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.5.1 and
appendix B. RTU has no transaction: whatever has the unit, the function, the length and the check of the answer that is
due *is* that answer for all that its bytes can tell, so the line must be clean before each question.
"""

from typing import Final

from hal.pdu import Answer, Expected, check_pdu, pdu_length, take_pdu

_CRC_BYTES: Final = 2
_POLYNOMIAL: Final = 0xA001
_LONGEST_PDU: Final = 253
_SILENT_CHARACTERS: Final = 3.5
_FAST_BAUD: Final = 19_200
_FAST_SILENCE_S: Final = 0.001_75
"""Above 19,200 baud the silence is fixed, so that interrupts do not overwhelm a controller (section 2.5.1.1)."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE: Final = _crc_table()


def crc(frame: bytes) -> bytes:
    """Compute the check of a frame, as it is sent: low byte first."""
    value = 0xFFFF
    for byte in frame:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value.to_bytes(_CRC_BYTES, "little")


def silence_s(baud: int, bits_of_a_character: int) -> float:
    """Say how long a line is silent between two frames, at least."""
    return _FAST_SILENCE_S if baud > _FAST_BAUD else _SILENT_CHARACTERS * bits_of_a_character / baud


def begins_echo(received: bytes | bytearray, frame: bytes) -> bool:
    """Whether what was received so far is the request itself, or its beginning: some adapters hear what they send."""
    return bool(received) and frame.startswith(bytes(received[: len(frame)]))


def passes_for_answer(frame: bytes, expected: Expected) -> bool:
    """Whether a request, heard back, would be taken for its own answer.

    So it is with a write of one value, whose answer repeats it, and with a read of 17 to 24 bits at 768..1023: there
    the high byte of the address is the number of bytes that are due.
    """
    try:
        return any(take_answer(frame[:length], expected) is not None for length in range(1, len(frame) + 1))
    except ValueError:
        return False


def take_answer(received: bytes | bytearray, expected: Expected) -> Answer | None:
    """Take the answer out of what was received so far; None where more bytes are due.

    Raises:
        ValueError: what was received cannot become the answer; says why.
    """
    if not received:
        return None
    if received[0] != expected.unit:
        raise ValueError(f"unit {expected.unit} was asked, unit {received[0]} answered")
    pdu = bytes(received[1:])
    due = pdu_length(pdu, expected)
    if due is None:
        if len(pdu) > _LONGEST_PDU:
            raise ValueError(f"an answer has at most {_LONGEST_PDU} bytes, and this one goes on")
        return None
    if due > _LONGEST_PDU:
        raise ValueError(f"an answer has at most {_LONGEST_PDU} bytes, and this one says {due}")
    check_pdu(pdu[:due], expected)
    if len(pdu) < due + _CRC_BYTES:
        return None
    if len(pdu) > due + _CRC_BYTES:
        raise ValueError(f"{len(pdu) - due - _CRC_BYTES} bytes too many came behind the answer")
    came, due_crc = pdu[due:], crc(bytes(received[: 1 + due]))
    if came != due_crc:
        raise ValueError(f"its check is {came.hex(' ')}, and its bytes give {due_crc.hex(' ')}: the line is noisy")
    return take_pdu(pdu[:due], expected)
