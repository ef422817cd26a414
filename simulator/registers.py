"""Values of the tool to register images, and written registers to values.

A device's memory is contiguous areas, and a reader may read across the unused words in them, as with the real PLC
whose map this one follows: they read 0. Outside of the areas, and in any write, an unused address is refused.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from hal.codec import decode, encode
from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from simulator.errors import ILLEGAL_ADDRESS, ILLEGAL_VALUE, MapError, RequestRefusedError
from simulator.parameter_map import Definition

AREA_GAP: Final = 64
"""Parameters further apart than this many unused addresses lie in different areas."""

_Encoder: TypeAlias = Callable[[float | str], Sequence[int]]
_FORMATS: Final = {
    DataType.INT16: "h",
    DataType.UINT16: "H",
    DataType.INT32: "i",
    DataType.UINT32: "I",
    DataType.INT64: "q",
    DataType.UINT64: "Q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}
_BYTES_AND_WORDS: Final = {
    WordOrder.ABCD: (">", ">"),
    WordOrder.CDAB: ("<", "<"),
    WordOrder.BADC: (">", "<"),
    WordOrder.DCBA: ("<", ">"),
}
"""Byte order in which a value is packed, and in which its words are then read, for each word order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    """Contiguous memory of one kind: words of a register kind, bits (0 or 1) of a bit kind.

    Attributes:
        address: of the first word or bit.
        words: what is in it.
    """

    address: int
    words: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterImage:
    """The whole memory at one step; a reader gets all of its answer from one image.

    Attributes:
        values: what the image was made of, by parameter name.
        areas: the memory, by kind, in order of address.
    """

    values: Mapping[str, float | str]
    areas: Mapping[RegisterKind, tuple[Area, ...]]

    def read(self, kind: RegisterKind, address: int, count: int) -> list[int]:
        """Read ``count`` words or bits.

        Raises:
            RequestRefusedError: an address is in no area.
        """
        for area in self.areas[kind]:
            offset = address - area.address
            if offset >= 0 and offset + count <= len(area.words):
                return list(area.words[offset : offset + count])
        raise RequestRefusedError(
            exception_code=ILLEGAL_ADDRESS, reason=f"no {kind} at all of {address}..{address + count - 1}"
        )


