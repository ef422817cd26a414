"""Definitions from a file into the database: what would change, and all of it in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hal.plan import PlanLimits, ReadPlan, plans_by_interval
from recorder.database import Session
from recorder.definitions.definitions import Definition
from recorder.definitions.file import DefinitionFile
from recorder.errors import UsageError

ROW_BYTES: Final = 73
"""A row of points on disk: 60 bytes without and 68 with a set-value, and 9 of indexes; measured on PostgreSQL 18.6 with
two million rows of 110 parameters at 10 Hz (pg_relation_size, pg_indexes_size)."""
_DAY_MS: Final = 86_400_000
COMPARED: Final = (
    *("unit", "device", "register_kind", "address", "data_type", "word_order", "bit", "length", "scale", "offset"),
    *("write_address", "min_value", "max_value", "range_low", "range_high", "sentinels", "tolerance"),
    *("scan_interval_ms", "is_writable", "plc_symbol", "set_value_parameter", "coherence_group"),
)
"""Fields in which two definitions of one parameter can differ; the live set-value is no part of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Changed:
    """A definition that the file changes.

    Attributes:
        fields: field name to its value before and in the file.
    """

    definition: Definition
    fields: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """What an import would do.

    Attributes:
        removed: in the database but not in the file; they are taken out of service, their points stay.
    """

    added: tuple[Definition, ...] = ()
    changed: tuple[Changed, ...] = ()
    removed: tuple[Definition, ...] = ()
    removed_ids: tuple[int, ...] = field(default=(), repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether database and file agree."""
        return not (self.added or self.changed or self.removed)


async def compare(
    session: Session, machine: str, definitions: Sequence[Definition], *, device: str | None = None
) -> Comparison:
    """Set a file against the database.

    Args:
        session: where to ask.
        machine: whose definitions.
        definitions: what the file says.
        device: the only device that the file is about, so that all others keep theirs; None where it is the whole tool.

    Raises:
        DatabaseError: the database cannot be asked.
        UsageError: the file would take a parameter from another device.
    """
    stored = {
        f"{row['component']}/{row['name']}": (row["is_active"], _stored(row))
        for row in await session.fetch("all_definitions", machine)
    }
    added, changed = [], []
    for definition in definitions:
        is_active, before = stored.pop(definition.full_name, (False, None))
        if before is None or not is_active:
            added.append(definition)
            continue
        if device is not None and before.device != device:
            raise UsageError(
                f"{definition.full_name} is read from device {before.device!r} already; "
                "give this one a component of its own with --component; nothing was imported"
            )
        fields = {
            name: (getattr(before, name), getattr(definition, name))
            for name in COMPARED
            if getattr(before, name) != getattr(definition, name)
        }
        if fields:
            changed.append(Changed(definition=definition, fields=fields))
    removed = [before for is_active, before in stored.values() if is_active and device in {None, before.device}]
    return Comparison(
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        removed_ids=tuple(before.id for before in removed if before.id is not None),
    )


def _stored(row: Any) -> Definition:
    return Definition.model_validate({**row, "set_value_parameter": row["set_value_parameter"] or ""})


async def write(session: Session, machine: str, file: DefinitionFile, *, device: str | None = None) -> Comparison:
    """Bring the database to what the file says, all of it or nothing; live set-values are left alone.

    Args:
        session: where to write.
        machine: whose definitions.
        file: what it says.
        device: the only device that the file is about; see `compare`.

    Raises:
        DatabaseError: nothing was changed.
        UsageError: the file would take a parameter from another device; nothing was changed.
    """
    async with session.transaction():
        comparison = await compare(session, machine, file.definitions, device=device)
        if comparison.is_empty:
            return comparison
        machine_row = await session.fetch_one("upsert_machine", machine)
        assert machine_row is not None
        machine_id = machine_row["id"]
        components = sorted({definition.component for definition in file.definitions})
        await session.execute("upsert_components", machine_id, components)
        touched = [*comparison.added, *(change.definition for change in comparison.changed)]
        await session.execute_many("upsert_parameter", [_arguments(machine_id, d) for d in touched])
        shown_by = {definition.full_name: (definition.component, definition.name) for definition in file.definitions}
        await session.execute_many(
            "link_set_value_parameter",
            [(machine_id, d.component, d.name, *shown_by.get(d.set_value_parameter, (None, None))) for d in touched],
        )
        if comparison.removed_ids:
            await session.execute("deactivate_parameters", list(comparison.removed_ids))
    return comparison


def _arguments(machine_id: int, d: Definition) -> tuple[object, ...]:
    place = (d.register_kind, d.address, d.data_type) if d.is_configured else (None, None, None)
    return (
        *(machine_id, d.component, d.name, d.unit, d.device, *place, d.word_order, d.bit, d.length, d.scale, d.offset),
        *(d.write_address, d.set_value, d.min_value, d.max_value, d.range_low, d.range_high, list(d.sentinels)),
        *(d.tolerance, d.scan_interval_ms, d.is_writable, d.plc_symbol, d.coherence_group),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What recording a set of definitions costs.

    Attributes:
        plans: device and scan interval in milliseconds to its read plan.
        requests_per_scan: requests of one pass over all plans.
        rows_per_day: points stored a day.
        bytes_per_day: disk that they take, with indexes.
    """

    plans: dict[tuple[str, int], ReadPlan]
    requests_per_scan: int
    rows_per_day: int
    bytes_per_day: int


def estimate(definitions: Sequence[Definition], limits: dict[str, PlanLimits]) -> Load:
    """Work out read plans, rows and bytes.

    Args:
        definitions: those that are not configured count for nothing.
        limits: by device; a device that is not named gets the default.
    """
    numbered = [
        definition.model_copy(update={"id": definition.id or number})
        for number, definition in enumerate(definitions, start=1)
        if definition.is_configured
    ]
    ids = {definition.full_name: definition.id for definition in numbered}
    numbered = [d.model_copy(update={"set_value_parameter_id": ids.get(d.set_value_parameter)}) for d in numbered]
    plans: dict[tuple[str, int], ReadPlan] = {}
    for device in sorted({definition.device for definition in numbered}):
        parameters = [d.to_parameter() for d in numbered if d.device == device]
        for interval_ms, plan in plans_by_interval(parameters, limits=limits.get(device, PlanLimits())).items():
            plans[device, interval_ms] = plan
    rows = sum(len(plan.rows) * (_DAY_MS / interval_ms) for (_, interval_ms), plan in plans.items())
    return Load(
        plans=plans,
        requests_per_scan=sum(len(plan.blocks) for plan in plans.values()),
        rows_per_day=round(rows),
        bytes_per_day=round(rows * ROW_BYTES),
    )
