"""What `config.toml` may say: every field with its default, its unit and a sentence.

Each field can be overridden by the environment: ``ALD_`` and the path with two underscores between the parts,
for example ``ALD_DATABASE__DSN`` or ``ALD_DEVICES__PLC__HOST``.
"""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from recorder.config.alarms import AlarmConfig
from recorder.config.api import ApiConfig
from recorder.config.database import DatabaseConfig
from recorder.config.device import DeviceConfig
from recorder.config.section import Seconds, Section
from recorder.config.writes import WritesConfig
from recorder.errors import ConfigurationError

ENVIRONMENT_PREFIX: Final = "ALD_"
DEFAULT_FILE: Final = Path("config.toml")


class RecorderConfig(Section):
    """Who this recorder is, and where it keeps what must survive a crash."""

    machine: str = Field(default="ALD tool", min_length=1)
    """Name of the machine, as in the database."""
    number: int = Field(default=0, ge=0, le=1023)
    """Recorder number, unique among the recorders of one database: part of every process id."""
    data_directory: Path = Path("var")
    """Folder of spool, last good definitions, lock and control socket; relative to the configuration file."""
    time_scale: float = Field(default=1.0, gt=0, le=1000)
    """How many times faster than real the source runs: 1 on a tool, the simulator's speed in a simulation."""
    cpu_wake_up_us: int | None = Field(default=None, ge=0, le=10_000)
    """Longest time in microseconds that an idle processor may take to wake; None leaves it to the system. 0 keeps the
    jitter low where ``ald-recorder check`` finds late wake-ups, and costs power; needs the right to
    /dev/cpu_dma_latency."""


class ProcessConfig(Section):
    """Which parameters say what the tool is doing; each is ``component/parameter``, empty where there is none.

    Without ``run_state`` runs are manual: ``ald-recorder runs start`` and ``runs stop``.
    """

    run_state: str = ""
    """Parameter that says whether a recipe runs."""
    running_values: tuple[float, ...] = (1.0,)
    """Values of run_state that count as running."""
    aborted_values: tuple[float, ...] = ()
    """Values of run_state that say that the run was aborted; any other end is *completed*."""
    run_counter: str = ""
    """Parameter that counts runs: it tells one run from the next, and a run from another after a restart."""
    recipe: str = ""
    """Parameter with the recipe: its text, or a number looked up in recipe_names."""
    recipe_names: dict[str, str] = Field(default_factory=dict)
    """Names of recipe numbers."""
    step: str = ""
    """Parameter with the number of the step."""
    cycle: str = ""
    """Parameter with the number of the cycle, from 1; 0 outside of cycles."""
    cycles_total: str = ""
    """Parameter with how many cycles the recipe has; the console shows how far the run is."""


class SpoolConfig(Section):
    """The durable queue on disk between acquisition and database."""

    max_mib: int = Field(default=2048, ge=1, le=1_048_576)
    """Largest size of the file with its log, in MiB; beyond it idle data goes first, then the oldest, and every loss is
    counted."""
    keep_acknowledged_mib: int = Field(default=16, ge=0, le=1024)
    """What of the newest samples stays on disk although PostgreSQL has them, in MiB, as long as there is room: a
    database that is put back to an older backup, or fails over to a copy that lagged, gets them again."""
    durability: Literal["every_entry", "grouped"] = "every_entry"
    """When a sample is on disk: every_entry syncs each at once; grouped syncs together what came within group_ms, which
    spares an SD card, and a crash or a power cut can then cost so much."""
    group_ms: int = Field(default=200, ge=10, le=2000)
    """Longest wait of a sample for its sync where durability is grouped, in milliseconds."""

    @property
    def grouped_ms(self) -> int:
        """How long appends wait for others; 0 where each is synced at once."""
        return self.group_ms if self.durability == "grouped" else 0


class WriterConfig(Section):
    """How the spool goes into PostgreSQL."""

    max_rows: int = Field(default=100_000, ge=100, le=1_000_000)
    """Rows in one transaction, at most."""
    backoff_max_s: Seconds = 2.0
    """Longest pause between two attempts while the database is away."""


class SetValuesConfig(Section):
    """Desired set-values: how long they are served without asking the database."""

    ttl_s: float = Field(default=300.0, ge=0, le=86_400)
    """How long a desired set-value is served from the cache; 0 switches the cache off."""
    refresh_s: Seconds = 60.0
    """Pause between two refreshes of all of them, each one query."""
    stale_after_s: Seconds = 300.0
    """Age from which a desired set-value is stale, and its limits allow no write."""
    on_drift: Literal["record", "follow", "alarm"] = "record"
    """What to do where the tool holds another set-value than is desired: record the change, let the desired value
    follow the tool, or record it and let an alarm stand."""
    drift_after_s: Seconds = 2.0
    """How long they must differ."""


class ClockConfig(Section):
    """The clock of this computer, by which all samples get their time."""

    wait_s: float = Field(default=30.0, ge=0, le=600)
    """How long a start waits, at most, for a clock that is synchronised by NTP; 0 waits never. A run that goes on is
    not waited with, nor is a clock waited for again that did not come the last time."""


class RetentionConfig(Section):
    """How long points are kept."""

    days: int = Field(default=0, ge=0, le=36_500)
    """Whole days of points to keep; 0 keeps all."""
    disk_warning_percent: float = Field(default=90.0, gt=0, le=100)
    """Warn when the disk of the data directory is this full."""


class ControlConfig(Section):
    """The Unix socket over which console and commands talk to the daemon."""

    socket: Path | None = None
    """Path of the socket, relative to the configuration file; by default control.sock in the data directory."""


