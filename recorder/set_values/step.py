"""What is asked of a parameter step, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

UNANSWERED: Final = (
    "whether the tool was written to is not known; see what it holds (its own set-value, in the console's Values) and "
    "the change log before you try again"
)
"""What there is to say of a step that was sent to the recorder and never answered."""


class StepOutcome(StrEnum):
    """How one set-value of a step ended."""

    DONE = "done"
    """Written, and read back within the tolerance."""
    REFUSED = "refused"
    """Not sent: neither tool nor database has moved."""
    FAILED = "failed"
    """The device did not take it: neither tool nor database has moved."""
    READ_BACK_DIFFERS = "read_back_differs"
    """The tool says another value than was written; the database has not moved."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows whether the tool took it; the database has not moved."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """What became of one set-value.

    Attributes:
        parameter: ``component/parameter``.
        value: what was asked for.
        before: what the tool said before, as the last scan read it; None where it did not.
        read_back: what the tool says now; None where it was not asked or gave no answer.
        message: one line for people.
    """

    parameter: str
    value: float
    unit: str
    outcome: StepOutcome
    before: float | None
    read_back: float | None
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What somebody asks for.

    Attributes:
        values: value by ``component/parameter``, in the order of the command.
        changed_by: who.
        reason: why.
        during_recipe: whether also while a recipe runs.
    """

    values: Mapping[str, float]
    changed_by: str
    reason: str
    during_recipe: bool = False
