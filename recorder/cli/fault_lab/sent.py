"""What the tool sent, as the values that it means: taken from the tool's own log, by arithmetic of the lab's own.

The recorder's decoder is not asked, so that a fault of it shows as a difference.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hal.parameter import DataType, Parameter, RegisterKind
from simulator.response_log import Response

Content = frozenset[tuple[int, float | None]]
"""Parameter ids and their values; None where the answer says that there is none."""
_FORMATS: Final = {
    DataType.INT16: ">h",
    DataType.UINT16: ">H",
    DataType.INT32: ">i",
    DataType.UINT32: ">I",
    DataType.INT64: ">q",
    DataType.UINT64: ">Q",
    DataType.FLOAT32: ">f",
    DataType.FLOAT64: ">d",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SentScan:
    """One answer of the tool.

    Attributes:
        sent_ns: when, monotonic.
        sent_us: when, by the wall clock, UTC microseconds since 1970.
        span: what was asked for, unit first.
        is_altered: whether an injected fault changed, delayed or made it.
        content: what it says of the parameters that are read; None where it brings no values.
    """

    sent_ns: int
    sent_us: int
    span: tuple[int, RegisterKind, int, int]
    is_altered: bool
    content: Content | None


def sent_scans(responses: Iterable[Response], parameters: Mapping[int, Sequence[Parameter]]) -> Iterator[SentScan]:
    """Understand answers.

    Args:
        responses: answers to reads.
        parameters: what is read of each unit, texts left out.
    """
    for response in responses:
        span = response.span
        if span is None:
            continue
        kind, address, count = span
        # the unit of the answer may be a wrong one, by a fault; the lab's plans ask different spans of each
        inside = [
            parameter
            for parameter in parameters.get(response.unit, ())
            if parameter.kind is kind
            and address <= parameter.address
            and parameter.address + parameter.words <= address + count
        ]
        yield SentScan(
            sent_ns=response.monotonic_ns,
            sent_us=response.utc_us,
            span=(response.unit, *span),
            is_altered=response.is_altered,
            content=_content(response, address, count, inside),
        )


def _content(response: Response, first: int, count: int, parameters: Sequence[Parameter]) -> Content | None:
    answer = response.answer
    if answer[:1] != response.request[:1] or not parameters:
        return None
    if parameters[0].kind.is_bit:
        data = answer[2:]
        bits = [data[at // 8] >> at % 8 & 1 for at in range(count)] if len(data) * 8 >= count else []
        return frozenset((p.parameter_id, float(bits[p.address - first])) for p in parameters) if bits else None
    if len(response.words) != count:
        return None
    return frozenset(
        (p.parameter_id, _value(p, response.words[p.address - first : p.address - first + p.words])) for p in parameters
    )


def _value(parameter: Parameter, words: Sequence[int]) -> float | None:
    """What the words of one parameter mean; None for "no measurement"."""
    if parameter.data_type is DataType.BINARY:
        return float(words[0] != 0 if parameter.bit is None else words[0] >> parameter.bit & 1)
    ordered = words[::-1] if parameter.word_order.low_word_first else words
    each = "<H" if parameter.word_order.bytes_swapped else ">H"
    data = b"".join(struct.pack(each, word) for word in ordered)
    raw = float(struct.unpack(_FORMATS[parameter.data_type], data)[0])
    value = raw * parameter.scale + parameter.offset
    return value if math.isfinite(value) and raw not in parameter.sentinels else None
