"""What a signal of an ALD tool can be, by its unit: bounds so wide that only a misread value lies outside.

General knowledge of the field: hot walls stay below 1,200 °C, gauges below two atmospheres, ratios near 0 to 100 %.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

_ATMOSPHERES: Final = 2.0
_PRESSURES: Final[Mapping[str, float]] = {
    "torr": 760.0,
    "mtorr": 760_000.0,
    "pa": 101_325.0,
    "hpa": 1_013.25,
    "kpa": 101.325,
    "mbar": 1_013.25,
    "mpa": 0.101325,
}
_WIDTHS: Final[Mapping[str, tuple[float, float]]] = {
    "°c": (-100.0, 1_200.0),
    "°f": (-150.0, 2_200.0),
    "k": (0.0, 1_500.0),
    "%": (-20.0, 120.0),
    "sccm": (-1_000.0, 100_000.0),
    "slm": (-10.0, 1_000.0),
    "bar": (-1.1, 400.0),
    "psi": (-16.0, 6_000.0),
    "v": (-2_000.0, 2_000.0),
    "a": (-500.0, 500.0),
    "ma": (-1_000.0, 1_000.0),
    "w": (-1_000.0, 50_000.0),
    "kw": (-1.0, 100.0),
    "hz": (0.0, 1e8),
    "s": (-1.0, 1e8),
    "ms": (-1.0, 1e11),
}
_SPELLINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("c", "degc", "deg c", "celsius", "°celsius", "grad c", "℃"), "°c"),
    **dict.fromkeys(("f", "degf", "deg f", "fahrenheit", "℉"), "°f"),
    **dict.fromkeys(("kelvin", "degk"), "k"),
    **dict.fromkeys(("percent", "pct"), "%"),
    **dict.fromkeys(("volt", "volts"), "v"),
    **dict.fromkeys(("watt", "watts"), "w"),
    **dict.fromkeys(("sec", "seconds", "second"), "s"),
}
SMALLEST: Final = 1e-9
"""A float between this and 0 is a misread one: of two words in the wrong order nearly all are."""
SMALLEST_PRESSURE: Final = 1e-13


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """Another unit in which a device may say a value.

    Attributes:
        name: what the device seems to say.
        convert: from that unit to the one that is defined.
        factor: of that conversion, ``value = said * factor + shift``.
    """

    name: str
    factor: float
    shift: float

    @property
    def convert(self) -> Callable[[float], float]:
        """From what the device says to the unit that is defined."""
        return lambda said: said * self.factor + self.shift


FAHRENHEIT: Final = Conversion(name="°F", factor=1 / 1.8, shift=-32 / 1.8)
"""As Watlow's controllers say temperatures over Modbus unless told otherwise."""
_KELVIN: Final = Conversion(name="K", factor=1.0, shift=-273.15)
_CELSIUS: Final = Conversion(name="°C", factor=1.8, shift=32.0)


def canonical(unit: str) -> str:
    """One spelling for each unit that is known."""
    spelled = unit.strip().lower()
    return _SPELLINGS.get(spelled, spelled)


def unit_bounds(unit: str) -> tuple[float, float]:
    """Lowest and highest value of a signal in this unit; infinite where it is not known."""
    known = canonical(unit)
    if known in _PRESSURES:
        atmosphere = _PRESSURES[known]
        return -0.1 * atmosphere, _ATMOSPHERES * atmosphere
    return _WIDTHS.get(known, (-inf, inf))


def is_pressure(unit: str) -> bool:
    """Whether it is a unit of pressure: its values span ten decades."""
    return canonical(unit) in _PRESSURES or canonical(unit) == "bar"


def is_linear(unit: str) -> bool:
    """Whether the values of a signal in this unit are spread evenly over its range, rather than over decades."""
    return canonical(unit) in {"°c", "°f", "k", "%"}


def smallest(unit: str) -> float:
    """The smallest float that is not 0 and can be a value in this unit."""
    return SMALLEST_PRESSURE if is_pressure(unit) else SMALLEST


def conversions(unit: str) -> tuple[Conversion, ...]:
    """Units that a device may say in place of this one."""
    match canonical(unit):
        case "°c":
            return (FAHRENHEIT, _KELVIN)
        case "°f":
            return (_CELSIUS,)
        case _:
            return ()
