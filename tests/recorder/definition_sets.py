"""Definitions for tests, with what does not matter filled in."""

from pathlib import Path
from typing import Any

from hal.parameter import DataType, RegisterKind
from recorder.definitions.definitions import Definition
from tests.hal.parameters import REAL_MAP

__all__ = ["REAL_MAP", "definition", "write_csv"]

HEADER = "component,parameter,unit,modbus_type,modbus_address,data_type"


def definition(name: str = "pressure", address: int | None = 0, **fields: Any) -> Definition:
    """A readable holding register."""
    return Definition(
        **{
            "component": "chamber",
            "name": name,
            "register_kind": RegisterKind.HOLDING_REGISTER,
            "address": address,
            "data_type": DataType.UINT16,
            **fields,
        }
    )


def write_csv(folder: Path, *lines: str, header: str = HEADER) -> Path:
    """A definitions file."""
    path = folder / "map.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return path
