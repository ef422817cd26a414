"""What the daemon said, as frozen pictures; parsed from JSON here and nowhere else.

What an older or newer daemon does not say is None, and is shown as not known.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from recorder.errors import OutsideError

Picture = TypeVar("Picture")


class OtherVersionError(OutsideError):
    """What answered is no recorder of a version that this console understands."""


@dataclass(frozen=True, kw_only=True)
class ProcessPicture:
    """The process in force."""

    process_id: int = 0
    kind: str = ""
    recipe: str = ""
    started_us: int | None = None
    step: int | None = None
    cycle: int | None = None
    cycles_total: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_run(self) -> bool:
        """Whether it is a run and no idle time."""
        return self.kind != "idle"


@dataclass(frozen=True, kw_only=True)
class DevicePicture:
    """A device and what is read from it."""

    name: str
    state: str = ""
    last_error: str | None = None
    round_trip_ms: float | None = None
    next_try_ms: float | None = None
    load_percent: float | None = None
    plans: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    frozen: bool = False
    refused: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class ScansPicture:
    """Slots since the daemon began."""

    scheduled: int = 0
    completed: int = 0
    late: int = 0
    failed: int = 0
    skipped: int = 0
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class TallyPicture:
    """Slots of the run in force: outcome, cause, how many; of each device how many were kept, of all."""

    process_id: int | None = None
    rows: int = 0
    slots: Sequence[tuple[str, str, int]] = ()
    devices: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StagePicture:
    """Latency of one stage in milliseconds; None where there was nothing."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    trend: Sequence[float | None] = ()


@dataclass(frozen=True, kw_only=True)
class LagPicture:
    """How late a timer of the event loop was, and for how long of that something of ours held it; milliseconds."""

    late: StagePicture = StagePicture()
    held: StagePicture = StagePicture()


@dataclass(frozen=True, kw_only=True)
class SpoolPicture:
    """What waits on disk."""

    entries: int | None = None
    bytes: int | None = None
    max_bytes: int | None = None
    shed_entries: int | None = None
    time_to_full_s: float | None = None
    time_to_drain_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class WriterPicture:
    """The way into the database."""

    state: str = ""
    last_error: str | None = None
    rows: int | None = None
    lost_rows: int | None = None


@dataclass(frozen=True, kw_only=True)
class PoolPicture:
    """Connections to the database."""

    size: int | None = None
    idle: int | None = None


@dataclass(frozen=True, kw_only=True)
class ClockPicture:
    """The controller's clock."""

    synchronised: bool | None = None
    offset_us: int | None = None


@dataclass(frozen=True, kw_only=True)
class CachePicture:
    """The cache of desired set-values."""

    hit_ratio: float | None = None
    oldest_s: float | None = None
    stale: int | None = None


@dataclass(frozen=True, kw_only=True)
class DefinitionsPicture:
    """What is read, and where that is known from."""

    parameters: int | None = None
    readable: int | None = None
    version: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditPicture:
    """Audits of ended runs."""

    latest: Mapping[str, Any] | None = None
    not_balanced: int | None = None


@dataclass(frozen=True, kw_only=True)
class AlarmPicture:
    """An alarm; times in UTC microseconds."""

    id: str
    text: str = ""
    priority: str = ""
    state: str = ""
    is_active: bool = False
    parameter: str = ""
    limit: float | None = None
    unit: str = ""
    value: float | None = None
    raised_us: int | None = None
    changed_us: int | None = None
    by: str = ""
    shelved_until_us: int | None = None


@dataclass(frozen=True, kw_only=True)
class AlarmsPicture:
    """The alarms that are not normal, the most urgent first."""

    counts: Mapping[str, int] = field(default_factory=dict)
    alarms: Sequence[AlarmPicture] = ()


@dataclass(frozen=True, kw_only=True)
class NotePicture:
    """What somebody wrote about a run."""

    at_us: int
    by: str
    text: str


@dataclass(frozen=True, kw_only=True)
class NotesPicture:
    """The notes of a run; not complete where the database is away."""

    is_complete: bool = True
    notes: Sequence[NotePicture] = ()


