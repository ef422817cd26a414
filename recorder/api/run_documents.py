"""Runs as the api tells of them; times are UTC to the microsecond."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["recipe", "manual", "idle"]
Status = Literal["running", "completed", "aborted", "stopped", "unknown_end"]


class _Document(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class RunLine(_Document):
    """A run in the list."""

    id: Annotated[int, Field(description="Beyond 2^53: a JavaScript client follows href instead.")]
    href: str
    kind: Kind
    recipe: str
    operator: str
    lot: str
    substrate: str
    note: str
    status: Status
    started_at: datetime
    ended_at: datetime | None
    audit_verdict: str | None
    cycles: int


class RunPage(_Document):
    """A page of the list of runs, newest first."""

    runs: list[RunLine]
    next: Annotated[str | None, Field(description="The cursor of the next page; null where this is the last.")]


class ParameterSummary(_Document):
    """What one parameter did in a run, or in one of its steps."""

    step: Annotated[int | None, Field(description="Number of the step; null for the whole run.")]
    parameter_id: int
    component: str
    parameter: str
    unit: str
    points: int
    good_points: int
    mean: float | None
    deviation: Annotated[float | None, Field(description="Standard deviation of the values.")]
    lowest: float | None
    highest: float | None


class RunSummaries(_Document):
    """Summaries of a run, as a whole and by step; empty until it has ended and was summarised."""

    run: int
    summaries: list[ParameterSummary]


class SlotLine(_Document):
    """How slots of a device ended."""

    device: str
    interval_ms: int
    outcome: str
    cause: str
    slots: int
    rows: int


class StepLine(_Document):
    """A step or cycle as it really ran."""

    kind: Literal["step", "cycle"]
    number: int
    name: str
    started_at: datetime
    ended_at: datetime | None
    source: str


class NoteLine(_Document):
    """What somebody wrote about a run, in it or after it."""

    at: datetime
    by: str
    text: str


class LastValue(_Document):
    """The last point of a parameter in a run."""

    parameter_id: int
    timestamp: datetime
    value: float | None
    set_value: float | None
    quality: int


class RunDocument(_Document):
    """All about one run but its points."""

    id: int
    machine: str
    kind: Kind
    recipe: str
    recipe_hash: str | None
    operator: str
    lot: str
    substrate: str
    note: Annotated[str, Field(description="Given at the start of the run.")]
    run_counter: int | None
    status: Status
    started_at: datetime
    ended_at: datetime | None
    definitions_version: str
    time_scale: float
    clock_synchronised: bool
    clock_offset_us: int
    audit_verdict: str | None
    audited_at: datetime | None
    audit: Annotated[dict[str, Any] | None, Field(description="The whole report behind the verdict.")]
    summarised_at: datetime | None
    sealed_at: datetime | None
    rows: Annotated[int, Field(description="Points that the slots of the run must have stored.")]
    slots: list[SlotLine]
    step_count: int
    cycle_count: int
    steps: Annotated[list[StepLine], Field(description="The last 200 steps and cycles.")]
    notes: Annotated[list[NoteLine], Field(description="Written in the run or after it, oldest first.")]
    last_values: list[LastValue]
    summaries: Annotated[list[ParameterSummary], Field(description="Of the whole run; see /summaries for steps.")]