class LogConfig(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    format: Literal["auto", "console", "json"] = "auto"
    """auto: for people on a terminal, JSON elsewhere."""


class Config(BaseSettings):
    """The whole of `config.toml`."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", env_ignore_empty=False
    )

    recorder: RecorderConfig = RecorderConfig()
    database: DatabaseConfig = DatabaseConfig()
    devices: dict[str, DeviceConfig] = Field(default_factory=dict)
    process: ProcessConfig = ProcessConfig()
    spool: SpoolConfig = SpoolConfig()
    writer: WriterConfig = WriterConfig()
    set_values: SetValuesConfig = SetValuesConfig()
    writes: WritesConfig = WritesConfig()
    alarms: tuple[AlarmConfig, ...] = ()
    clock: ClockConfig = ClockConfig()
    retention: RetentionConfig = RetentionConfig()
    control: ControlConfig = ControlConfig()
    api: ApiConfig = ApiConfig()
    log: LogConfig = LogConfig()

    @field_validator("devices")
    @classmethod
    def _device_names(cls, devices: dict[str, DeviceConfig]) -> dict[str, DeviceConfig]:
        for name in devices:
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"{name!r} is not a device name: use small letters, digits and _")
        return devices

    @model_validator(mode="after")
    def _rules_name_devices(self) -> "Config":
        for rule in self.writes.allow:
            if self.devices and rule.device not in self.devices:
                known = ", ".join(sorted(self.devices))
                raise ValueError(f"writes.allow: {rule.device!r} is no device of this file; there are: {known}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file, which arrives as the arguments; nothing else is read."""
        del settings_cls, dotenv_settings, file_secret_settings
        return (env_settings, init_settings)

    @property
    def control_socket(self) -> Path:
        """Where the daemon listens for commands."""
        return self.control.socket or self.recorder.data_directory / "control.sock"

    @property
    def token_file(self) -> Path:
        """Where the tokens of the api are kept, as hashes."""
        return self.api.tokens or self.recorder.data_directory / "tokens.json"

    def require_dsn(self) -> str:
        """The DSN, or a clear word that there is none.

        Raises:
            ConfigurationError: the DSN is empty.
        """
        dsn = self.database.dsn.get_secret_value()
        if not dsn:
            raise ConfigurationError(
                f"database.dsn is empty: set it in config.toml or as {ENVIRONMENT_PREFIX}DATABASE__DSN, "
                "for example postgresql://recorder:password@host/ald"
            )
        return dsn

    def require_server_dsn(self) -> str:
        """The DSN that leads to the server itself and not to a pooler.

        Raises:
            ConfigurationError: there is none.
        """
        return self.database.direct_dsn.get_secret_value() or self.require_dsn()


def load(path: Path | None = None) -> Config:
    """Read a configuration file; the environment overrides its fields.

    Args:
        path: the file; None takes `config.toml` of this folder where there is one, else the defaults.

    Raises:
        ConfigurationError: naming file and line, or file and field.
    """
    file = path or DEFAULT_FILE
    if path is None and not file.exists():
        return _validated({}, source="the environment", folder=Path.cwd())
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: no such file; copy config.toml and change it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: not TOML: {error}") from error
    return _validated(content, source=str(file), folder=file.resolve().parent)


def _validated(content: dict[str, Any], *, source: str, folder: Path) -> Config:
    try:
        config = Config(**content)
    except ValidationError as error:
        raise ConfigurationError(_first_fault(error, source)) from error
    except (json.JSONDecodeError, ValueError) as error:  # a value of the environment that is no JSON
        raise ConfigurationError(_unparsable(error)) from error
    recorder = config.recorder.model_copy(update={"data_directory": _placed(config.recorder.data_directory, folder)})
    socket = config.control.socket
    control = config.control.model_copy(update={"socket": socket and _placed(socket, folder)})
    devices = {name: device.placed(folder) for name, device in config.devices.items()}
    api = config.api.placed(lambda path: _placed(path, folder))
    return config.model_copy(update={"recorder": recorder, "control": control, "devices": devices, "api": api})


def _unparsable(error: ValueError) -> str:
    """Name the variables of which one is not the JSON that a section, a list or a table must be."""
    field = re.search(r'field "(\w+)"', str(error))
    start = f"{ENVIRONMENT_PREFIX}{field[1] if field else ''}".upper()
    names = sorted(name for name in os.environ if name.upper().startswith(start))
    return (
        f"environment {', '.join(names)}: cannot be understood; write a list as [1, 2] and "
        "name single fields, as in ALD_DEVICES__PLC__HOST"
    )


def _placed(path: Path, folder: Path) -> Path:
    """A path of the file is relative to the file, so that daemon and commands mean the same from any folder."""
    return Path(os.path.normpath(folder / path.expanduser()))


def _first_fault(error: ValidationError, source: str) -> str:
    first, *others = error.errors()
    field = ".".join(str(part) for part in first["loc"]) or "configuration"
    variable = ENVIRONMENT_PREFIX + "__".join(str(part) for part in first["loc"]).upper()
    if variable in {name.upper() for name in os.environ}:
        source = f"environment {variable}"
    words = {"extra_forbidden": "there is no such field; see the annotated config.toml for all of them"}
    message = words.get(first["type"], first["msg"].removeprefix("Value error, "))
    given = first.get("input")
    may_be_secret = "dsn" in field or (isinstance(given, str) and "://" in given)
    shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) and not may_be_secret else ""
    more = f"; and {len(others)} more" if others else ""
    return f"{source}: {field}: {message}{shown}{more}"
