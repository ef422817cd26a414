"""Rows of one scan in PostgreSQL's binary COPY format, encoded once and never touched again.

Format: PostgreSQL documentation, COPY, section "Binary Format". A NULL makes a row of another length, so the rows of a
scan are grouped by which of value and set-value are there; each group is one structured numpy array.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
"""File header: signature, no flags, no header extension."""
TRAILER: Final = b"\xff\xff"
POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01 UTC in microseconds since 1970: where PostgreSQL's time stamps count from."""

_HAS_VALUE: Final = 2
_HAS_SET_VALUE: Final = 1


def _row_type(layout: int) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [("columns", ">i2"), ("l1", ">i4"), ("timestamp", ">i8")]
    fields += [("l2", ">i4"), ("process_id", ">i8"), ("l3", ">i4")]
    fields += [("value", ">f8")] if layout & _HAS_VALUE else []
    fields += [("l4", ">i4")]
    fields += [("set_value", ">f8")] if layout & _HAS_SET_VALUE else []
    fields += [("l5", ">i4"), ("parameter_id", ">i4"), ("l6", ">i4"), ("quality", ">i2")]
    return np.dtype(fields)


_ROW_TYPES: Final = tuple(_row_type(layout) for layout in range(4))
_NULL: Final = -1


_MOST_LAYOUTS: Final = 8
"""Ways in which NULLs lie among the rows of a plan that are kept prepared; a tool has one or two."""


class _Group:
    """Rows of one layout, and the places in them that change from scan to scan.

    Attributes:
        indices: rows of the scan that belong here.
    """

    def __init__(self, layout: int, indices: npt.NDArray[np.intp], parameter_ids: npt.NDArray[np.int32]) -> None:
        self.indices = indices
        self._rows = rows = np.zeros(len(indices), dtype=_ROW_TYPES[layout])
        rows["columns"] = 6
        rows["l1"] = rows["l2"] = 8
        rows["l3"] = 8 if layout & _HAS_VALUE else _NULL
        rows["l4"] = 8 if layout & _HAS_SET_VALUE else _NULL
        rows["l5"] = 4
        rows["parameter_id"] = parameter_ids[indices]
        rows["l6"] = 2
        self._timestamp, self._process_id, self._quality = rows["timestamp"], rows["process_id"], rows["quality"]
        self._value = rows["value"] if layout & _HAS_VALUE else None
        self._set_value = rows["set_value"] if layout & _HAS_SET_VALUE else None

    def encode(
        self,
        process_id: int,
        timestamps: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        set_values: npt.NDArray[np.float64],
        quality: npt.NDArray[np.int16],
    ) -> bytes:
        indices = self.indices
        self._timestamp[:] = timestamps[indices]
        self._process_id[:] = process_id
        self._quality[:] = quality[indices]
        if self._value is not None:
            self._value[:] = values[indices]
        if self._set_value is not None:
            self._set_value[:] = set_values[indices]
        return self._rows.tobytes()


class RowEncoder:
    """Encodes the scans of one plan; what does not change from scan to scan is prepared once.

    Args:
        parameter_ids: int32, shape ``(parameters,)``, in the order of the scan's arrays.
    """

    def __init__(self, parameter_ids: npt.NDArray[np.int32]) -> None:
        self._parameter_ids = parameter_ids
        self._groups: dict[bytes, list[_Group]] = {}

    def encode(
        self,
        *,
        process_id: int,
        timestamps_us: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        set_values: npt.NDArray[np.float64],
        quality: npt.NDArray[np.int16],
    ) -> bytes:
        """Encode one scan; NaN in ``values`` or ``set_values`` becomes NULL.

        Args:
            process_id: the process that all rows belong to.
            timestamps_us: UTC microseconds since 1970.
            values: engineering values.
            set_values: the tool's own set-values.
            quality: codes of `hal.quality.Quality`.

        Returns:
            One row a parameter, without signature and trailer; rows with NULLs come first.
        """
        no_value, no_set_value = np.isnan(values), np.isnan(set_values)
        key = no_value.tobytes() + no_set_value.tobytes()
        groups = self._groups.get(key)
        if groups is None:
            groups = self._prepare(key, no_value, no_set_value)
        timestamps = timestamps_us - POSTGRES_EPOCH_US
        return b"".join([group.encode(process_id, timestamps, values, set_values, quality) for group in groups])

    def _prepare(
        self, key: bytes, no_value: npt.NDArray[np.bool_], no_set_value: npt.NDArray[np.bool_]
    ) -> list[_Group]:
        layouts = ~no_value * _HAS_VALUE + ~no_set_value * _HAS_SET_VALUE
        found = [(layout, np.flatnonzero(layouts == layout)) for layout in range(len(_ROW_TYPES))]
        groups = [_Group(layout, indices, self._parameter_ids) for layout, indices in found if len(indices)]
        if len(self._groups) >= _MOST_LAYOUTS:
            self._groups.clear()
        self._groups[key] = groups
        return groups


def copy_payload(parts: list[bytes]) -> bytearray:
    """Join the rows of several entries into one COPY payload."""
    return bytearray().join([SIGNATURE, *parts, TRAILER])


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row taken out of its COPY bytes again.

    Attributes:
        content: its bytes, as they were encoded.
        timestamp_us: UTC microseconds since 2000, which is where PostgreSQL counts from.
    """

    content: bytes
    timestamp_us: int
    process_id: int
    value: float | None
    set_value: float | None
    parameter_id: int
    quality: int


_FIELDS: Final = tuple(struct.Struct(code) for code in (">q", ">q", ">d", ">d", ">i", ">h"))
_COUNT: Final = struct.Struct(">h")
_LENGTH: Final = struct.Struct(">i")
_CAN_BE_NULL: Final = frozenset({2, 3})


def split_rows(rows: bytes) -> Iterator[Row]:
    """Take rows apart, one after the other.

    Raises:
        ValueError: these are no rows of points.
    """
    start = 0
    while start < len(rows):
        end = start
        fields: list[int | float | None] = []
        try:
            (count,) = _COUNT.unpack_from(rows, end)
            end += _COUNT.size
            for number, field in enumerate(_FIELDS):
                (length,) = _LENGTH.unpack_from(rows, end)
                end += _LENGTH.size
                is_null = length == _NULL and number in _CAN_BE_NULL
                if count != len(_FIELDS) or not (is_null or length == field.size):
                    raise ValueError(f"no row of points begins at byte {start}")
                fields.append(None if is_null else field.unpack_from(rows, end)[0])
                end += 0 if is_null else length
        except struct.error as error:
            raise ValueError(f"the row at byte {start} is cut off") from error
        yield Row(
            content=rows[start:end],
            **dict(zip(_ROW_FIELDS, fields, strict=True)),  # type: ignore[arg-type]  # as _FIELDS has them
        )
        start = end


_ROW_FIELDS: Final = ("timestamp_us", "process_id", "value", "set_value", "parameter_id", "quality")
