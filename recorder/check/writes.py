"""Where parameters are written, set against everything else that is there; nothing is ever written to see. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from hal.parameter import RegisterKind
from recorder.check.image import Image
from recorder.check.pairs import PairFinding
from recorder.check.plausible import is_plausible, value_of
from recorder.check.verdict import Verdict
from recorder.definitions.definitions import Definition

_WRITABLE: Final = frozenset({RegisterKind.COIL, RegisterKind.HOLDING_REGISTER})
Place = tuple[RegisterKind, int, int]
"""Kind, first address, addresses."""


def check_writes(definitions: Sequence[Definition], image: Image) -> Iterator[PairFinding]:
    """Look at where the parameters of one device are written."""
    for definition in definitions:
        if definition.is_writable and definition.is_configured:
            for verdict, message in _findings(definition, definitions, image):
                yield PairFinding(full_name=definition.full_name, verdict=verdict, message=message, changes={})


def write_place(definition: Definition) -> Place | None:
    """Where a write goes; None where it cannot be written."""
    if not definition.is_configured or definition.register_kind is None or definition.address is None:
        return None
    words = definition.to_parameter().words
    if definition.write_address is None:
        is_possible = definition.register_kind in _WRITABLE
        return (definition.register_kind, definition.address, words) if is_possible else None
    kind = RegisterKind.COIL if definition.register_kind.is_bit else RegisterKind.HOLDING_REGISTER
    return kind, definition.write_address, words


def _findings(definition: Definition, definitions: Sequence[Definition], image: Image) -> Iterator[tuple[Verdict, str]]:
    place = write_place(definition)
    if place is None:
        kind = definition.register_kind
        yield Verdict.FAULT, f"is_writable, but a {kind} cannot be written: give a write_address"
        return
    has_limits = definition.min_value is not None and definition.max_value is not None
    if not (has_limits or place[0].is_bit):
        yield Verdict.WARNING, "is_writable without min_value and max_value: any value could be written"
    if definition.write_address is not None:
        yield from _collisions(definition, place, definitions)
        yield from _content(definition, place, image)


def _collisions(
    definition: Definition, place: Place, definitions: Sequence[Definition]
) -> Iterator[tuple[Verdict, str]]:
    kind, address, words = place
    for other in definitions:
        if other is definition or other.register_kind is not kind or other.address is None or not other.is_configured:
            continue
        its_words = other.to_parameter().words
        if other.address >= address + words or address >= other.address + its_words:
            continue
        if (other.address, its_words) != (address, words):
            its = f"{other.address}…{other.address + its_words - 1}"
            yield Verdict.FAULT, f"write_address {address} hits a part of {other.full_name} at {its}: off by one?"
        elif other.full_name != definition.set_value_parameter:
            yield Verdict.WARNING, f"write_address {address} is {other.full_name}: is that what it should set?"


def _content(definition: Definition, place: Place, image: Image) -> Iterator[tuple[Verdict, str]]:
    kind, address, words = place
    held = image.words(kind, address, words)
    if held is None or kind.is_bit or not any(held):
        return
    value = value_of(definition.model_copy(update={"register_kind": kind, "address": address}), held)
    if not is_plausible(definition, value):
        yield Verdict.WARNING, f"write_address {address} holds {value:.6g}, which this cannot be: is it right?"
