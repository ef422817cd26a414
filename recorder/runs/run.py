"""What is known of a run: its kind, its status, what people and the tool say of it."""

from dataclasses import dataclass, field
from enum import StrEnum


class ProcessKind(StrEnum):
    """Why a process exists."""

    RECIPE = "recipe"
    """The tool runs a recipe."""
    MANUAL = "manual"
    """An operator started it."""
    IDLE = "idle"
    """Nothing runs; a new one each UTC day."""


class ProcessStatus(StrEnum):
    """How a run stands, or ended."""

    RUNNING = "running"
    COMPLETED = "completed"
    ABORTED = "aborted"
    STOPPED = "stopped"
    """Ended by the operator."""
    UNKNOWN_END = "unknown_end"
    """It ended while the recorder was away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunLabels:
    """What people say of a run."""

    operator: str = ""
    lot: str = ""
    substrate: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step or cycle that is under way."""

    number: int
    started_us: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """The process in force.

    Attributes:
        counter: the tool's run counter when it began; None where there is none.
        confirmed: False after a restart, until the tool has said whether this run still goes on.
    """

    process_id: int
    kind: ProcessKind
    started_us: int
    recipe: str = ""
    counter: int | None = None
    labels: RunLabels = field(default_factory=RunLabels)
    confirmed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class RoleValues:
    """What the tool said in one scan; None where it was not read or was bad.

    Attributes:
        run_state: compared with the values that count as running.
        run_counter: tells one run from the next.
        recipe: name of the recipe.
    """

    run_state: float | None = None
    run_counter: int | None = None
    recipe: str | None = None
    step: int | None = None
    cycle: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunContext:
    """What is stored with each run beside what the tool says.

    Attributes:
        definitions_version: hash of the definitions in force.
        time_scale: how many times faster than real the source runs.
        clock_offset_us: wall clock minus the recorder's UTC, as it was last looked at.
    """

    machine: str
    definitions_version: str
    time_scale: float = 1.0
    clock_synchronised: bool = True
    clock_offset_us: int = 0
