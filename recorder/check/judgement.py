"""The verdict on each parameter from the words that were read: pure, so that every mistake of a first day is a test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from typing import Any, Final

from hal.codec import decode
from hal.errors import DefinitionError
from hal.parameter import DataType, WordOrder
from recorder.check.hypotheses import Hypothesis, explain, has_no_orders
from recorder.check.image import Image
from recorder.check.plausible import (
    Expectation,
    bounds,
    in_all_orders,
    is_plausible,
    plain_parameter,
    plausible_orders,
    value_of,
)
from recorder.check.units import conversions
from recorder.check.verdict import Verdict
from recorder.definitions.definitions import Definition

_FLOATS: Final = frozenset({DataType.FLOAT32, DataType.FLOAT64})
_MOST_SHOWN: Final = 3
FEWEST_READINGS: Final = 2
"""Of a value, to tell what it is from what it was once."""
_MOST_BY_CHANCE: Final = 4
"""One misread float in so many makes a value that can be."""
_SHIFTS: Final[Mapping[tuple[str, ...], int]] = {("address -1",): -1, ("address +1",): 1}
_SHOWN_BY_WORDS: Final = frozenset({"word_order", "address"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """What a parameter's words say.

    Attributes:
        words: as they were read; None where they could not be.
        value: in engineering units, as it is defined; NaN where it is no number.
        text: of an ASCII parameter.
        orders: the value in each word order; empty where the order means nothing.
        plausible: the orders in which it can be.
        messages: what is wrong and what to do.
        hypotheses: what would explain it.
        changes: fields to change, where there is one explanation; else empty.
        is_shared: whether other parameters of the device have the same explanation.
    """

    definition: Definition
    verdict: Verdict
    words: tuple[int, ...] | None = None
    value: float = nan
    text: str | None = None
    orders: Mapping[WordOrder, float] = field(default_factory=dict)
    plausible: tuple[WordOrder, ...] = ()
    messages: tuple[str, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    is_shared: bool = False

    def with_message(self, verdict: Verdict, message: str) -> "Judgement":
        """The same with one more message, and the worse of the two verdicts."""
        worse = max((self.verdict, verdict), key=list(_BY_WEIGHT).index)
        return replace(self, verdict=worse, messages=(*self.messages, message))


_BY_WEIGHT: Final = (Verdict.NOT_ASKED, Verdict.OK, Verdict.WARNING, Verdict.FAULT)


def is_doubtful(definition: Definition, image: Image, expectation: Expectation | None = None) -> bool:
    """Whether it is worth reading around a parameter."""
    words = _own_words(definition, image)
    if words is None or definition.data_type in {DataType.ASCII, DataType.BINARY, None}:
        return words is not None and expectation is not None and definition.data_type is DataType.BINARY
    value = value_of(definition, words)
    if expectation is not None:
        return not expectation.fits(value, tolerance=definition.tolerance)
    return not is_plausible(definition, value) and not _is_sentinel(definition, words)


def judge(definition: Definition, image: Image, expectation: Expectation | None = None) -> Judgement:
    """Judge one parameter that was read.

    Args:
        definition: as it is.
        image: what was read at its place, and around it where that was doubtful.
        expectation: what a person read on the front panel.
    """
    words = _own_words(definition, image)
    if words is None:
        return Judgement(definition=definition, verdict=Verdict.NOT_ASKED, messages=("it was not read",))
    if definition.data_type is DataType.ASCII:
        return _judge_text(definition, words)
    value = value_of(definition, words)
    judgement = Judgement(
        definition=definition,
        verdict=Verdict.OK,
        words=words,
        value=value,
        orders={} if has_no_orders(definition) else in_all_orders(definition, words),
        plausible=() if has_no_orders(definition) else plausible_orders(definition, words),
    )
    if expectation is not None:
        return _judge_expected(judgement, image, expectation)
    if definition.data_type is DataType.BINARY or is_plausible(definition, value):
        return judgement
    if _is_sentinel(definition, words):
        return judgement.with_message(Verdict.WARNING, "the device says 'no measurement' (a sentinel)")
    return _judge_implausible(judgement, image)


def _own_words(definition: Definition, image: Image) -> tuple[int, ...] | None:
    try:
        parameter = plain_parameter(definition)
    except DefinitionError:
        return None
    return image.words(parameter.kind, parameter.address, parameter.words)


def _is_sentinel(definition: Definition, words: tuple[int, ...]) -> bool:
    if not definition.sentinels or isnan(value_of(definition, words)):
        return False
    value = decode(definition.model_copy(update={"range_low": None, "range_high": None}).to_parameter(), words)
    return isinstance(value, float) and isnan(value)


def _judge_text(definition: Definition, words: tuple[int, ...]) -> Judgement:
    text = str(decode(plain_parameter(definition), words))
    judgement = Judgement(definition=definition, verdict=Verdict.OK, words=words, text=text)
    if text.isprintable() and text.isascii():
        return judgement
    swapped = WordOrder.ABCD if definition.word_order.bytes_swapped else WordOrder.BADC
    other = str(decode(plain_parameter(definition.model_copy(update={"word_order": swapped})), words))
    if not (other.isprintable() and other.isascii()):
        return judgement.with_message(Verdict.WARNING, "this is no text; check its address and length")
    return replace(
        judgement.with_message(Verdict.FAULT, f"with word_order {swapped} it says {other!r}"),
        changes={"word_order": swapped},
    )


def _judge_expected(judgement: Judgement, image: Image, expectation: Expectation) -> Judgement:
    definition = judgement.definition
    if expectation.fits(judgement.value, tolerance=definition.tolerance):
        return judgement
    said = f"the front panel says {expectation.value:g}"
    if expectation.value == 0:
        return judgement.with_message(Verdict.FAULT, f"{said}; zero shows no cause: try again with another value")
    found = explain(definition, image, expectation)
    for conversion in () if found else conversions(definition.unit):
        shown = (judgement.value - conversion.shift) / conversion.factor
        if expectation.fits(shown):
            message = f"{said}, which is right if it shows {conversion.name}: {judgement.value:.6g} {definition.unit}"
            return judgement.with_message(Verdict.WARNING, f"{message} are {shown:.6g} {conversion.name}")
    return _with_hypotheses(judgement, found, said, is_seen=True)


def _judge_implausible(judgement: Judgement, image: Image) -> Judgement:
    definition = judgement.definition
    outside = f"outside {bounds(definition).describe()}"
    if definition.data_type in _FLOATS and is_float_rubbish(definition, judgement.value):
        outside = "no signal has such a value, so it is misread"
    return _with_hypotheses(judgement, explain(definition, image), outside, is_seen=False)


def is_float_rubbish(definition: Definition, value: float) -> bool:
    """Whether a float is not even outside its bounds, but nothing at all: no number, or next to 0."""
    limits = bounds(definition)
    return isnan(value) or limits.low <= value <= limits.high


def _with_hypotheses(judgement: Judgement, found: Sequence[Hypothesis], said: str, *, is_seen: bool) -> Judgement:
    if not found:
        verdict = Verdict.FAULT if is_seen else Verdict.WARNING
        return judgement.with_message(verdict, f"{said}, and nothing around it explains why")
    judgement = replace(judgement, hypotheses=tuple(found))
    return _settled(judgement, said, found)


def _settled(judgement: Judgement, said: str, found: Sequence[Hypothesis]) -> Judgement:
    unit = f" {judgement.definition.unit}" if judgement.definition.unit else ""
    shown = [f"{hypothesis.value:.6g}{unit} with {hypothesis.advice}" for hypothesis in found[:_MOST_SHOWN]]
    more = f", or {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    message = f"{said}; it would be {', or '.join(shown)}{more}"
    judged = judgement.with_message(Verdict.FAULT, message)
    return replace(judged, changes=dict(found[0].changes)) if len(found) == 1 else judged


def settle_together(judgements: Sequence[Judgement]) -> tuple[list[Judgement], list[str]]:
    """Let the doubtful parameters of one device settle what each alone leaves open: one mistake repeats itself.

    Returns:
        The judgements in the same order, and what is common to them, in words.
    """
    doubtful = [judgement for judgement in judgements if judgement.hypotheses]
    counted = Counter(causes for j in doubtful for causes in {h.causes for h in j.hypotheses})
    if not counted:
        return list(judgements), []
    [(causes, most), *others] = counted.most_common()
    if most < 2 or (others and others[0][1] == most):  # noqa: PLR2004  (one is no repetition)
        return list(judgements), []
    return _doubt_rest([_take_common(judgement, causes) for judgement in judgements], causes), [
        f"{most} of {len(doubtful)} doubtful parameters make sense with {' and '.join(causes)}"
    ]


def _take_common(judgement: Judgement, causes: tuple[str, ...]) -> Judgement:
    common = [hypothesis for hypothesis in judgement.hypotheses if hypothesis.causes == causes]
    if not common:
        return _take_common_order(judgement, causes)
    if len(judgement.hypotheses) == 1:
        return replace(judgement, is_shared=True)
    return replace(
        judgement,
        changes=dict(common[0].changes),
        is_shared=True,
        messages=(*judgement.messages, f"most likely {common[0].advice}, as of other parameters of this device"),
    )


def _take_common_order(judgement: Judgement, causes: tuple[str, ...]) -> Judgement:
    """The word order of the others, where its value can be: alone its low word, which is 0, spoke against it."""
    order = _order_of(causes)
    if not judgement.hypotheses or order is None or order not in judgement.plausible:
        return judgement
    said = f"most likely word_order {order}, as of other parameters of this device"
    return replace(judgement, changes={"word_order": order}, is_shared=True, messages=(*judgement.messages, said))


def _order_of(causes: tuple[str, ...]) -> WordOrder | None:
    return next((order for order in WordOrder if causes == (f"word_order {order}",)), None)


def _doubt_rest(judgements: Sequence[Judgement], causes: tuple[str, ...]) -> list[Judgement]:
    """Doubt what could be by chance or is 0, where nearly all of a device has one word order or is off by one."""
    standing = sum(_stands_as_it_is(judgement) for judgement in judgements)
    if standing * _MOST_BY_CHANCE > sum(bool(judgement.hypotheses) for judgement in judgements):
        return list(judgements)
    return [_doubt_one(judgement, causes) for judgement in judgements]


def _doubt_one(judgement: Judgement, causes: tuple[str, ...]) -> Judgement:
    d = judgement.definition
    order = _order_of(causes)
    shift = _SHIFTS.get(causes)
    changes: dict[str, Any] = {}
    is_told = bool(judgement.messages) and judgement.words is not None
    if is_told or d.address is None or d.register_kind is None or d.register_kind.is_bit:
        return judgement
    if shift is not None:
        changes["address"] = d.address + shift
    elif order is not None and judgement.orders and len(judgement.words or ()) > 1 and d.word_order is not order:
        changes["word_order"] = order
    if not changes:
        return judgement
    advice = " and ".join(f"{name} {value}" for name, value in changes.items())
    doubted = judgement.with_message(Verdict.WARNING, f"most likely {advice}, as of other parameters of this device")
    return replace(doubted, changes=changes, is_shared=True)


def _stands_as_it_is(judgement: Judgement) -> bool:
    """Whether a float other than 0 shows that its definition is right."""
    is_float = judgement.definition.data_type in _FLOATS
    return is_float and judgement.verdict is Verdict.OK and not isnan(judgement.value) and judgement.value != 0


def is_certain(judgement: Judgement, image: Image, expectation: Expectation | None = None) -> bool:
    """Whether a change is shown well enough to be written down for review.

    A float that makes sense in one word order alone does so hardly by chance; a whole number needs other parameters
    with the same mistake, and another unit needs somebody who looked at the front panel. Another address needs evidence
    of its own: of a signal at rest its neighbour is as good as itself.
    """
    if not judgement.changes:
        return False
    if "address" in judgement.changes and not shows_address(judgement, image, expectation):
        return False
    if expectation is not None or judgement.definition.data_type is DataType.ASCII:
        return True
    if judgement.definition.data_type not in _FLOATS and not judgement.is_shared:
        return False
    return set(judgement.changes) <= _SHOWN_BY_WORDS


def shows_address(judgement: Judgement, image: Image, expectation: Expectation | None) -> bool:
    """Whether several readings show the other address right and this one wrong.

    There every value can be and none is 0; here none can be, or the device refuses it.
    """
    there = _values(judgement.definition.model_copy(update=dict(judgement.changes)), image)
    here = _values(judgement.definition, image)

    def can_be(value: float) -> bool:
        if expectation is not None:
            return expectation.fits(value, tolerance=judgement.definition.tolerance)
        return is_plausible(judgement.definition, value)

    is_right = len(there) >= FEWEST_READINGS and all(value != 0 and can_be(value) for value in there)
    is_wrong = judgement.words is None or (len(here) >= FEWEST_READINGS and not any(map(can_be, here)))
    return is_right and is_wrong


def _values(definition: Definition, image: Image) -> list[float]:
    try:
        parameter = plain_parameter(definition)
    except DefinitionError:
        return []
    return [value_of(definition, words) for words in image.readings(parameter.kind, parameter.address, parameter.words)]
