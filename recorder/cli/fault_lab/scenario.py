"""What a scenario is, and what comes out of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from recorder.cli.fault_lab.comparison import Comparison

if TYPE_CHECKING:
    from recorder.cli.fault_lab.lab import Lab


@dataclass(frozen=True, kw_only=True, slots=True)
class Deed:
    """What was done, and when: seconds since the recorder of the scenario was first started."""

    at_s: float
    what: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that must hold, and whether it did."""

    claim: str
    holds: bool
    found: str = ""


@dataclass(kw_only=True, slots=True)
class Findings:
    """What a scenario found out.

    Attributes:
        settings: what the run was made with, in words.
        audit: verdict of `ald-recorder runs audit` on each run; None where there was no run to audit.
    """

    deeds: Sequence[Deed] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)
    checks: list[Check] = field(default_factory=list)
    audit: str | None = None

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        return not self.comparison.problems and all(check.holds for check in self.checks)


class SkippedError(Exception):
    """The scenario cannot be carried out on this machine; says why and what would help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A fault, and the promise that is held against it.

    Attributes:
        name: of the command.
        sentence: what is done.
        promise: what must hold.
        run: carries it out; the random numbers are its own, by the seed and its name.
    """

    name: str
    sentence: str
    promise: str
    run: Callable[["Lab", Random], Awaitable[Findings]]
