"""Rows of one scan in PostgreSQL's binary COPY format, encoded once and never touched again.

Format: PostgreSQL documentation, COPY, section "Binary Format". A NULL makes a row of another length, so the rows of a
scan are grouped by which of value and set-value are there; each group is one structured numpy array.
"""

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


class RowEncoder:
    """Encodes the scans of one plan; what does not change from scan to scan is prepared once.

    Args:
        parameter_ids: int32, shape ``(parameters,)``, in the order of the scan's arrays.
    """

    def __init__(self, parameter_ids: npt.NDArray[np.int32]) -> None:
        self._parameter_ids = parameter_ids
        self._layout: npt.NDArray[np.uint8] | None = None
        self._groups: list[tuple[int, npt.NDArray[np.intp], npt.NDArray[np.void]]] = []

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
        layout = (~np.isnan(values)).astype(np.uint8) * np.uint8(_HAS_VALUE) + (~np.isnan(set_values)).astype(np.uint8)
        if self._layout is None or not np.array_equal(layout, self._layout):
            self._prepare(layout)
        parts = []
        for kind, indices, rows in self._groups:
            rows["timestamp"] = timestamps_us[indices] - POSTGRES_EPOCH_US
            rows["process_id"] = process_id
            if kind & _HAS_VALUE:
                rows["value"] = values[indices]
            if kind & _HAS_SET_VALUE:
                rows["set_value"] = set_values[indices]
            rows["quality"] = quality[indices]
            parts.append(rows.tobytes())
        return b"".join(parts)

    def _prepare(self, layout: npt.NDArray[np.uint8]) -> None:
        self._layout = layout
        self._groups = []
        for kind, row_type in enumerate(_ROW_TYPES):
            indices = np.flatnonzero(layout == kind)
            if not len(indices):
                continue
            rows = np.zeros(len(indices), dtype=row_type)
            rows["columns"] = 6
            rows["l1"] = rows["l2"] = 8
            rows["l3"] = 8 if kind & _HAS_VALUE else _NULL
            rows["l4"] = 8 if kind & _HAS_SET_VALUE else _NULL
            rows["l5"] = 4
            rows["parameter_id"] = self._parameter_ids[indices]
            rows["l6"] = 2
            self._groups.append((kind, indices, rows))


def copy_payload(parts: list[bytes]) -> bytearray:
    """Join the rows of several entries into one COPY payload."""
    payload = bytearray(SIGNATURE)
    payload += b"".join(parts)
    payload += TRAILER
    return payload
