"""The tool's register map: the same definitions file that a user imports into the recorder."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from simulator.errors import MapError

_TYPE_NAMES: Final = {"float": DataType.FLOAT32}
"""Names of the file that are not names of `DataType`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """One line of the file: a parameter, and what a write to it may be.

    Attributes:
        min_value: lowest value that a write may have; None where the file gives none.
        max_value: highest value that a write may have.
    """

    parameter: Parameter
    unit: str
    min_value: float | None
    max_value: float | None
    is_writable: bool

    def permits(self, value: float) -> bool:
        """Whether a value lies within the limits; NaN never does."""
        low = -float("inf") if self.min_value is None else self.min_value
        high = float("inf") if self.max_value is None else self.max_value
        return low <= value <= high


def definitions_path() -> Path:
    """Path of the definitions file of the simulated tool."""
    return Path(__file__).parent / "definitions" / "ald_tool.csv"


def load(path: Path) -> tuple[Definition, ...]:
    """Read a definitions file.

    Raises:
        MapError: a missing file, column or value, or one that cannot be; names file and line.
    """
    definitions: list[Definition] = []
    names: set[str] = set()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            header = next(rows, [])
            for cells in rows:
                try:
                    definition = _definition(_row(header, cells), parameter_id=len(definitions) + 1)
                except (DefinitionError, KeyError, ValueError) as fault:
                    raise MapError(f"{path}, line {rows.line_num}: {_reason(fault)}") from fault
                if definition.parameter.name in names:
                    raise MapError(f"{path}, line {rows.line_num}: {definition.parameter.name} is there twice")
                names.add(definition.parameter.name)
                definitions.append(definition)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise MapError(f"{path}: {fault}") from fault
    if not definitions:
        raise MapError(f"{path}: no parameters in it")
    return tuple(definitions)


def _row(header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} values where the header names {len(header)} columns")
    return dict(zip(header, cells, strict=True))


def _definition(row: Mapping[str, str], *, parameter_id: int) -> Definition:
    data_type, length = _data_type(row["data_type"])
    return Definition(
        parameter=Parameter(
            parameter_id=parameter_id,
            name=f"{row['component']}/{row['parameter']}",
            kind=RegisterKind(row["modbus_type"]),
            address=int(row["modbus_address"]),
            data_type=data_type,
            length=length,
            word_order=WordOrder(row.get("word_order") or WordOrder.ABCD),
            scale=float(row.get("scale") or 1.0),
            offset=float(row.get("offset") or 0.0),
            scan_interval_ms=int(row.get("scan_interval_ms") or 100),
        ),
        unit=row["unit"],
        min_value=_number(row["min_value"]),
        max_value=_number(row["max_value"]),
        is_writable=_flag(row["is_writable"]),
    )


def _data_type(text: str) -> tuple[DataType, int]:
    name, _, length = text.partition(":")
    return _TYPE_NAMES.get(name) or DataType(name), int(length or 0)


def _number(text: str) -> float | None:
    return float(text) if text else None


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"is_writable is {text!r}, neither true nor false")
    return text == "true"


def _reason(fault: Exception) -> str:
    return f"the column {fault} is missing" if isinstance(fault, KeyError) else str(fault)
