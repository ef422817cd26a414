"""Health, definitions and values as clients get them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from recorder.api.status_model import Microseconds


class _Answer(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Liveness(_Answer):
    """The api answers."""

    alive: bool = True


class Check(_Answer):
    """One thing that must be so for the recorder to be ready."""

    name: str = Field(description="daemon: it answers and records. slots: each plan is scanned in time.")
    ok: bool
    detail: str = ""


class Readiness(_Answer):
    """Whether slots are dispatched; database and devices may be away."""

    ready: bool
    checks: list[Check]


class ParameterAnswer(_Answer):
    """A parameter as it is defined, with its limits."""

    id: int
    name: str = Field(description="component/parameter")
    unit: str
    device: str
    interval_ms: int
    data_type: str | None
    is_read: bool
    is_writable: bool
    min_value: float | None = Field(description="Lowest set-value that may be asked for.")
    max_value: float | None
    desired: float | None = Field(description="The set-value that the database wanted as the recorder began.")
    tolerance: float | None
    range_low: float | None = Field(description="Lowest value that the signal can have.")
    range_high: float | None


class ParametersAnswer(_Answer):
    """One page of the definitions."""

    total: int
    offset: int
    parameters: list[ParameterAnswer]


class ValueAnswer(_Answer):
    """A value as it was read last."""

    id: int
    name: str = Field(description="component/parameter")
    unit: str
    value: float | None = Field(description="Null where it is bad, or is text.")
    text: str | None = Field(description="Of a parameter that is text.")
    set_value: float | None = Field(description="What the tool's own set-value register said in the same scan.")
    quality: int = Field(description="192 good; 64 and up uncertain; below 64 bad.")
    meaning: str = Field(description="The quality in words.")
    device: str
    timestamp_us: Microseconds | None
    age_ms: float | None = Field(description="By the recorder's clock, as it answered.")


class ValuesAnswer(_Answer):
    """The newest values."""

    now_us: Microseconds
    process: "ProcessInForce | None"
    values: list[ValueAnswer]


class ProcessInForce(_Answer):
    """The process in force, as far as it changes."""

    process_id: int
    kind: str
    step: int | None
    cycle: int | None
    cycles_total: float | None


ParameterIds = Annotated[
    list[Annotated[int, Field(ge=1, lt=1 << 31)]],
    Field(max_length=500, description="Ids of the parameters that are wanted; without any, all."),
]
"""So many fit a line of a request."""
EVENT_EXAMPLE: dict[str, Any] = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": 'id: 5f1c-12\nevent: changes\ndata: {"now_us":1795000000000000,"plans":[],"columns":["id","value"],'
        '"rows":[[7,120.5]]}\n\n',
    }
}