@dataclass(frozen=True, kw_only=True)
class StatusPicture:
    """The whole daemon."""

    state: str
    pid: int = 0
    machine: str = ""
    reason: str = ""
    process: ProcessPicture | None = None
    devices: Sequence[DevicePicture] = ()
    requests_per_scan: int | None = None
    scans: ScansPicture = ScansPicture()
    run_slots: TallyPicture = TallyPicture()
    lost: int | None = None
    alarms: Mapping[str, int] | None = None
    first_alarm: AlarmPicture | None = None
    recent_latency_ms: Mapping[str, StagePicture] = field(default_factory=dict)
    latency_ms: Mapping[str, StagePicture] = field(default_factory=dict)
    spool: SpoolPicture = SpoolPicture()
    writer: WriterPicture = WriterPicture()
    pool: PoolPicture = PoolPicture()
    clock: ClockPicture = ClockPicture()
    set_values: CachePicture | None = None
    event_loop_lag_ms: LagPicture | None = None
    definitions: DefinitionsPicture = DefinitionsPicture()
    audit: AuditPicture | None = None
    disk_used_percent: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterRow:
    """A parameter as it is defined."""

    id: int
    name: str
    unit: str = ""
    device: str = ""
    interval_ms: int = 0
    data_type: str | None = None
    is_read: bool = True
    is_writable: bool = False
    min_value: float | None = None
    max_value: float | None = None
    desired: float | None = None
    tolerance: float | None = None
    range_low: float | None = None
    range_high: float | None = None


@dataclass(frozen=True, kw_only=True)
class ParametersPage:
    """One page of definitions."""

    total: int
    offset: int
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, kw_only=True)
class ValuesPicture:
    """The values that changed; a plan is device, interval in ms, time of its last sample, its first failure."""

    epoch: str
    version: int
    now_us: int
    process: ProcessPicture | None = None
    plans: Sequence[tuple[str, int, int | None, str | None]] = ()
    ids: Sequence[int] = ()
    values: Sequence[float | None] = ()
    set_values: Sequence[float | None] = ()
    quality: Sequence[int] = ()
    places: Sequence[int] = ()
    texts: Mapping[int, tuple[str | None, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EventPicture:
    """Something that happened."""

    number: int
    at_us: int
    kind: str
    device: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EventsPicture:
    """The next events."""

    epoch: str
    last: int
    events: Sequence[EventPicture] = ()


@dataclass(frozen=True, kw_only=True)
class ReasonPicture:
    """One link of the chain why a value is as it is."""

    what: str
    says: str


@dataclass(frozen=True, kw_only=True)
class RunPicture:
    """One row of the history; times in UTC microseconds."""

    id: int
    kind: str = ""
    recipe: str = ""
    operator: str = ""
    lot: str = ""
    substrate: str = ""
    note: str = ""
    status: str = ""
    started_at: int = 0
    ended_at: int | None = None
    audit_verdict: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunsPage:
    """One page of the history, newest first."""

    total: int
    offset: int
    until_us: int
    rows: Sequence[RunPicture] = ()


@dataclass(frozen=True, kw_only=True)
class TrendPicture:
    """Lowest and highest value of parts of a span: part from 1, low, high."""

    from_us: int
    to_us: int
    parts: int
    series: Mapping[int, Sequence[tuple[int, float, float]]]


@dataclass(frozen=True, kw_only=True)
class StepPicture:
    """What became of one set-value."""

    parameter: str
    value: float | None = None
    unit: str = ""
    outcome: str = ""
    before: float | None = None
    read_back: float | None = None
    message: str = ""


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("type[Any]", kind))


def parse(kind: type[Picture], plain: object) -> Picture:
    """Understand what the daemon said.

    Raises:
        OtherVersionError: it is nothing that this console knows.
    """
    try:
        picture: Picture = _adapter(cast("Hashable", kind)).validate_python(plain)
    except ValidationError as error:
        first = error.errors()[0]
        field_name = ".".join(map(str, first["loc"])) or "answer"
        raise OtherVersionError(
            f"the recorder speaks another version than this console ({field_name}: {first['msg']}); update both"
        ) from error
    return picture
