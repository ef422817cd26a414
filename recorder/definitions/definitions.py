"""What is read: the definitions of a machine's parameters, loaded in one query, whole or not at all.

The last good set stays on disk, so that the daemon starts and records while the database is away.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from recorder.database import Session
from recorder.errors import DefinitionsError

log = structlog.get_logger()


class Definition(BaseModel):
    """One parameter as it is defined; units of limits and ranges are those of ``unit``.

    Attributes:
        id: minted by the database; None before the first import.
        set_value_parameter: ``component/parameter`` that holds the tool's own set-value; empty where there is none.
        set_value: desired set-value, never stored as if the tool had said it.
        range_low: lowest value the signal can have.
        sentinels: raw values that mean "no measurement".
        coherence_group: parameters of one device with the same word here are read by one request.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: int | None = None
    component: str
    name: str
    unit: str = ""
    device: str = "plc"
    register_kind: RegisterKind | None = None
    address: int | None = None
    data_type: DataType | None = None
    word_order: WordOrder = WordOrder.CDAB
    bit: int | None = None
    length: int = 0
    scale: float = 1.0
    offset: float = 0.0
    set_value_parameter: str = ""
    set_value_parameter_id: int | None = None
    write_address: int | None = None
    set_value: float | None = None
    min_value: float | None = None
    max_value: float | None = None
    range_low: float | None = None
    range_high: float | None = None
    sentinels: tuple[float, ...] = ()
    tolerance: float | None = None
    scan_interval_ms: int = 100
    is_writable: bool = False
    plc_symbol: str = ""
    coherence_group: str = ""

    @property
    def full_name(self) -> str:
        """``component/parameter``."""
        return f"{self.component}/{self.name}"

    @property
    def has_address(self) -> bool:
        """Whether kind, address and type are all given."""
        return self.register_kind is not None and self.address is not None and self.data_type is not None

    @property
    def is_configured(self) -> bool:
        """Whether it can be read; what is not configured makes no rows."""
        try:
            self.to_parameter()
        except DefinitionError:
            return False
        return True

    def to_parameter(self) -> Parameter:
        """The equipment side's view of it.

        Raises:
            DefinitionError: it cannot be read as it is defined.
        """
        if self.register_kind is None or self.address is None or self.data_type is None:
            raise DefinitionError(f"{self.full_name}: it has no address")
        return Parameter(
            parameter_id=self.id or 0,
            name=self.full_name,
            kind=self.register_kind,
            address=self.address,
            data_type=self.data_type,
            word_order=self.word_order,
            bit=self.bit,
            length=self.length,
            scale=self.scale,
            offset=self.offset,
            set_value_parameter_id=self.set_value_parameter_id,
            range_low=self.range_low,
            range_high=self.range_high,
            sentinels=self.sentinels,
            scan_interval_ms=self.scan_interval_ms,
            coherence_group=self.coherence_group,
        )


class DefinitionSet(BaseModel):
    """All active definitions of one machine."""

    model_config = ConfigDict(frozen=True)

    machine: str
    definitions: tuple[Definition, ...]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Another set; what was worked out of this one is not of that one."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("version", "readable"):
            copied.__dict__.pop(name, None)
        return copied

    @cached_property
    def version(self) -> str:
        """Hash of all that decides what is read and stored; the live set-value is no part of it."""
        content = [definition.model_dump(mode="json", exclude={"set_value"}) for definition in self.definitions]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def readable(self) -> tuple[Definition, ...]:
        """Those that can be read."""
        return tuple(definition for definition in self.definitions if definition.is_configured)

    def find(self, full_name: str) -> Definition | None:
        """The definition of ``component/parameter``, or None."""
        return next((definition for definition in self.definitions if definition.full_name == full_name), None)

    @classmethod
    def of_rows(cls, machine: str, rows: Iterable[Mapping[str, Any]]) -> Self:
        """Build a set from rows of the database.

        Raises:
            DefinitionsError: a row that cannot be.
        """
        try:
            return cls(machine=machine, definitions=tuple(Definition.model_validate(dict(row)) for row in rows))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise DefinitionsError(
                f"machine {machine!r}: a definition in the database cannot be used: {field}: {first['msg']}"
            ) from error


async def load_definitions(session: Session, machine: str, *, is_bulk: bool = True) -> DefinitionSet:
    """Load all active definitions of a machine, in one query.

    Args:
        session: where to ask.
        machine: whose.
        is_bulk: false asks once for each component: as many round trips more.

    Raises:
        DefinitionsError: none are there, or not all of them arrived.
        DatabaseError: the database cannot be asked.
    """
    if is_bulk:
        rows = await session.fetch("load_definitions", machine)
    else:
        rows = [
            row
            for component in await session.fetch("active_components", machine)
            for row in await session.fetch("load_definitions_of_component", machine, component["name"])
        ]
    if not rows:
        raise DefinitionsError(
            f"machine {machine!r} has no definitions; import them: ald-recorder definitions import FILE.csv"
        )
    expected = rows[0]["expected"]
    if len(rows) != expected:
        raise DefinitionsError(f"machine {machine!r}: {len(rows)} of {expected} definitions arrived")
    return DefinitionSet.of_rows(machine, rows)


def save_last_good(definitions: DefinitionSet, path: Path) -> None:
    """Keep a set on disk, so that the next start needs no database; replaces the file as a whole.

    A disk that refuses is logged: this start has its definitions, and recording must not wait for the next one's.
    """
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w", encoding="utf-8") as file:
            file.write(definitions.model_dump_json(indent=1))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        log.warning("last_good_copy_not_saved", file=str(path), reason=str(error))


def load_last_good(path: Path, machine: str) -> DefinitionSet | None:
    """Read the kept set; None where there is none, it is damaged, or it is of another machine."""
    try:
        kept = DefinitionSet.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if kept.machine == machine else None
