"""Definitions as the CSV that `recorder.definitions.file` reads: what comes out goes in again unchanged."""

import csv
from collections.abc import Iterable
from pathlib import Path

from hal.parameter import DataType
from recorder.definitions.definitions import Definition
from recorder.definitions.file import KNOWN_COLUMNS
from recorder.errors import UsageError

_COLUMNS = tuple(name for name in KNOWN_COLUMNS if name != "current_value")


def write_definition_file(path: Path, definitions: Iterable[Definition]) -> None:
    """Write a definitions file; an old one is replaced.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=_COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(to_row(definition) for definition in definitions)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def to_row(definition: Definition) -> dict[str, str]:
    """One row by column; what is not set is empty."""
    d = definition
    data_type = f"ascii:{d.length}" if d.data_type is DataType.ASCII else _text(d.data_type)
    return {
        "component": d.component,
        "parameter": d.name,
        "unit": d.unit,
        "min_value": _text(d.min_value),
        "max_value": _text(d.max_value),
        "set_value": _text(d.set_value),
        "is_writable": "true" if d.is_writable else "false",
        "modbus_type": _text(d.register_kind),
        "modbus_address": _text(d.address),
        "data_type": data_type,
        "plc_symbol": d.plc_symbol,
        "device": d.device,
        "word_order": str(d.word_order),
        "bit": _text(d.bit),
        "scale": _text(d.scale),
        "offset": _text(d.offset),
        "write_address": _text(d.write_address),
        "set_value_parameter": d.set_value_parameter,
        "range_low": _text(d.range_low),
        "range_high": _text(d.range_high),
        "sentinels": " ".join(_text(value) for value in d.sentinels),
        "tolerance": _text(d.tolerance),
        "scan_interval_ms": _text(d.scan_interval_ms),
        "coherence_group": d.coherence_group,
    }


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)
