"""Points as text: one line each, as CSV or NDJSON. Pure: it is given rows and makes bytes.

Here rather than in PostgreSQL, where to format a time takes longer than to read the row.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from hal.quality import Quality

COLUMNS: Final = (
    *("timestamp", "parameter_id", "component", "parameter", "unit", "value", "set_value", "quality", "quality_code"),
)


class PointFormat(StrEnum):
    """How points are written down."""

    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def media_type(self) -> str:
        """As HTTP calls it."""
        return "text/csv" if self is PointFormat.CSV else "application/x-ndjson"


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterName:
    """What a parameter is called, and its unit."""

    id: int
    component: str
    parameter: str
    unit: str

    @property
    def full(self) -> str:
        """As commands and configuration name it."""
        return f"{self.component}/{self.parameter}"


PointRow = Sequence[Any]
"""Time stamp (aware, UTC), parameter id, value, set-value, quality code."""


class PointWriter(Protocol):
    """Makes text of points, batch after batch."""

    def head(self) -> bytes:
        """What comes before the first point."""
        ...

    def lines(self, rows: Iterable[PointRow]) -> bytes:
        """A line a point."""
        ...


def point_writer(form: PointFormat, names: Mapping[int, ParameterName]) -> PointWriter:
    """The writer of a format; `names` by id, a parameter that is not among them has its id alone."""
    return CsvPoints(names) if form is PointFormat.CSV else NdjsonPoints(names)


class CsvPoints:
    """RFC 4180, but with plain line feeds; NULL is empty, and what is no number is nan or inf."""

    def __init__(self, names: Mapping[int, ParameterName]) -> None:
        self._times = _Times()
        self._names = {
            name.id: _csv_line([str(name.id), name.component, name.parameter, name.unit]) for name in names.values()
        }
        self._qualities = {code: f"{_word(code)},{code:d}" for code in Quality}

    def head(self) -> bytes:
        """The names of the columns."""
        return (",".join(COLUMNS) + "\n").encode()

    def lines(self, rows: Iterable[PointRow]) -> bytes:
        """A line a point."""
        names, qualities, text = self._names, self._qualities, self._times.text
        lines = [
            f"{text(moment)},{names.get(parameter) or f'{parameter},,,'},"
            f"{'' if value is None else value},{'' if set_value is None else set_value},"
            f"{qualities.get(quality) or f'unknown,{quality}'}\n"
            for moment, parameter, value, set_value, quality in rows
        ]
        return "".join(lines).encode()


class NdjsonPoints:
    """A JSON object a line; what is no number is null, since JSON has no word for it."""

    def __init__(self, names: Mapping[int, ParameterName]) -> None:
        self._times = _Times()
        self._names = {
            name.id: json.dumps(
                {"parameter_id": name.id, "component": name.component, "parameter": name.parameter, "unit": name.unit},
                ensure_ascii=False,
            )[1:-1]
            for name in names.values()
        }
        self._qualities = {code: f'"quality": "{_word(code)}", "quality_code": {code:d}' for code in Quality}

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def lines(self, rows: Iterable[PointRow]) -> bytes:
        """A line a point."""
        names, qualities, text = self._names, self._qualities, self._times.text
        lines = [
            f'{{"timestamp": "{text(moment)}", {names.get(parameter) or _unnamed(parameter)}, '
            f'"value": {_json_number(value)}, "set_value": {_json_number(set_value)}, '
            f"{qualities.get(quality) or _unknown(quality)}}}\n"
            for moment, parameter, value, set_value, quality in rows
        ]
        return "".join(lines).encode()


class _Times:
    """Time stamps as text; the parameters of a block share theirs, and it is made once."""

    def __init__(self) -> None:
        self._last: datetime | None = None
        self._text = ""

    def text(self, moment: datetime) -> str:
        if moment != self._last:
            self._last = moment
            self._text = moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
        return self._text


def _word(code: Quality) -> str:
    return code.name.lower()


def _json_number(value: float | None) -> str:
    return "null" if value is None or not math.isfinite(value) else repr(value)


def _unnamed(parameter: int) -> str:
    return f'"parameter_id": {parameter}, "component": "", "parameter": "", "unit": ""'


def _unknown(quality: int) -> str:
    return f'"quality": "unknown", "quality_code": {quality}'


def _csv_line(fields: Sequence[str]) -> str:
    text = io.StringIO()
    # with its own line end, or it would not put quotes around one in a field
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n")
