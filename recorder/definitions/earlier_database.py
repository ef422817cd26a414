"""Definitions out of the database of the recorder that this one replaces, under the names that it used.

Its tables are `machine_components` and `component_parameters`, its columns those of the CSV that its owner kept. What
its words mean here is written down in this file; a word that is not is refused by name, since a guess would be recorded
for years.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hal.parameter import RegisterKind, WordOrder
from recorder.database import Session, single_session
from recorder.database.dsn import describe_dsn
from recorder.definitions.file import TYPES, DefinitionFile, definitions_of_rows
from recorder.errors import DatabaseError, UsageError

_SAME: Final = (
    *("unit", "min_value", "max_value", "set_value", "is_writable", "modbus_type", "modbus_address", "data_type"),
    *("plc_symbol", "bit", "scale", "offset"),
)
COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {"name": "parameter", "parameter": "parameter", "parameter_name": "parameter"}
    | {"byte_order": "word_order", "word_order": "word_order"}
    | {name: name for name in _SAME}
)
"""Columns of its `component_parameters`, and those of our CSV that they are."""
WITHOUT_MEANING: Final = frozenset(
    {"id", "component_id", "current_value", "description", "is_active", "created_at", "updated_at"}
)
"""Columns that say nothing of how a parameter is read."""
KINDS: Final[Mapping[str, RegisterKind]] = MappingProxyType({kind.value: kind for kind in RegisterKind})
WORD_ORDERS: Final[Mapping[str, WordOrder]] = MappingProxyType(
    {"abcd": WordOrder.ABCD, "badc": WordOrder.CDAB, "dcba": WordOrder.DCBA}
)
"""Its `badc` exchanged the words and not the bytes in them, which is CDAB: seen on the real tool. What it did for
`cdab` is not known."""


async def read_earlier_database(
    dsn: str, *, schema: str = "public", word_order: WordOrder = WordOrder.CDAB, without: Collection[str] = ()
) -> DefinitionFile:
    """Read and examine the definitions of the earlier recorder; nothing there is changed.

    Args:
        dsn: of its database.
        schema: that holds its tables.
        word_order: of parameters that do not say their own.
        without: further columns that shall be passed over.

    Raises:
        UsageError: there are no such tables, or a column or word is unknown.
        DatabaseError: the database cannot be asked.
    """
    where = f"schema {schema} of {describe_dsn(dsn)}"
    async with single_session(dsn, schema) as session:
        rows = await _fetch(session, where)
    if not rows:
        raise UsageError(f"{where}: component_parameters is empty, or all of its components are out of service")
    _check_columns(rows[0], without, where)
    content = [(number, _as_csv(row, where)) for number, row in enumerate(rows, start=1)]
    return definitions_of_rows(Path(where), iter(content), word_order=word_order)


async def _fetch(session: Session, where: str) -> Sequence[Mapping[str, Any]]:
    [found] = await session.fetch("earlier_tables")
    if not found["are_there"]:
        raise UsageError(
            f"{where}: it has no tables machine_components and component_parameters; "
            "name the schema that has them with --from-schema"
        )
    try:
        rows = await session.fetch("earlier_definitions")
    except DatabaseError as error:
        raise UsageError(f"{where}: its tables are not those of the earlier recorder: {error}") from error
    return [{**json.loads(row["parameter"]), "component": row["component"]} for row in rows]


def _check_columns(row: Mapping[str, Any], without: Collection[str], where: str) -> None:
    known = COLUMNS.keys() | WITHOUT_MEANING | {"component"} | set(without)
    unknown = sorted(row.keys() - known)
    if unknown:
        raise UsageError(
            f"{where}: component_parameters has columns whose meaning is not known: {', '.join(unknown)}; "
            "where they say nothing of how a parameter is read, pass them over with --ignore-column"
        )
    if not any(COLUMNS.get(name) == "parameter" for name in row):
        raise UsageError(f"{where}: component_parameters has no column name, parameter or parameter_name")


def _as_csv(row: Mapping[str, Any], where: str) -> Mapping[str, str]:
    """A row as a line of our CSV says it."""
    fields = {"component": "", "parameter": "", "modbus_type": "", "modbus_address": "", "data_type": ""}
    fields |= {COLUMNS.get(name, name): _text(value) for name, value in row.items() if name in {*COLUMNS, "component"}}
    name = f"{fields['component']}/{fields['parameter']}"
    for column, words in _vocabularies():
        said = fields.get(column, "").lower()
        if not said:
            continue
        if said not in words:
            raise UsageError(
                f"{where}: {name}: {column} {said!r} is not known here; known are {', '.join(sorted(words))}; "
                "export the definitions as CSV, correct it there and import the file"
            )
        fields[column] = words[said]
    return fields


def _vocabularies() -> Iterator[tuple[str, Mapping[str, str]]]:
    yield "modbus_type", {name: kind.value for name, kind in KINDS.items()}
    yield "data_type", {name: name for name in TYPES if name != "ascii"}
    yield "word_order", {name: order.value for name, order in WORD_ORDERS.items()}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip()
