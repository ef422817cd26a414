"""The status of the recorder as clients get it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Microseconds = Annotated[int, Field(description="UTC microseconds since 1970.")]


class _Part(BaseModel):
    """A newer recorder may say more, which is passed on; what an older one does not say is null."""

    model_config = ConfigDict(extra="allow", json_schema_serialization_defaults_required=True)


class ProcessStatus(_Part):
    """The process in force: a run, or idle time."""

    process_id: int
    kind: str = Field(description="recipe, manual or idle.")
    recipe: str = ""
    started_us: Microseconds | None = None
    step: int | None = None
    cycle: int | None = None
    labels: dict[str, str] = Field(default_factory=dict, description="operator, lot, substrate, note.")


class PlanStatus(_Part):
    """What is read in one interval."""

    parameters: int
    requests: int


class DeviceStatus(_Part):
    """A device and what is read from it."""

    name: str
    state: str
    last_error: str | None = None
    round_trip_ms: float | None = None
    next_try_ms: float | None = None
    load_percent: float | None = None
    frozen: bool | None = None
    refused: list[str] = Field(default_factory=list, description="Addresses that the device does not answer.")
    plans: dict[str, PlanStatus] = Field(default_factory=dict, description="By interval in milliseconds.")


class ScansStatus(_Part):
    """Slots since the recorder began."""

    scheduled: int = 0
    completed: int = 0
    late: int = 0
    failed: int = 0
    skipped: int = 0
    rows: int = 0
    lost_rows: int = 0


class StageStatus(_Part):
    """Latency of one stage in milliseconds; null where there was nothing."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class SpoolStatus(_Part):
    """What waits on disk."""

    entries: int | None = None
    bytes: int | None = None
    max_bytes: int | None = None
    used_bytes: int | None = None
    shed_entries: int | None = None
    time_to_full_s: float | None = None
    time_to_drain_s: float | None = None


class WriterStatus(_Part):
    """The way into the database."""

    state: str = ""
    last_error: str | None = None
    rows: int | None = None
    lost_rows: int | None = None
    quarantined_rows: int | None = None


class PoolStatus(_Part):
    """Connections of the recorder to the database."""

    size: int | None = None
    idle: int | None = None


class SetValuesStatus(_Part):
    """The cache of desired set-values."""

    hit_ratio: float | None = None
    oldest_s: float | None = None
    stale: int | None = None


class ClockStatus(_Part):
    """The controller's clock."""

    synchronised: bool | None = None
    offset_us: int | None = None


class DefinitionsStatus(_Part):
    """What is read, and where that is known from."""

    parameters: int | None = None
    readable: int | None = None
    version: str = ""
    source: str = ""


class StatusAnswer(_Part):
    """The whole recorder."""

    state: str = Field(description="recording, or what it waits for.")
    reason: str = ""
    pid: int | None = None
    machine: str = ""
    process: ProcessStatus | None = None
    devices: list[DeviceStatus] = Field(default_factory=list)
    requests_per_scan: int | None = None
    scans: ScansStatus | None = None
    lost: int | None = Field(default=None, description="Rows lost since the recorder began.")
    latency_ms: dict[str, StageStatus] = Field(default_factory=dict, description="By stage, since it began.")
    recent_latency_ms: dict[str, StageStatus] = Field(default_factory=dict, description="By stage, of a minute.")
    event_loop_lag_ms: dict[str, StageStatus] = Field(default_factory=dict)
    spool: SpoolStatus | None = None
    writer: WriterStatus | None = None
    pool: PoolStatus | None = None
    set_values: SetValuesStatus | None = None
    clock: ClockStatus | None = None
    definitions: DefinitionsStatus | None = None
    audit: dict[str, Any] | None = Field(default=None, description="The newest verdict, and how many were bad.")
    disk_used_percent: float | None = None
