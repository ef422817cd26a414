"""File, database and last good copy side by side, since a recorder reads what it has and not what was meant. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recorder.definitions.definitions import Definition
from recorder.definitions.importing import COMPARED

ABSENT: Final = "absent"
"""Stands where a source lacks the parameter."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One field of a parameter in which sources differ.

    Attributes:
        field: empty where the whole parameter is missing somewhere.
        values: by source, in its order.
    """

    parameter: str
    field: str
    values: Mapping[str, Any]


def difference(sources: Mapping[str, Sequence[Definition]]) -> list[Difference]:
    """Compare any number of sources, field by field, in the order of names.

    Args:
        sources: name to active definitions; set-values in the tool are compared by name.
    """
    tables = {name: {d.full_name: d for d in _named(definitions)} for name, definitions in sources.items()}
    found: list[Difference] = []
    for full_name in sorted({full_name for table in tables.values() for full_name in table}):
        held = {name: table.get(full_name) for name, table in tables.items()}
        if None in held.values():
            values = {name: ABSENT if definition is None else "there" for name, definition in held.items()}
            found.append(Difference(parameter=full_name, field="", values=values))
        there = {name: definition for name, definition in held.items() if definition is not None}
        for field in COMPARED:
            values = {name: getattr(definition, field) for name, definition in there.items()}
            if len({repr(value) for value in values.values()}) > 1:
                shown = {name: values.get(name, ABSENT) for name in sources}
                found.append(Difference(parameter=full_name, field=field, values=shown))
    return found


def _named(definitions: Sequence[Definition]) -> list[Definition]:
    """Fill in the name of a set-value that is known by id alone."""
    names = {d.id: d.full_name for d in definitions if d.id is not None}
    return [
        d.model_copy(update={"set_value_parameter": names.get(d.set_value_parameter_id, "")})
        if not d.set_value_parameter and d.set_value_parameter_id is not None
        else d
        for d in definitions
    ]
