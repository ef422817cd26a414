"""The verdicts of a check, and the lines that carry them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a line comes to."""

    OK = "ok"
    WARNING = "warning"
    """Recording works, but somebody should know."""
    FAULT = "fault"
    """Recording does not work, or records what is wrong."""
    NOT_ASKED = "not asked"
    """Nothing was asked, and the line says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One thing that was looked at.

    Attributes:
        section: heading under which it stands, for example ``Database``.
        message: what was found and, unless it is well, what to do; one line.
        notes: further lines beneath it.
        data: the figures behind it, for programs.
    """

    section: str
    verdict: Verdict
    message: str
    notes: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The lines of a check, in the order in which they were found.

    Attributes:
        tell: called with each line as it comes.
    """

    tell: Callable[[Line], None] = lambda _line: None
    lines: list[Line] = field(default_factory=list)

    def add(self, section: str, verdict: Verdict, message: str, *notes: str, **data: Any) -> None:
        """Keep a line and tell it."""
        self.put(Line(section=section, verdict=verdict, message=message, notes=notes, data=data))

    def put(self, line: Line) -> None:
        """Keep a line and tell it."""
        self.lines.append(line)
        self.tell(line)

    def count(self, verdict: Verdict) -> int:
        """How many lines have this verdict."""
        return sum(line.verdict is verdict for line in self.lines)

    @property
    def is_well(self) -> bool:
        """Whether nothing is wrong."""
        return self.count(Verdict.FAULT) == 0

    def to_plain(self) -> dict[str, Any]:
        """As data for JSON."""
        return {
            "well": self.is_well,
            "counts": {str(verdict): self.count(verdict) for verdict in Verdict},
            "lines": [asdict(line) for line in self.lines],
        }