class RegisterMap:
    """Where each parameter lies.

    Args:
        definitions: the tool's parameters.

    Raises:
        MapError: two parameters claim one address.
    """

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self._definitions = {definition.parameter.name: definition for definition in definitions}
        self._owners: dict[tuple[RegisterKind, int], Definition] = {}
        for definition in definitions:
            self._claim(definition)
        self._spans = {kind: self._spans_of(kind) for kind in RegisterKind}
        self._places = [
            (name, definition.parameter.kind, *self._place(definition.parameter), _encoder(definition.parameter))
            for name, definition in self._definitions.items()
        ]

    @property
    def names(self) -> frozenset[str]:
        """Names of all parameters."""
        return frozenset(self._definitions)

    def image(
        self, values: Mapping[str, float | str], previous: RegisterImage | None = None, *, ring: Area | None = None
    ) -> RegisterImage:
        """Make the image of some values; only what differs from the previous image is encoded anew.

        Args:
            values: one value for each parameter.
            previous: an image of this map.
            ring: input registers besides the parameters; None leaves those of the previous image.
        """
        memory: dict[RegisterKind, list[list[int]]] = {}
        for name, kind, area, offset, words, encoder in self._places:
            value = values[name]
            if previous is not None and previous.values[name] == value:
                continue
            if kind not in memory:
                memory[kind] = self._copied(kind, previous)
            memory[kind][area][offset : offset + words] = encoder(value)
        areas: dict[RegisterKind, tuple[Area, ...]] = dict(previous.areas) if previous is not None else {}
        for kind, spans in self._spans.items():
            if kind in memory:
                areas[kind] = tuple(
                    Area(address=first, words=tuple(words))
                    for (first, _), words in zip(spans, memory[kind], strict=True)
                )
            areas.setdefault(kind, ())
        own = len(self._spans[RegisterKind.INPUT_REGISTER])
        rings = previous.areas[RegisterKind.INPUT_REGISTER][own:] if previous is not None else ()
        areas[RegisterKind.INPUT_REGISTER] = (
            *areas[RegisterKind.INPUT_REGISTER][:own],
            *((ring,) if ring is not None else rings),
        )
        return RegisterImage(values=values, areas=areas)

    def written(self, kind: RegisterKind, address: int, words: Sequence[int]) -> dict[str, float | str]:
        """Understand a write as values of parameters, all of them or none.

        Args:
            kind: holding register or coil.
            address: the first one written.
            words: what is written, a word or a bit each.

        Returns:
            The new value of each parameter written.

        Raises:
            RequestRefusedError: an address without a writable parameter, a part of a value, a value beyond its limits.
        """
        values: dict[str, float | str] = {}
        end = address + len(words)
        at = address
        while at < end:
            definition = self._owners.get((kind, at))
            if definition is None or not definition.is_writable:
                raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=f"{kind} {at} cannot be written")
            parameter = definition.parameter
            if parameter.address != at or parameter.last_address >= end:
                raise RequestRefusedError(
                    exception_code=ILLEGAL_VALUE,
                    reason=f"{parameter.name} is {parameter.words} words at {parameter.address}: all or none",
                )
            raw = np.array(words[at - address : at - address + parameter.words], np.uint16)
            value = decode(parameter, raw)
            if not (_is_printable(value) if isinstance(value, str) else definition.permits(value)):
                raise RequestRefusedError(
                    exception_code=ILLEGAL_VALUE,
                    reason=f"{parameter.name}: {value!r} is outside {definition.min_value}…{definition.max_value}",
                )
            values[parameter.name] = value
            at = parameter.last_address + 1
        return values

    def _place(self, parameter: Parameter) -> tuple[int, int, int]:
        """Area of its kind, offset in it, and number of words."""
        for area, (first, last) in enumerate(self._spans[parameter.kind]):
            if first <= parameter.address <= last:
                return area, parameter.address - first, parameter.words
        raise AssertionError(parameter.name)

    def _copied(self, kind: RegisterKind, previous: RegisterImage | None) -> list[list[int]]:
        spans = self._spans[kind]
        if previous is None:
            return [[0] * (last - first + 1) for first, last in spans]
        return [list(area.words) for area in previous.areas[kind][: len(spans)]]

    def _claim(self, definition: Definition) -> None:
        parameter = definition.parameter
        for address in range(parameter.address, parameter.last_address + 1):
            owner = self._owners.setdefault((parameter.kind, address), definition)
            if owner is not definition:
                raise MapError(f"{parameter.name} and {owner.parameter.name} both claim {parameter.kind} {address}")

    def _spans_of(self, kind: RegisterKind) -> list[tuple[int, int]]:
        """First and last address of each area."""
        spans: list[tuple[int, int]] = []
        for address in sorted(address for owner_kind, address in self._owners if owner_kind is kind):
            if spans and address - spans[-1][1] <= AREA_GAP:
                spans[-1] = (spans[-1][0], address)
            else:
                spans.append((address, address))
        return spans


def _is_printable(text: str) -> bool:
    return text.isascii() and (text.isprintable() or not text)


def _encoder(parameter: Parameter) -> _Encoder:
    """Make what `hal.codec.encode` does for one parameter, ten times faster: an image has many changed values."""
    if parameter.data_type is DataType.BINARY and parameter.bit is None:
        return lambda value: (int(value != 0),)
    if parameter.data_type not in _FORMATS:
        return lambda value: encode(parameter, value).tolist()
    packed_order, word_order = _BYTES_AND_WORDS[parameter.word_order]
    packer = struct.Struct(packed_order + _FORMATS[parameter.data_type])
    reader = struct.Struct(f"{word_order}{parameter.words}H")
    is_float = parameter.data_type in {DataType.FLOAT32, DataType.FLOAT64}
    scale, offset = parameter.scale, parameter.offset

    def words(value: float | str) -> Sequence[int]:
        try:
            assert not isinstance(value, str)
            raw = value if scale == 1.0 and offset == 0.0 else (value - offset) / scale
            return reader.unpack(packer.pack(raw if is_float else round(raw)))
        except (struct.error, OverflowError, AssertionError) as fault:
            raise DefinitionError(f"{parameter.name}: {value!r} does not fit {parameter.data_type}") from fault

    return words
