"""When a fault begins or ends by what the tool does: comparisons of parameters with numbers."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from simulator.errors import FaultError

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_COMPARISON: Final = re.compile(r"(?P<name>.+?)\s*(?P<operator>>=|<=|==|!=|>|<)\s*(?P<number>\S+)")
SHORT_NAMES: Final[Mapping[str, str]] = {
    "run": "Process/run_counter",
    "run_state": "Process/run_state",
    "step": "Process/step_number",
    "cycle": "Process/cycle_number",
    "pressure": "Process/chamber_pressure",
}
"""What may be said in place of a parameter's full name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """All of its comparisons must hold.

    Attributes:
        text: as it was written.
        comparisons: parameter, operator, number.
    """

    text: str
    comparisons: tuple[tuple[str, str, float], ...]

    def holds(self, values: Mapping[str, float | str]) -> bool:
        """Whether it holds for the values of a moment, by parameter name."""
        return all(_compare(values[name], sign, number) for name, sign, number in self.comparisons)


def make_condition(text: str, names: Iterable[str]) -> Condition:
    """Understand a condition such as ``cycle >= 3 and Valve 1/valve_state == 1``.

    Args:
        text: comparisons, joined by ``and``.
        names: every parameter of the tool.

    Raises:
        FaultError: it is no comparison, or compares what the tool does not have.
    """
    known = frozenset(names)
    comparisons = []
    for part in text.split(" and "):
        match = _COMPARISON.fullmatch(part.strip())
        if match is None:
            raise FaultError(f"{part.strip()!r} is no comparison such as 'cycle >= 3'")
        name = SHORT_NAMES.get(match["name"], match["name"])
        if name not in known:
            raise FaultError(f"{part.strip()!r}: the tool has no parameter {match['name']!r}")
        try:
            number = float(match["number"])
        except ValueError:
            raise FaultError(f"{part.strip()!r}: {match['number']!r} is no number") from None
        comparisons.append((name, match["operator"], number))
    return Condition(text=text, comparisons=tuple(comparisons))


def _compare(value: float | str, sign: str, number: float) -> bool:
    return not isinstance(value, str) and _OPERATORS[sign](value, number)
