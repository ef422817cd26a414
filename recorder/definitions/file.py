"""Definitions as a CSV file: the columns that an engineer keeps in a spreadsheet."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final

from hal.parameter import LAST_ADDRESS, DataType, RegisterKind, WordOrder
from recorder.definitions.definitions import Definition
from recorder.definitions.findings import Finding, Located, Severity, examine
from recorder.errors import UsageError

REQUIRED_COLUMNS: Final = ("component", "parameter", "modbus_type", "modbus_address", "data_type")
KNOWN_COLUMNS: Final = (
    *("component", "parameter", "unit", "min_value", "max_value", "set_value", "current_value", "is_writable"),
    *("modbus_type", "modbus_address", "data_type", "plc_symbol", "device", "word_order", "bit", "scale", "offset"),
    *("write_address", "set_value_parameter", "range_low", "range_high", "sentinels", "tolerance"),
    *("scan_interval_ms", "coherence_group"),
)
TYPES: Final = {"float": DataType.FLOAT32, "double": DataType.FLOAT64, "bool": DataType.BINARY} | {
    data_type.value: data_type for data_type in DataType
}
"""Words for data types; text is ascii with its length in words."""
_TRUE: Final = frozenset({"true", "1", "yes", "t"})
_FALSE: Final = frozenset({"false", "0", "no", "f", ""})
_MOST_TEXT_WORDS: Final = 125


class _FaultError(Exception):
    """A field that cannot be understood at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionFile:
    """What a file says, and what is wrong with it.

    Attributes:
        definitions: one a parameter; ids are not known yet.
        findings: faults by name, in order of line.
    """

    path: Path
    definitions: tuple[Definition, ...]
    findings: tuple[Finding, ...]


