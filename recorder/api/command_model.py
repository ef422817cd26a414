"""What changes something, as clients ask for it, and what they are told."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from recorder.api.status_model import Microseconds
from recorder.set_values.write_rules import LONGEST_REASON

# no control characters but tab and line ends; a text has something else than spaces
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x08\x0e-\x1f]*$")]
_TEXT: Final = r"^[^\x00-\x08\x0e-\x1f]*[^\s\x00-\x08\x0e-\x1f][^\x00-\x08\x0e-\x1f]*$"
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, pattern=_TEXT)]
Name = Annotated[Text, Field(max_length=300)]
ParameterName = Annotated[str, StringConstraints(min_length=1, max_length=300)]
"""Without a pattern, which JSON Schema would not hold against keys; the daemon knows the names that there are."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class StartRequest(_Request):
    """What is started; without an operator it is the name of the token."""

    recipe: Label = ""
    operator: Label = ""
    lot: Label = ""
    substrate: Label = ""
    note: Label = ""


class RunAnswer(_Answer):
    """A run that began or ended."""

    run: int


class NoteRequest(_Request):
    """A note on a run; the name of the token says whose it is."""

    text: Annotated[Text, Field(max_length=2_000)]


class NoteAnswer(_Answer):
    """A note as it was kept."""

    run: int
    by: str
    text: str
    at_us: Microseconds


class SetValuesRequest(_Request):
    """Set-values by component/parameter, set together; and why."""

    values: Annotated[
        dict[ParameterName, Annotated[float, Field(allow_inf_nan=False, strict=False)]],
        Field(min_length=1, max_length=100),
    ]
    reason: Annotated[Text, Field(max_length=LONGEST_REASON)]
    during_recipe: bool = False


class SetValueAnswer(_Answer):
    """What became of one set-value."""

    parameter: str
    value: float
    unit: str
    outcome: Literal["done", "refused", "failed", "read_back_differs", "unknown"]
    before: float | None
    read_back: float | None
    message: str


class SetValuesAnswer(_Answer):
    """What became of a step."""

    done: bool = Field(description="Whether every set-value was written and read back.")
    changed_by: str
    results: list[SetValueAnswer]


class AlarmAnswer(_Answer):
    """An alarm, after ISA-18.2."""

    id: str
    text: str
    priority: Literal["low", "medium", "high"]
    state: Literal["unacknowledged", "returned", "acknowledged", "shelved", "normal"]
    is_active: bool
    parameter: str
    limit: float | None
    unit: str
    value: float | None
    raised_us: Microseconds | None
    changed_us: Microseconds | None
    by: str
    shelved_until_us: Microseconds | None


class AlarmsAnswer(_Answer):
    """Alarms, the most urgent first, and how many are in each state."""

    counts: dict[str, int]
    alarms: list[AlarmAnswer]


class AcknowledgeRequest(_Request):
    """Which alarm; null for all that wait."""

    id: Name | None


class AcknowledgedAnswer(_Answer):
    """The alarms that were acknowledged."""

    alarms: list[AlarmAnswer]


class ShelveRequest(_Request):
    """Which alarm is put aside, and for how long."""

    id: Name
    minutes: Annotated[float, Field(gt=0, le=1_440, allow_inf_nan=False, strict=False)]


class UnshelveRequest(_Request):
    """Which alarm is taken back before its time."""

    id: Name
