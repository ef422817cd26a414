"""Values of the tool to register images, and written registers to values.

A device's memory is contiguous areas, and a reader may read across the unused words in them, as with the real PLC
whose map this one follows: they read 0. Outside of the areas, and in any write, an unused address is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hal.codec import decode, encode
from hal.parameter import RegisterKind
from simulator.errors import ILLEGAL_ADDRESS, ILLEGAL_VALUE, MapError, RequestRefusedError
from simulator.parameter_map import Definition

AREA_GAP: Final = 64
"""Parameters further apart than this many unused addresses lie in different areas."""


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

    @property
    def names(self) -> frozenset[str]:
        """Names of all parameters."""
        return frozenset(self._definitions)

    def image(self, values: Mapping[str, float | str], previous: RegisterImage | None = None) -> RegisterImage:
        """Make the image of some values; only what differs from the previous image is encoded anew.

        Args:
            values: one value for each parameter.
            previous: an image of this map.
        """
        memory = {
            kind: [[0] * (last - first + 1) for first, last in spans]
            if previous is None
            else [list(area.words) for area in previous.areas[kind]]
            for kind, spans in self._spans.items()
        }
        for name, definition in self._definitions.items():
            value = values[name]
            if previous is not None and previous.values[name] == value:
                continue
            parameter = definition.parameter
            for (first, last), words in zip(self._spans[parameter.kind], memory[parameter.kind], strict=True):
                if first <= parameter.address <= last:
                    offset = parameter.address - first
                    words[offset : offset + parameter.words] = encode(parameter, value).tolist()
        return RegisterImage(
            values=values,
            areas={
                kind: tuple(
                    Area(address=first, words=tuple(words))
                    for (first, _), words in zip(self._spans[kind], areas, strict=True)
                )
                for kind, areas in memory.items()
            },
        )

    def written(self, kind: RegisterKind, address: int, words: Sequence[int]) -> dict[str, float]:
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
        values: dict[str, float] = {}
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
            if isinstance(value, str) or not definition.permits(value):
                raise RequestRefusedError(
                    exception_code=ILLEGAL_VALUE,
                    reason=f"{parameter.name}: {value} is outside {definition.min_value}…{definition.max_value}",
                )
            values[parameter.name] = value
            at = parameter.last_address + 1
        return values

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
