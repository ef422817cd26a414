"""Whether a value can be what its parameter is, by unit, range and what a front panel says. Pure."""

from dataclasses import dataclass
from math import isfinite, nan
from typing import Final

from hal.codec import decode
from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, WordOrder
from recorder.check.units import is_linear, smallest, unit_bounds
from recorder.definitions.definitions import Definition
from recorder.errors import UsageError

_MARGIN: Final = 0.1
"""Write limits are not what a signal can be: a zero may drift below them, a heater overshoot them."""
_RELATIVE_TOLERANCE: Final = 0.01
_LARGEST_WITHOUT_UNIT: Final = 1e12
FAR_LESS_LIKELY: Final = 100.0
"""Of two values that can be, one that weighs so many times less than the other is taken for misread."""
_FLOATS: Final = frozenset({DataType.FLOAT32, DataType.FLOAT64})


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """What a person read on the front panel.

    Attributes:
        tolerance: how far the value may be from it: 1 %, or one unit of the last digit that was typed.
    """

    value: float
    tolerance: float

    @classmethod
    def parse(cls, text: str) -> "Expectation":
        """Understand what was typed, for example ``25.1``.

        Raises:
            UsageError: it is no number.
        """
        try:
            value = float(text)
        except ValueError:
            value = nan
        if not isfinite(value):
            raise UsageError(f"--expect: {text!r} is no number; write for example --expect 'Heater/temperature=25.1'")
        mantissa, _, exponent = text.lower().partition("e")
        digits = len(mantissa.partition(".")[2])
        last_digit = 10.0 ** (int(exponent or 0) - digits)
        return cls(value=value, tolerance=max(_RELATIVE_TOLERANCE * abs(value), last_digit))

    def fits(self, value: float, *, tolerance: float | None = None) -> bool:
        """Whether a value is what was seen, within the larger of both tolerances."""
        return isfinite(value) and abs(value - self.value) <= max(self.tolerance, tolerance or 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Between what a value must lie, and who says so."""

    low: float
    high: float
    source: str
    unit: str

    def describe(self) -> str:
        """For people: ``0…450 °C of range_low…range_high``."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.low:g}…{self.high:g}{unit} ({self.source})"


def bounds(definition: Definition) -> Bounds:
    """What a value of this parameter can be: its range, else its write limits and a margin, else what its unit is."""
    low, high = unit_bounds(definition.unit)
    if definition.data_type in _FLOATS and not isfinite(high):
        low, high = -_LARGEST_WITHOUT_UNIT, _LARGEST_WITHOUT_UNIT
    source = "its unit" if definition.unit else "any float"
    if definition.min_value is not None and definition.max_value is not None:
        margin = _MARGIN * (definition.max_value - definition.min_value)
        low, high, source = definition.min_value - margin, definition.max_value + margin, "min_value, max_value"
    if definition.range_low is not None or definition.range_high is not None:
        low = low if definition.range_low is None else definition.range_low
        high = high if definition.range_high is None else definition.range_high
        source = "range_low, range_high"
    return Bounds(low=low, high=high, source=source, unit=definition.unit)


def is_plausible(definition: Definition, value: float) -> bool:
    """Whether a signal of this parameter can have this value."""
    limits = bounds(definition)
    if not isfinite(value) or not limits.low <= value <= limits.high:
        return False
    return not (definition.data_type in _FLOATS and 0 < abs(value) < smallest(definition.unit))


def weight(definition: Definition, value: float) -> float:
    """How much a plausible value says: 1 where it is as large as the signal can be, next to nothing where it is tiny.

    A misread float is as likely to be 0.03 as 30, a temperature is not; a pressure or a gain may be anything. A misread
    whole number is nearly always huge, a counter is not.
    """
    if definition.data_type not in _FLOATS:
        return 1.0 / (1.0 + abs(value))
    limits = bounds(definition)
    largest = max(abs(limits.low), abs(limits.high))
    if largest == 0 or not is_linear(definition.unit):
        return 1.0
    return min(1.0, abs(value) / largest)


def plain_parameter(definition: Definition) -> Parameter:
    """The parameter without sentinels and range, so that its words are read for what they are.

    Raises:
        DefinitionError: it cannot be read as it is defined.
    """
    bare = {"sentinels": (), "range_low": None, "range_high": None, "scan_interval_ms": 1000}
    return definition.model_copy(update=bare).to_parameter()


def value_of(definition: Definition, words: tuple[int, ...]) -> float:
    """Decode words as a number, sentinel or not; NaN where they cannot be one."""
    try:
        parameter = plain_parameter(definition)
    except DefinitionError:
        return nan
    if parameter.data_type is DataType.ASCII or len(words) != parameter.words:
        return nan
    return float(decode(parameter, words))


def in_all_orders(definition: Definition, words: tuple[int, ...]) -> dict[WordOrder, float]:
    """The value in each of the four word orders."""
    return {order: value_of(definition.model_copy(update={"word_order": order}), words) for order in WordOrder}


def has_orders(definition: Definition) -> bool:
    """Whether the word order matters to this parameter at all."""
    if definition.register_kind is None or definition.register_kind.is_bit:
        return False
    return definition.data_type not in {DataType.BINARY, DataType.ASCII, None}


def plausible_orders(definition: Definition, words: tuple[int, ...]) -> tuple[WordOrder, ...]:
    """Those word orders in which the words make a value that can be, without those far less likely than the best."""
    values = in_all_orders(definition, words)
    possible = [order for order, value in values.items() if is_plausible(definition, value)]
    weights = {order: weight(definition, values[order]) for order in possible}
    best = max(weights.values(), default=0.0)
    return tuple(order for order in possible if weights[order] >= best / FAR_LESS_LIKELY)
