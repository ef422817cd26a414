"""A recorded trace: a CSV file with a header such as ``Chamber Pressure [Torr]`` and one row a moment."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from simulator.errors import TraceError

Values = npt.NDArray[np.float64]

_HEADER: Final = re.compile(r"(?P<name>.*?)\s*(?:\[(?P<square>[^\]]*)\]|\((?P<round>[^)]*)\))?")
_TIME_FORMATS: Final = ("%H:%M:%S.%f %m/%d/%Y", "%m/%d/%Y %H:%M:%S.%f", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S")
_ELAPSED: Final = re.compile(r"elapsed( time)?|time", re.IGNORECASE)
_SECONDS: Final = frozenset({"s", "sec", "seconds", ""})
_MOST_ROWS: Final = 2**32 - 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Column:
    """One signal of a trace.

    Attributes:
        header: as it stands in the file.
        name: without its unit.
        values: float64, shape ``(rows,)``.
        is_bit: whether it is 0 or 1 in every row.
        is_double: whether its values, as they are printed, are more than a float32 can hold.
    """

    header: str
    name: str
    unit: str
    values: Values
    is_bit: bool
    is_double: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Trace:
    """All of a file.

    Attributes:
        columns: the signals, without those that tell the time.
        elapsed_s: seconds since the first moment of the clock of the file, shape ``(rows,)``; never falls.
        lines: line of the file that each row ends on.
    """

    path: Path
    columns: tuple[Column, ...]
    elapsed_s: Values
    lines: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lines)

    @property
    def duration_s(self) -> float:
        """From the first row to the last."""
        return float(self.elapsed_s[-1] - self.elapsed_s[0])


def read_trace(path: Path) -> Trace:
    """Read a file.

    Raises:
        TraceError: it cannot be read, or a row of it is broken; names file and line.
    """
    header, rows, lines = _read_cells(path)
    elapsed: Values | None = None
    stamped: Values | None = None
    columns: list[Column] = []
    for index, text in enumerate(header):
        cells = [row[index] for row in rows]
        name, unit = split_header(text)
        parse_time = _time_format(cells[0])
        if parse_time is not None:
            stamped = _stamps(path, text, cells, lines, parse_time) if stamped is None else stamped
            continue
        values = _numbers(path, text, cells, lines)
        if elapsed is None and _ELAPSED.fullmatch(name) and unit in _SECONDS:
            elapsed = values
            continue
        columns.append(
            Column(
                header=text,
                name=name,
                unit=unit,
                values=values,
                is_bit=set(cells) <= {"0", "1"},
                is_double=_needs_double(cells, values),
            )
        )
    if not columns:
        raise TraceError(f"{path}, line 1: no column is a signal")
    times = elapsed if elapsed is not None else stamped
    if times is None:
        raise TraceError(
            f"{path}, line 1: no column tells the time; name one 'Elapsed Time [s]', or give it time stamps"
        )
    for row in range(1, len(lines)):
        if not times[row] >= times[row - 1]:
            raise TraceError(f"{path}, line {lines[row]}: the time is {times[row]:g} s, before that of the row above")
    return Trace(path=path, columns=tuple(columns), elapsed_s=times, lines=tuple(lines))


def split_header(text: str) -> tuple[str, str]:
    """Split ``Mass [ng/cm²]`` or ``Duration (s)`` into name and unit."""
    match = _HEADER.fullmatch(text.strip())
    if match is None or not match["name"]:
        return text.strip(), ""
    return match["name"], (match["square"] or match["round"] or "").strip()


def _read_cells(path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise TraceError(
                        f"{path}, line {reader.line_num}: {len(cells)} values where the header names {len(header)}"
                    )
                rows.append([cell.strip() for cell in cells])
                lines.append(reader.line_num)
    except csv.Error as fault:
        raise TraceError(f"{path}, line {reader.line_num}: not CSV: {fault}") from fault
    except (OSError, UnicodeDecodeError) as fault:
        raise TraceError(f"{path}: cannot be read: {getattr(fault, 'strerror', None) or fault}") from fault
    if not rows:
        raise TraceError(f"{path}: no rows in it")
    if len(rows) > _MOST_ROWS:
        raise TraceError(f"{path}: more rows than an index of 32 bits can count")
    for number, text in enumerate(header):
        if not text.strip() or text in header[:number]:
            raise TraceError(f"{path}, line 1: column {number + 1} has {'the' if text else 'no'} name {text!r} again")
    return header, rows, lines


def _numbers(path: Path, header: str, cells: Sequence[str], lines: Sequence[int]) -> Values:
    """Numbers of a column; NaN and an empty cell mean that there is none."""
    values = np.empty(len(cells), np.float64)
    for row, cell in enumerate(cells):
        try:
            values[row] = float(cell or "nan")
        except ValueError:
            raise TraceError(f"{path}, line {lines[row]}: {header!r} is {cell!r}, which is no number") from None
    return values


def _time_format(cell: str) -> Callable[[str], datetime] | None:
    """How to read a time stamp; None for what is none."""
    try:
        float(cell or "nan")
    except ValueError:
        pass
    else:
        return None
    parsers: list[Callable[[str], datetime]] = [datetime.fromisoformat]
    parsers += [lambda text, form=form: datetime.strptime(text, form) for form in _TIME_FORMATS]  # type: ignore[misc]  # noqa: DTZ007  (only differences are used)
    for parse in parsers:
        try:
            parse(cell)
        except ValueError:
            continue
        return parse
    return None


def _stamps(
    path: Path, header: str, cells: Sequence[str], lines: Sequence[int], parse: Callable[[str], datetime]
) -> Values:
    first = parse(cells[0])
    values = np.empty(len(cells), np.float64)
    for row, cell in enumerate(cells):
        try:
            values[row] = (parse(cell) - first).total_seconds()
        except (ValueError, TypeError):
            raise TraceError(f"{path}, line {lines[row]}: {header!r} is {cell!r}, which is no time stamp") from None
    return values


def _needs_double(cells: Sequence[str], values: Values) -> bool:
    """Whether float32 changes a value by more than half of its last printed digit."""
    with np.errstate(over="ignore"):
        error = np.abs(values.astype(np.float32).astype(np.float64) - values)
    digits = np.array([len(cell.partition(".")[2]) if "e" not in cell.lower() else 15 for cell in cells])
    return bool(np.any(error > 0.5 * 10.0**-digits))
