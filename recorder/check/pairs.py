"""Two registers that belong together: a read-back and the tool's own set-value. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

from hal.parameter import RegisterKind
from recorder.check.image import Image
from recorder.check.judgement import Judgement
from recorder.check.plausible import Expectation
from recorder.check.units import conversions
from recorder.check.verdict import Verdict
from recorder.definitions.definitions import Definition

_WRITABLE: Final = frozenset({RegisterKind.COIL, RegisterKind.HOLDING_REGISTER})
_TOLERANCE: Final = 0.02
_DECADES: Final = (-3, -2, -1, 1, 2, 3)
_PLACE: Final = ("register_kind", "address", "data_type", "word_order", "bit", "length", "scale", "offset")


@dataclass(frozen=True, kw_only=True, slots=True)
class PairFinding:
    """What is wrong between two parameters.

    Attributes:
        full_name: the parameter that it is told of.
        changes: parameter to the fields to change, where that is plain.
    """

    full_name: str
    verdict: Verdict
    message: str
    changes: Mapping[str, Mapping[str, Any]]


def check_pairs(
    judgements: Sequence[Judgement], image: Image, expectations: Mapping[str, Expectation]
) -> Iterator[PairFinding]:
    """Set each read-back against its set-value."""
    of_name = {judgement.definition.full_name: judgement for judgement in judgements}
    for judgement in judgements:
        other = of_name.get(judgement.definition.set_value_parameter)
        if other is None or other is judgement:
            continue
        finding = _swapped(judgement, other, image, expectations.get(judgement.definition.full_name))
        finding = finding or _other_unit(judgement, other)
        if finding is not None:
            yield finding


def _swapped(read: Judgement, wanted: Judgement, image: Image, expectation: Expectation | None) -> PairFinding | None:
    """Whether what is called the set-value is the measurement, and the other way round."""
    said = ""
    is_certain = True
    if expectation is not None:
        if expectation.fits(read.value) or not expectation.fits(wanted.value):
            return None
        said = f"the front panel says {expectation.value:g}, which {wanted.definition.full_name} holds"
    elif _is_read_only(wanted.definition) and read.definition.register_kind in _WRITABLE:
        said = f"{wanted.definition.full_name} is a {wanted.definition.register_kind}, which nobody can set"
    elif _moved(wanted, image) and not _moved(read, image):
        said = f"{wanted.definition.full_name} moves and this does not, as a measurement would"
        is_certain = False
    if not said:
        return None
    return PairFinding(
        full_name=read.definition.full_name,
        verdict=Verdict.FAULT if is_certain else Verdict.WARNING,
        message=f"{said}: set-value and read-back look swapped",
        changes={
            read.definition.full_name: _place_of(wanted.definition),
            wanted.definition.full_name: _place_of(read.definition),
        }
        if is_certain
        else {},
    )


def _is_read_only(definition: Definition) -> bool:
    return definition.register_kind is not None and definition.register_kind not in _WRITABLE


def _moved(judgement: Judgement, image: Image) -> bool:
    d = judgement.definition
    if d.register_kind is None or d.address is None or judgement.words is None:
        return False
    return image.moved(d.register_kind, d.address, len(judgement.words))


def _place_of(definition: Definition) -> dict[str, Any]:
    return {name: getattr(definition, name) for name in _PLACE}


def _other_unit(read: Judgement, wanted: Judgement) -> PairFinding | None:
    """Whether both say the same in different units: the tool holds its set-value, and only then."""
    value, target = read.value, wanted.value
    if not (isfinite(value) and isfinite(target)) or target == 0 or value == 0 or read.changes or wanted.changes:
        return None
    tolerance = read.definition.tolerance or _TOLERANCE * abs(target)
    if abs(value - target) <= tolerance:
        return None
    d, other = read.definition, wanted.definition.full_name
    for conversion in conversions(d.unit):
        if abs(conversion.convert(value) - target) <= tolerance:
            scale, offset = d.scale * conversion.factor, d.offset * conversion.factor + conversion.shift
            advice = f"if the device says {conversion.name}: scale {scale:.6g}, offset {offset:.6g}"
            message = f"{value:.6g} {conversion.name} is {target:.6g} {d.unit}, the set-value in {other}; {advice}"
            fields = {"scale": scale, "offset": offset}
            return PairFinding(
                full_name=d.full_name, verdict=Verdict.WARNING, message=message, changes={d.full_name: fields}
            )
    for decade in _DECADES:
        if abs(value * 10.0**decade - target) <= min(tolerance, _TOLERANCE * abs(target)):
            message = f"it is 1e{-decade:+d} times its set-value {target:.6g} in {other}; is the scale right?"
            return PairFinding(full_name=d.full_name, verdict=Verdict.WARNING, message=message, changes={})
    return None
