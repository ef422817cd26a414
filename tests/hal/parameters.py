"""Parameters for the tests of hal, with what does not matter filled in."""

import csv
from pathlib import Path
from typing import Any

import pytest

from hal.parameter import DataType, Parameter, RegisterKind, WordOrder

REAL_MAP = Path(__file__).parents[2].parent / "shared" / "data" / "ald_plc_map.csv"
"""The parameter map of a real ALD tool; not part of the project."""


def holding(parameter_id: int, address: int, data_type: DataType = DataType.UINT16, **fields: Any) -> Parameter:
    """A holding register parameter."""
    return make(parameter_id, RegisterKind.HOLDING_REGISTER, address, data_type, **fields)


def coil(parameter_id: int, address: int, **fields: Any) -> Parameter:
    """A coil."""
    return make(parameter_id, RegisterKind.COIL, address, DataType.BINARY, **fields)


def make(parameter_id: int, kind: RegisterKind, address: int, data_type: DataType, **fields: Any) -> Parameter:
    """A parameter of any kind."""
    return Parameter(
        parameter_id=parameter_id,
        name=fields.pop("name", f"test/{parameter_id}"),
        kind=kind,
        address=address,
        data_type=data_type,
        **fields,
    )


def real_parameters() -> list[Parameter]:
    """The 110 addressed parameters of the real tool; skips the test where its map is not there."""
    if not REAL_MAP.exists():
        pytest.skip(f"the real tool's map is not on this machine ({REAL_MAP.name} in ../shared/data)")
    with REAL_MAP.open(newline="", encoding="utf-8") as lines:
        return [
            make(
                number,
                RegisterKind(row["modbus_type"]),
                int(row["modbus_address"]),
                DataType(row["data_type"].replace("float", "float32")),
                word_order=WordOrder.CDAB,
            )
            for number, row in enumerate(csv.DictReader(lines), start=1)
            if row["modbus_address"]
        ]
