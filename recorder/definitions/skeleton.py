"""From the words of an unknown device to definitions that somebody can complete: a guess, said to be one. Pure."""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from hal.limits import AddressRange
from hal.parameter import DataType, RegisterKind, WordOrder
from recorder.definitions.definitions import Definition

_FEWEST_DIGITS: Final = (1e-4, 1e7)
"""Between these lies nearly every process value; a counter or a text read as a float does so hardly ever."""
_MOST_BITS: Final = 256
"""A longer range of bits is a whole memory: then only those that are set are worth a line."""
Words = Mapping[tuple[RegisterKind, int], int]
"""Words and bits by kind and address."""


def make_skeleton(device: str, ranges: Iterable[AddressRange], words: Words) -> list[Definition]:
    """Make a definition of everything that holds something; registers that are 0 are left out.

    Args:
        device: for the column of that name.
        ranges: what can be read.
        words: what was read there.
    """
    spans = sorted(ranges)
    order = guess_order(spans, words)
    definitions: list[Definition] = []
    for span in spans:
        found = _bits(span, words) if span.kind.is_bit else _registers(span, words, order)
        definitions += [
            Definition(
                component=device,
                name=f"{span.kind}_{address}",
                device=device,
                unit="boolean" if data_type is DataType.BINARY else "",
                register_kind=span.kind,
                address=address,
                data_type=data_type,
                word_order=order,
                scan_interval_ms=1000,
            )
            for address, data_type in found
        ]
    return definitions


def guess_order(ranges: Sequence[AddressRange], words: Words) -> WordOrder:
    """The word order in which most neighbouring registers make floats; CDAB where nothing tells."""
    counts = dict.fromkeys((WordOrder.CDAB, WordOrder.ABCD), 0)
    for span in ranges:
        if span.kind.is_bit:
            continue
        for address in range(span.first, span.last, 2):
            first, second = words.get((span.kind, address), 0), words.get((span.kind, address + 1), 0)
            counts[WordOrder.ABCD] += _is_float(first, second)
            counts[WordOrder.CDAB] += _is_float(second, first)
    return max(counts, key=lambda order: counts[order])


def _is_float(high: int, low: int) -> bool:
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    lowest, highest = _FEWEST_DIGITS
    return lowest <= abs(value) <= highest


def _bits(span: AddressRange, words: Words) -> Iterator[tuple[int, DataType]]:
    is_short = span.last - span.first < _MOST_BITS
    for address in range(span.first, span.last + 1):
        if is_short or words.get((span.kind, address)):
            yield address, DataType.BINARY


def _registers(span: AddressRange, words: Words, order: WordOrder) -> Iterator[tuple[int, DataType]]:
    """Floats where two registers make one, else whole registers; floats mostly begin an even number from the start."""

    def is_float(address: int) -> bool:
        first, second = words.get((span.kind, address), 0), words.get((span.kind, address + 1), 0)
        return address < span.last and (_is_float(second, first) if order.low_word_first else _is_float(first, second))

    address = span.first
    while address <= span.last:
        is_odd = (address - span.first) % 2 == 1
        if is_float(address) and not (is_odd and is_float(address + 1)):
            yield address, DataType.FLOAT32
            address += 2
            continue
        if words.get((span.kind, address)):
            yield address, DataType.UINT16
        address += 1
