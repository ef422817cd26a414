"""Which column of a trace is served where: made from the header, written as a definitions file, and read again.

The file has the columns that ``ald-recorder definitions import`` takes; ``plc_symbol`` holds the column's header, or
the name of what replay adds: the row's index, its time, and whether the trace is at its end.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from simulator.errors import TraceError
from simulator.trace import Column, Trace

ROW_INDEX: Final = "row index"
ELAPSED: Final = "elapsed"
FINISHED: Final = "finished"
ROWS: Final = "rows"
ADDED: Final = (ELAPSED, ROWS, FINISHED, ROW_INDEX)
"""What replay adds, in the order of its addresses: behind all columns, so that the index is read last."""
COMPONENT: Final = "Trace"
"""Of every column whose header names none."""
DEFAULT_INTERVAL_MS: Final = 100
_ADDED_TYPES: Final = {
    ELAPSED: (DataType.FLOAT64, "s"),
    ROWS: (DataType.UINT32, ""),
    FINISHED: (DataType.UINT16, ""),
    ROW_INDEX: (DataType.UINT32, ""),
}
_FILE_COLUMNS: Final = (
    *("component", "parameter", "unit", "min_value", "max_value", "set_value", "current_value", "is_writable"),
    *("modbus_type", "modbus_address", "data_type", "plc_symbol", "word_order", "bit", "scale", "offset"),
    *("sentinels", "scan_interval_ms"),
)
_REQUIRED: Final = ("component", "parameter", "modbus_type", "modbus_address", "data_type", "plc_symbol")


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """One line of the map.

    Attributes:
        source: header of the trace's column, or one of `ADDED`.
        origin: file and line, for messages.
    """

    parameter: Parameter
    unit: str
    source: str
    origin: str = ""


def make_map(trace: Trace, *, sentinel: float | None = None) -> tuple[Served, ...]:
    """Give every column of a trace an address.

    0 and 1 become discrete inputs, everything else floats in input registers, in the order of the file.

    Args:
        trace: what is to be served.
        sentinel: the number that stands for NaN; None is the float's own NaN.
    """
    taken: set[str] = set()
    served: list[Served] = []
    next_bit, next_word = 0, 0
    for column in trace.columns:
        name = _free_name(column, taken)
        if column.is_bit:
            kind, address, data_type = RegisterKind.DISCRETE_INPUT, next_bit, DataType.BINARY
            next_bit += 1
        else:
            data_type = DataType.FLOAT64 if column.is_double else DataType.FLOAT32
            kind, address = RegisterKind.INPUT_REGISTER, next_word
            next_word += data_type.words
        served.append(
            Served(
                parameter=Parameter(
                    parameter_id=len(served) + 1,
                    name=name,
                    kind=kind,
                    address=address,
                    data_type=data_type,
                    sentinels=() if sentinel is None or column.is_bit else (sentinel,),
                    scan_interval_ms=DEFAULT_INTERVAL_MS,
                ),
                unit="boolean" if column.is_bit else column.unit,
                source=column.header,
            )
        )
    for source in ADDED:
        data_type, unit = _ADDED_TYPES[source]
        parameter = Parameter(
            parameter_id=len(served) + 1,
            name=f"Replay/{source.replace(' ', '_')}",
            kind=RegisterKind.INPUT_REGISTER,
            address=next_word,
            data_type=data_type,
            scan_interval_ms=DEFAULT_INTERVAL_MS,
        )
        next_word += data_type.words
        served.append(Served(parameter=parameter, unit=unit, source=source))
    return tuple(served)


def write_map(path: Path, served: Sequence[Served]) -> None:
    """Write a map for people to edit and for the recorder to import.

    Raises:
        TraceError: the file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _FILE_COLUMNS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(_line(each) for each in served)
    except OSError as fault:
        raise TraceError(
            f"{path}: the map cannot be written: {fault.strerror or fault}; name a place by --map"
        ) from fault


def read_map(path: Path, trace: Trace) -> tuple[Served, ...]:
    """Read a map that somebody may have edited; columns that it leaves out are not served.

    Raises:
        TraceError: it does not fit the trace; names file and line.
    """
    sources = {column.header for column in trace.columns} | set(ADDED)
    served: list[Served] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise TraceError(f"{path}, line 1: the column {missing[0]} is missing")
            for row in reader:
                origin = f"{path}, line {reader.line_num}"
                try:
                    each = _served(row, len(served) + 1, origin)
                except (DefinitionError, ValueError, TypeError) as fault:
                    raise TraceError(f"{origin}: {fault}") from fault
                if each.source not in sources:
                    raise TraceError(f"{origin}: {trace.path.name} has no column {each.source!r}")
                served.append(each)
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise TraceError(f"{path}: cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault
    if not any(each.source == ROW_INDEX for each in served):
        raise TraceError(f"{path}: no line has plc_symbol {ROW_INDEX!r}, and its reading is what ends a scan")
    return tuple(served)


def _free_name(column: Column, taken: set[str]) -> str:
    component, slash, parameter = column.name.partition("/")
    base = f"{component}/{parameter}" if slash and component and parameter else f"{COMPONENT}/{column.name}"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base} {number}"
    taken.add(name)
    return name


def _line(served: Served) -> dict[str, object]:
    parameter = served.parameter
    component, _, name = parameter.name.partition("/")
    return {
        "component": component,
        "parameter": name,
        "unit": served.unit,
        "is_writable": "false",
        "modbus_type": parameter.kind.value,
        "modbus_address": parameter.address,
        "data_type": parameter.data_type.value,
        "plc_symbol": served.source,
        "word_order": parameter.word_order.value,
        "bit": "" if parameter.bit is None else parameter.bit,
        "sentinels": " ".join(f"{sentinel!r}" for sentinel in parameter.sentinels),
        "scan_interval_ms": parameter.scan_interval_ms,
    }


def _served(row: Mapping[str, str], parameter_id: int, origin: str) -> Served:
    return Served(
        parameter=Parameter(
            parameter_id=parameter_id,
            name=f"{row['component'].strip()}/{row['parameter'].strip()}",
            kind=RegisterKind(row["modbus_type"].strip()),
            address=int(row["modbus_address"]),
            data_type=_data_type(row["data_type"].strip()),
            word_order=WordOrder((row.get("word_order") or "").strip() or WordOrder.ABCD),
            bit=int(row["bit"]) if (row.get("bit") or "").strip() else None,
            scale=float(row.get("scale") or 1.0),
            offset=float(row.get("offset") or 0.0),
            sentinels=tuple(float(text) for text in (row.get("sentinels") or "").replace(";", " ").split()),
            scan_interval_ms=int(row.get("scan_interval_ms") or DEFAULT_INTERVAL_MS),
        ),
        unit=row.get("unit") or "",
        source=row["plc_symbol"].strip(),
        origin=origin,
    )


def _data_type(text: str) -> DataType:
    data_type = {"float": DataType.FLOAT32, "double": DataType.FLOAT64, "bool": DataType.BINARY}.get(text)
    data_type = data_type or DataType(text)
    if data_type is DataType.ASCII:
        raise ValueError("a trace has no texts, so a column cannot be ascii")
    return data_type
