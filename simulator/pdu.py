"""Answers requests from a memory: the functions of Modbus, without a byte of framing and without a socket.

Layouts and the order of the checks: MODBUS Application Protocol Specification V1.1b3, section 6; function codes 1 to 6,
15, 16, 22, 23 and 43/14.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from hal.parameter import LAST_ADDRESS, RegisterKind
from simulator.errors import ILLEGAL_ADDRESS, ILLEGAL_VALUE, RequestRefusedError
from simulator.memory import Memory, Unit

ILLEGAL_FUNCTION: Final = 1
DEVICE_FAILURE: Final = 4
EXCEPTION_FLAG: Final = 0x80
MOST_READ_BITS: Final = 2000
MOST_READ_WORDS: Final = 125
_MOST_WRITTEN_BITS: Final = 1968
_MOST_WRITTEN_WORDS: Final = 123
_MOST_WRITTEN_WITH_READ: Final = 121
_ON: Final = 0xFF00
_WORD: Final = 0xFFFF
_IDENTIFICATION: Final = 14
_BASIC_LAST: Final = 0x02
_MOST_IDENTITY_BYTES: Final = 240

_PAIR: Final = struct.Struct(">HH")
_SPAN: Final = struct.Struct(">BHH")
_MANY: Final = struct.Struct(">BHHB")
_MASK: Final = struct.Struct(">BHHH")
_IDENTIFY: Final = struct.Struct(">BBBB")
_BOTH: Final = struct.Struct(">BHHHHB")
_WORDS: Final = tuple(struct.Struct(f">{count}H") for count in range(MOST_READ_WORDS + 1))
_KIND_OF: Final = {
    1: RegisterKind.COIL,
    2: RegisterKind.DISCRETE_INPUT,
    3: RegisterKind.HOLDING_REGISTER,
    4: RegisterKind.INPUT_REGISTER,
}


def answer(unit: Unit, request: bytes) -> bytes:
    """Answer a request, from its function code on; whatever the request is, there is an answer.

    Args:
        unit: whose memory is read or written.
        request: at least one byte.
    """
    function = request[0]
    handler = _HANDLERS.get(function)
    if handler is None:
        return refusal(function, ILLEGAL_FUNCTION)
    try:
        return handler(unit, request)
    except RequestRefusedError as refused:
        return refusal(function, refused.exception_code)
    except struct.error:
        # Shorter than its function needs: the framing was right, so it is the value of a field that is not.
        return refusal(function, ILLEGAL_VALUE)


def refusal(function: int, exception_code: int) -> bytes:
    """Make the answer that refuses a request."""
    return bytes((function | EXCEPTION_FLAG, exception_code))


def span(request: bytes) -> tuple[RegisterKind, int, int] | None:
    """Say which addresses a request is about: kind, first address, count; None where it is about none."""
    function = request[0]
    kind = _KIND_OF.get(function) or _WRITTEN_KIND.get(function)
    if kind is None or len(request) < _SPAN.size:
        return None
    _, address, count = _SPAN.unpack_from(request)
    return kind, address, 1 if function in _SINGLE else count


def _read_words(unit: Unit, request: bytes) -> bytes:
    function, address, count = _unpack(_SPAN, request)
    if not 1 <= count <= MOST_READ_WORDS:
        raise _bad_count(count)
    words = _read(unit.memory, _KIND_OF[function], address, count)
    return bytes((function, 2 * count)) + _WORDS[count].pack(*words)


def _read_bits(unit: Unit, request: bytes) -> bytes:
    function, address, count = _unpack(_SPAN, request)
    if not 1 <= count <= MOST_READ_BITS:
        raise _bad_count(count)
    bits = _read(unit.memory, _KIND_OF[function], address, count)
    packed = np.packbits(np.array(bits, np.uint8), bitorder="little").tobytes()
    return bytes((function, len(packed))) + packed


def _write_coil(unit: Unit, request: bytes) -> bytes:
    _, address, value = _unpack(_SPAN, request)
    if value not in {0, _ON}:
        raise RequestRefusedError(exception_code=ILLEGAL_VALUE, reason=f"a coil is 0x0000 or 0xFF00, not {value:#06x}")
    unit.memory.write(RegisterKind.COIL, address, [int(value == _ON)])
    return request


def _write_word(unit: Unit, request: bytes) -> bytes:
    _, address, value = _unpack(_SPAN, request)
    unit.memory.write(RegisterKind.HOLDING_REGISTER, address, [value])
    return request


def _write_coils(unit: Unit, request: bytes) -> bytes:
    _, address, count, size = _MANY.unpack_from(request)
    data = request[_MANY.size :]
    if not 1 <= count <= _MOST_WRITTEN_BITS or size != (count + 7) // 8 or len(data) != size:
        raise _bad_count(count)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count, bitorder="little").tolist()
    _write(unit.memory, RegisterKind.COIL, address, bits)
    return request[: _SPAN.size]


def _write_words(unit: Unit, request: bytes) -> bytes:
    _, address, count, size = _MANY.unpack_from(request)
    data = request[_MANY.size :]
    if not 1 <= count <= _MOST_WRITTEN_WORDS or size != 2 * count or len(data) != size:
        raise _bad_count(count)
    _write(unit.memory, RegisterKind.HOLDING_REGISTER, address, _WORDS[count].unpack(data))
    return request[: _SPAN.size]


def _mask_word(unit: Unit, request: bytes) -> bytes:
    _, address, and_mask, or_mask = _unpack(_MASK, request)
    (word,) = _read(unit.memory, RegisterKind.HOLDING_REGISTER, address, 1)
    masked = (word & and_mask) | (or_mask & ~and_mask & _WORD)
    unit.memory.write(RegisterKind.HOLDING_REGISTER, address, [masked])
    return request


def _write_and_read_words(unit: Unit, request: bytes) -> bytes:
    function, read_address, read_count, address, count, size = _BOTH.unpack_from(request)
    data = request[_BOTH.size :]
    if not (1 <= read_count <= MOST_READ_WORDS and 1 <= count <= _MOST_WRITTEN_WITH_READ):
        raise _bad_count(count)
    if size != 2 * count or len(data) != size:
        raise _bad_count(count)
    _read(unit.memory, RegisterKind.HOLDING_REGISTER, read_address, read_count)  # refused before anything is written
    _write(unit.memory, RegisterKind.HOLDING_REGISTER, address, _WORDS[count].unpack(data))
    words = unit.memory.read(RegisterKind.HOLDING_REGISTER, read_address, read_count)
    read: bytes = _WORDS[read_count].pack(*words)
    return bytes((function, 2 * read_count)) + read


def _identify(unit: Unit, request: bytes) -> bytes:
    if len(request) < 2 or request[1] != _IDENTIFICATION:  # noqa: PLR2004  (the type behind the function code)
        return refusal(request[0], ILLEGAL_FUNCTION)
    function, kind, code, first = _unpack(_IDENTIFY, request)
    known = {number: text.encode("ascii") for number, text in unit.identity.items()}
    match code:
        case 1:
            wanted = [number for number in sorted(known) if number <= _BASIC_LAST]
        case 2 | 3:
            wanted = sorted(known)
        case 4:
            if first not in known:
                raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=f"no object {first}")
            wanted = [first]
        case _:
            raise RequestRefusedError(exception_code=ILLEGAL_VALUE, reason=f"no read device id code {code}")
    if code != 4:  # noqa: PLR2004  (an individual object, asked by its id)
        # A stream that is asked to start at an unknown object starts at the first.
        wanted = [number for number in wanted if number >= first] if first in wanted else wanted
    objects, more, following = b"", 0x00, 0
    taken = 0
    for number in wanted:
        entry = bytes((number, len(known[number]))) + known[number]
        if len(objects) + len(entry) > _MOST_IDENTITY_BYTES:
            more, following = 0xFF, number
            break
        objects += entry
        taken += 1
    conformity = 0x82  # regular identification, stream and individual access
    return bytes((function, kind, code, conformity, more, following, taken)) + objects


def _unpack(layout: struct.Struct, request: bytes) -> tuple[int, ...]:
    """Unpack a request that must have exactly this length."""
    return layout.unpack(request)


def _read(memory: Memory, kind: RegisterKind, address: int, count: int) -> Sequence[int]:
    if address + count > LAST_ADDRESS + 1:
        raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=f"{address + count - 1} is past the last one")
    return memory.read(kind, address, count)


def _write(memory: Memory, kind: RegisterKind, address: int, words: Sequence[int]) -> None:
    if address + len(words) > LAST_ADDRESS + 1:
        raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason="past the last address")
    memory.write(kind, address, words)


def _bad_count(count: int) -> RequestRefusedError:
    return RequestRefusedError(exception_code=ILLEGAL_VALUE, reason=f"no request is about {count} values like this")


_SINGLE: Final = frozenset({5, 6, 22})
_WRITTEN_KIND: Final = {
    5: RegisterKind.COIL,
    6: RegisterKind.HOLDING_REGISTER,
    15: RegisterKind.COIL,
    16: RegisterKind.HOLDING_REGISTER,
    22: RegisterKind.HOLDING_REGISTER,
    23: RegisterKind.HOLDING_REGISTER,
}
_HANDLERS: Final[dict[int, Callable[[Unit, bytes], bytes]]] = {
    1: _read_bits,
    2: _read_bits,
    3: _read_words,
    4: _read_words,
    5: _write_coil,
    6: _write_word,
    15: _write_coils,
    16: _write_words,
    22: _mask_word,
    23: _write_and_read_words,
    43: _identify,
}
