"""What may be wrong with a definition whose value cannot be: each small change under which its words make sense. Pure.

The first day at a tool has few mistakes, and they repeat: word order, an address off by one, the other register kind,
a sign, °F for °C, a scale by a power of ten.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from typing import Any, Final

from hal.link import Block
from hal.parameter import LAST_ADDRESS, DataType, RegisterKind, WordOrder
from recorder.check.image import Image
from recorder.check.plausible import FAR_LESS_LIKELY, Expectation, has_orders, is_plausible, value_of, weight
from recorder.check.units import conversions
from recorder.definitions.definitions import Definition

_OTHER_KIND: Final = {
    RegisterKind.HOLDING_REGISTER: RegisterKind.INPUT_REGISTER,
    RegisterKind.INPUT_REGISTER: RegisterKind.HOLDING_REGISTER,
    RegisterKind.COIL: RegisterKind.DISCRETE_INPUT,
    RegisterKind.DISCRETE_INPUT: RegisterKind.COIL,
}
_OTHER_SIGN: Final = {
    DataType.INT16: DataType.UINT16,
    DataType.UINT16: DataType.INT16,
    DataType.INT32: DataType.UINT32,
    DataType.UINT32: DataType.INT32,
}
_OTHER_TYPES: Final = {
    DataType.FLOAT32: (DataType.INT32,),
    DataType.INT32: (DataType.FLOAT32,),
    DataType.UINT32: (DataType.FLOAT32,),
}
_LEAST_TEMPERATURE: Final = 1e-3
_DECADES: Final = (-3, -2, -1, 1, 2, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hypothesis:
    """A change of a definition under which its value makes sense.

    Attributes:
        changes: field of the definition to what it should be.
        causes: what would have been wrong, by short names that are the same for all parameters of one mistake.
        value: what is read then.
        words: as they were read there.
        advice: what to change, in words.
    """

    changes: Mapping[str, Any]
    causes: tuple[str, ...]
    value: float
    words: tuple[int, ...]
    advice: str

    @property
    def shows_low_word(self) -> bool:
        """Whether the least significant word holds something: of a value that was measured it nearly always does."""
        if len(self.words) == 1:
            return True
        order: WordOrder = self.changes["word_order"]
        return self.words[0 if order.low_word_first else -1] != 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Change:
    """One small change."""

    group: str
    cause: str
    fields: Mapping[str, Any]
    advice: str


def explain(definition: Definition, image: Image, expectation: Expectation | None = None) -> list[Hypothesis]:
    """The smallest changes under which the value is what was seen, or at least can be.

    Args:
        definition: as it is; it has an address.
        image: what was read there and around it.
        expectation: what the front panel says; without it only what would be improbable by chance is tried.
    """
    changes = list(_changes(definition, wide=expectation is not None))
    for size in (1, 2):
        found: dict[tuple[float, tuple[str, ...]], Hypothesis] = {}
        for several in combinations(changes, size):
            if len({change.group for change in several}) < size or (size > 1 and not _go_together(several)):
                continue
            hypothesis = _test(definition, image, several, expectation)
            if hypothesis is not None:
                found.setdefault((hypothesis.value, hypothesis.causes), hypothesis)
        if found:
            return _likely(definition, list(found.values()))
    return []


def _go_together(several: tuple[_Change, ...]) -> bool:
    return not any(change.group == "scale" for change in several)


def _likely(definition: Definition, found: list[Hypothesis]) -> list[Hypothesis]:
    """Leave out what is far less likely.

    A word order and an address off by one are told apart by the low word alone: of a measurement it is hardly ever 0,
    of a set-value it is whenever that is round.
    """
    weights = [weight(definition, hypothesis.value) for hypothesis in found]
    likely = [h for h, its in zip(found, weights, strict=True) if its >= max(weights) / FAR_LESS_LIKELY]
    if definition.is_writable:
        return likely
    return [hypothesis for hypothesis in likely if hypothesis.shows_low_word] or likely


def _test(
    definition: Definition, image: Image, several: tuple[_Change, ...], expectation: Expectation | None
) -> Hypothesis | None:
    fields: dict[str, Any] = {}
    for change in several:
        fields |= change.fields
    changed = definition.model_copy(update=fields)
    if changed.register_kind is None or changed.address is None or changed.data_type is None:
        return None
    words = image.words(changed.register_kind, changed.address, changed.length or changed.data_type.words)
    if words is None or not any(words):
        return None  # zero is what every empty place says
    value = value_of(changed, words)
    if any(change.group == "unit" for change in several):
        said = value_of(changed.model_copy(update={"scale": definition.scale, "offset": definition.offset}), words)
        if abs(said) < _LEAST_TEMPERATURE:
            return None  # 0 °F is what an empty place would say
    if expectation is None:
        if value == 0 or not is_plausible(changed, value):
            return None
    elif not expectation.fits(value, tolerance=definition.tolerance):
        return None
    return Hypothesis(
        changes=fields if has_no_orders(changed) else {"word_order": changed.word_order, **fields},
        causes=tuple(change.cause for change in several),
        value=value,
        words=words,
        advice=" and ".join(change.advice for change in several),
    )


def has_no_orders(definition: Definition) -> bool:
    """Whether the word order means nothing to it."""
    return not has_orders(definition)


def _changes(definition: Definition, *, wide: bool) -> Iterator[_Change]:
    yield from _orders(definition)
    yield from _addresses(definition)
    yield from _units(definition)
    yield from _types(definition, wide=wide)
    if wide:
        yield from _kinds(definition)
        yield from _scales(definition)


def _orders(definition: Definition) -> Iterator[_Change]:
    if not has_orders(definition) or definition.data_type is None:
        return
    several_words = definition.data_type.words > 1
    for order in WordOrder:
        is_same = (
            order is definition.word_order
            if several_words
            else order.bytes_swapped == definition.word_order.bytes_swapped or order.low_word_first
        )
        if not is_same:
            yield _Change(
                group="order", cause=f"word_order {order}", fields={"word_order": order}, advice=f"word_order {order}"
            )


def _addresses(definition: Definition) -> Iterator[_Change]:
    assert definition.address is not None
    for shift, word in ((-1, "one lower"), (1, "one higher")):
        address = definition.address + shift
        if 0 <= address <= LAST_ADDRESS:
            yield _Change(
                group="address",
                cause=f"address {shift:+d}",
                fields={"address": address},
                advice=f"address {address} ({word})",
            )


def _units(definition: Definition) -> Iterator[_Change]:
    for conversion in conversions(definition.unit):
        scale = definition.scale * conversion.factor
        offset = definition.offset * conversion.factor + conversion.shift
        yield _Change(
            group="unit",
            cause=f"says {conversion.name}",
            fields={"scale": scale, "offset": offset},
            advice=f"{conversion.name} from the device (scale {scale:.6g}, offset {offset:.6g})",
        )


def _types(definition: Definition, *, wide: bool) -> Iterator[_Change]:
    if definition.data_type is None:
        return
    types = [_OTHER_SIGN[definition.data_type]] if definition.data_type in _OTHER_SIGN else []
    if wide:
        types += _OTHER_TYPES.get(definition.data_type, ())
    for data_type in types:
        yield _Change(
            group="type",
            cause=f"data_type {data_type}",
            fields={"data_type": data_type},
            advice=f"data_type {data_type}",
        )


def _kinds(definition: Definition) -> Iterator[_Change]:
    assert definition.register_kind is not None
    kind = _OTHER_KIND[definition.register_kind]
    yield _Change(group="kind", cause=f"{kind}", fields={"register_kind": kind}, advice=f"modbus_type {kind}")


def _scales(definition: Definition) -> Iterator[_Change]:
    if definition.data_type is DataType.BINARY:
        return
    for decade in _DECADES:
        scale = definition.scale * 10.0**decade
        if isfinite(scale):
            yield _Change(
                group="scale",
                cause=f"scale 1e{decade:+d}",
                fields={"scale": scale, "offset": definition.offset},
                advice=f"scale {scale:.6g}",
            )


def windows(definition: Definition, *, wide: bool) -> list[Block]:
    """Where `explain` wants to look: the parameter's own place and an address on both sides, of each kind in question.

    Args:
        definition: of the parameter.
        wide: whether the other kind is in question too.
    """
    if definition.register_kind is None or definition.address is None or definition.data_type is None:
        return []
    words = definition.length or definition.data_type.words
    first, last = max(0, definition.address - 1), min(LAST_ADDRESS, definition.address + words)
    kinds = [definition.register_kind, *([_OTHER_KIND[definition.register_kind]] if wide else [])]
    return [Block(kind=kind, address=first, count=last - first + 1) for kind in kinds]