def read_definition_file(path: Path, *, word_order: WordOrder = WordOrder.CDAB) -> DefinitionFile:
    """Read and examine a definitions file.

    Args:
        path: CSV with a header; columns are `KNOWN_COLUMNS`, of which `REQUIRED_COLUMNS` must be there.
        word_order: of rows that do not say their own.

    Raises:
        UsageError: the file cannot be understood; the message names file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; give the path of a CSV file of definitions") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8 text; save it as CSV UTF-8; nothing was imported") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}; give the path of a CSV file") from error
    return definitions_of_rows(path, _rows(path, text), word_order=word_order)


def definitions_of_rows(
    path: Path, rows: Iterator[tuple[int, Mapping[str, str]]], *, word_order: WordOrder
) -> DefinitionFile:
    """Examine rows, wherever they come from.

    Args:
        path: what messages call the place.
        rows: line and fields by column; those of `REQUIRED_COLUMNS` are there.
        word_order: of rows that do not say their own.

    Raises:
        UsageError: a row cannot be understood; the message names place, line and column.
    """
    located: dict[str, Located] = {}
    findings: list[Finding] = []
    faults: list[str] = []
    for line, row in rows:
        try:
            item = Located(definition=_definition(row, line, word_order, findings), line=line)
        except _FaultError as fault:
            faults.append(f"{path}:{line}: {fault}")
            continue
        name = item.definition.full_name
        if name in located:
            message = f"line {located[name].line} defines it already; this line is not used"
            findings.append(
                Finding(code="duplicate_name", severity=Severity.ERROR, parameter=name, line=line, message=message)
            )
            continue
        located[name] = item
    if faults:
        more = f" (and {len(faults) - 1} more lines with faults)" if len(faults) > 1 else ""
        raise UsageError(f"{faults[0]}{more}; nothing was imported")
    if not located:
        raise UsageError(f"{path}: it has a header but no parameters; add a line for each")
    findings += examine(list(located.values()))
    return DefinitionFile(
        path=path,
        definitions=tuple(_usable(item.definition, located) for item in located.values()),
        findings=tuple(sorted(findings, key=lambda finding: (finding.line, finding.code))),
    )


def _usable(definition: Definition, located: Mapping[str, Located]) -> Definition:
    """Without what cannot be: an impossible place, a set-value that nobody shows."""
    changes: dict[str, Any] = {}
    if definition.has_address and not definition.is_configured:
        changes = {"register_kind": None, "address": None, "data_type": None, "length": 0, "bit": None}
        changes["scale"] = definition.scale or 1.0
    if definition.set_value_parameter not in located:
        changes["set_value_parameter"] = ""
    return definition.model_copy(update=changes) if changes else definition


def _rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    # not splitlines(): a form feed or a Unicode line separator in a field ends no line
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for fields in reader:
            if not any(field.strip() for field in fields):
                continue
            if not header:
                header = [field.strip() for field in fields]
                _check_header(path, header)
                continue
            if len(fields) != len(header):
                raise UsageError(
                    f"{path}:{reader.line_num}: {len(fields)} fields instead of {len(header)}; "
                    "is a comma missing or not quoted? nothing was imported"
                )
            yield reader.line_num, {name: field.strip() for name, field in zip(header, fields, strict=True)}
    except csv.Error as error:
        raise UsageError(
            f"{path}:{reader.line_num}: not CSV: {error}; is a quote not closed? nothing was imported"
        ) from error
    if not header:
        raise UsageError(f"{path}: the file is empty; its first line must name the columns")


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    if missing:
        raise UsageError(
            f"{path}:1: column {missing[0]} is missing; the first line must name the columns, "
            f"at least {', '.join(REQUIRED_COLUMNS)}"
        )
    unknown = [name for name in header if name not in KNOWN_COLUMNS]
    if unknown:
        raise UsageError(f"{path}:1: there is no column {unknown[0]!r}; columns are {', '.join(KNOWN_COLUMNS)}")
    twice = [name for name in KNOWN_COLUMNS if header.count(name) > 1]
    if twice:
        raise UsageError(f"{path}:1: column {twice[0]} is there twice; rename or remove one")


def _definition(row: Mapping[str, str], line: int, word_order: WordOrder, findings: list[Finding]) -> Definition:
    for column in ("component", "parameter"):
        if not row[column]:
            raise _FaultError(f"{column} is empty")
    name = f"{row['component']}/{row['parameter']}"

    def doubt(code: str, message: str) -> None:
        findings.append(
            Finding(code=code, severity=Severity.ERROR, parameter=name, line=line, message=f"{message}; it is not read")
        )

    place = _place(row, doubt)
    return Definition(
        component=row["component"],
        name=row["parameter"],
        unit=row.get("unit", ""),
        device=row.get("device") or "plc",
        word_order=_word_order(row, word_order),
        scale=_number(row, "scale", 1.0),
        offset=_number(row, "offset", 0.0),
        set_value_parameter=row.get("set_value_parameter", ""),
        write_address=_whole(row, "write_address", 0, LAST_ADDRESS),
        set_value=_number(row, "set_value"),
        min_value=_number(row, "min_value"),
        max_value=_number(row, "max_value"),
        range_low=_number(row, "range_low"),
        range_high=_number(row, "range_high"),
        sentinels=_sentinels(row),
        tolerance=_number(row, "tolerance"),
        scan_interval_ms=_whole(row, "scan_interval_ms", 5, 3_600_000) or 100,
        is_writable=_boolean(row, "is_writable"),
        plc_symbol=row.get("plc_symbol", ""),
        coherence_group=row.get("coherence_group", ""),
        **place,
    )


def _place(row: Mapping[str, str], doubt: Any) -> dict[str, Any]:
    """Kind, address and type; empty where one of them is missing or cannot be."""
    kind_text, address_text, type_text = (row[c].lower() for c in ("modbus_type", "modbus_address", "data_type"))
    if not (kind_text and address_text and type_text):
        return {}
    if kind_text not in set(RegisterKind):
        doubt("unknown_kind", f"modbus_type {kind_text!r} is none of {', '.join(RegisterKind)}")
        return {}
    type_name, _, length_text = type_text.partition(":")
    if type_name not in TYPES:
        doubt("unknown_type", f"data_type {type_text!r} is none of {', '.join(sorted(TYPES))}, ascii:N")
        return {}
    if not address_text.isdecimal() or int(address_text) > LAST_ADDRESS:
        doubt("impossible_address", f"address {address_text} is not one of 0…{LAST_ADDRESS}")
        return {}
    length = int(length_text) if length_text.isdecimal() else 0
    if (type_name == "ascii") != (0 < length <= _MOST_TEXT_WORDS):
        doubt("unknown_type", f"data_type {type_text!r}: text is ascii:N with N words of two characters, 1…125")
        return {}
    return {
        "register_kind": RegisterKind(kind_text),
        "address": int(address_text),
        "data_type": TYPES[type_name],
        "length": length,
        "bit": _whole(row, "bit", 0, 15),
    }


def _number(row: Mapping[str, str], column: str, default: float | None = None) -> Any:
    text = row.get(column, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        raise _FaultError(f"{column}: {text!r} is no number") from None
    if not isfinite(value):
        raise _FaultError(f"{column}: {text!r} is no finite number")
    return value


def _whole(row: Mapping[str, str], column: str, low: int, high: int) -> int | None:
    text = row.get(column, "")
    if not text:
        return None
    if not text.isdecimal() or not low <= int(text) <= high:
        raise _FaultError(f"{column}: {text!r} is no whole number from {low} to {high}")
    return int(text)


def _boolean(row: Mapping[str, str], column: str) -> bool:
    text = row.get(column, "").lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise _FaultError(f"{column}: {text!r} is neither true nor false")


def _word_order(row: Mapping[str, str], default: WordOrder) -> WordOrder:
    text = row.get("word_order", "").upper()
    if not text:
        return default
    try:
        return WordOrder(text)
    except ValueError:
        raise _FaultError(f"word_order: {text!r} is none of {', '.join(WordOrder)}") from None


def _sentinels(row: Mapping[str, str]) -> tuple[float, ...]:
    texts = row.get("sentinels", "").replace(";", " ").split()
    try:
        sentinels = tuple(float(int(text, 16)) if text.lower().startswith("0x") else float(text) for text in texts)
    except (ValueError, OverflowError):
        sentinels = (nan,)
    if not all(isfinite(sentinel) for sentinel in sentinels):
        raise _FaultError(f"sentinels: {row['sentinels']!r} are not numbers separated by spaces")
    return sentinels
