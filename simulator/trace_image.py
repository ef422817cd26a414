"""A trace as the registers of a device: every row encoded once, before anything is served."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.parameter import DataType, Parameter, RegisterKind
from simulator.errors import ILLEGAL_ADDRESS, RequestRefusedError, TraceError
from simulator.registers import AREA_GAP
from simulator.trace import Trace, Values
from simulator.trace_map import ELAPSED, FINISHED, ROW_INDEX, ROWS, Served

Words = npt.NDArray[np.uint16]

_RAW_TYPES: Final = {
    DataType.INT16: ">i2",
    DataType.UINT16: ">u2",
    DataType.INT32: ">i4",
    DataType.UINT32: ">u4",
    DataType.INT64: ">i8",
    DataType.UINT64: ">u8",
    DataType.FLOAT32: ">f4",
    DataType.FLOAT64: ">f8",
}
_FLOATS: Final = frozenset({DataType.FLOAT32, DataType.FLOAT64})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Area:
    """Contiguous addresses of one kind.

    Attributes:
        words: shape ``(rows, addresses)``.
        has_value: whether there is a value, not a NaN, at each address of each row; same shape.
    """

    address: int
    words: Words
    has_value: npt.NDArray[np.bool_]

    @property
    def end(self) -> int:
        return self.address + int(self.words.shape[1])


class TraceImage:
    """The registers of every row of a trace; one more row stands for the last one, held at the end.

    Args:
        trace: what is served.
        served: where.
        refuses_nan: whether a read of a NaN is refused rather than answered with a sentinel.

    Raises:
        TraceError: a value does not fit its register; names map, file and line.
    """

    def __init__(self, trace: Trace, served: Sequence[Served], *, refuses_nan: bool = False) -> None:
        self.rows = trace.rows
        self._refuses_nan = refuses_nan
        self._values = {each.parameter.name: _column(trace, each.source) for each in served}
        self._areas: dict[RegisterKind, list[_Area]] = {
            kind: _areas(served, kind, trace.rows + 1) for kind in RegisterKind
        }
        owners: dict[tuple[RegisterKind, int], Served] = {}
        for each in served:
            self._place(trace, each, owners)
        self.index_place = next(
            (each.parameter.kind, each.parameter.address) for each in served if each.source == ROW_INDEX
        )

    def read(self, row: int, kind: RegisterKind, address: int, count: int) -> list[int]:
        """Answer a read from one row; `rows` is the last row, held.

        Raises:
            RequestRefusedError: an address is not there, or there is no value and that is to be told so.
        """
        for area in self._areas[kind]:
            at = address - area.address
            if at >= 0 and address + count <= area.end:
                if self._refuses_nan and not area.has_value[row, at : at + count].all():
                    raise RequestRefusedError(exception_code=4, reason="there is no value in this row of the trace")
                words: list[int] = area.words[row, at : at + count].tolist()
                return words
        reason = f"no {kind} at all of {address}..{address + count - 1}"
        raise RequestRefusedError(exception_code=ILLEGAL_ADDRESS, reason=reason)

    def values(self, row: int) -> dict[str, float | str]:
        """The values of one row, by parameter name."""
        return {name: float(column[row]) for name, column in self._values.items()}

    def _place(self, trace: Trace, served: Served, owners: dict[tuple[RegisterKind, int], Served]) -> None:
        parameter = served.parameter
        for address in range(parameter.address, parameter.last_address + 1):
            other = owners.setdefault((parameter.kind, address), served)
            if other is not served and (other.parameter.bit is None or parameter.bit is None):
                raise TraceError(
                    f"{served.origin or trace.path}: {parameter.name} and {other.parameter.name} both claim "
                    f"{parameter.kind} {address}"
                )
        words, has_value = _encode(trace, served, self._values[parameter.name])
        for area in self._areas[parameter.kind]:
            if area.address <= parameter.address < area.end:
                at = slice(parameter.address - area.address, parameter.address - area.address + parameter.words)
                area.words[:, at] |= words
                area.has_value[:, at] &= has_value[:, np.newaxis]


def _column(trace: Trace, source: str) -> Values:
    """The values of a column or of what replay adds, and once more its last one."""
    added = {
        ROW_INDEX: np.arange(trace.rows, dtype=np.float64),
        ELAPSED: trace.elapsed_s,
        ROWS: np.full(trace.rows, float(trace.rows)),
        FINISHED: np.zeros(trace.rows),
    }
    values = added.get(source)
    if values is None:
        values = next(column.values for column in trace.columns if column.header == source)
    return np.append(values, 1.0 if source == FINISHED else values[-1])


def _areas(served: Sequence[Served], kind: RegisterKind, rows: int) -> list[_Area]:
    spans: list[list[int]] = []
    for parameter in sorted((each.parameter for each in served if each.parameter.kind is kind), key=_address):
        if spans and parameter.address - spans[-1][1] <= AREA_GAP:
            spans[-1][1] = max(spans[-1][1], parameter.last_address)
        else:
            spans.append([parameter.address, parameter.last_address])
    return [
        _Area(
            address=first,
            words=np.zeros((rows, last - first + 1), np.uint16),
            has_value=np.ones((rows, last - first + 1), np.bool_),
        )
        for first, last in spans
    ]


def _address(parameter: Parameter) -> int:
    return parameter.address


def _encode(trace: Trace, served: Served, values: Values) -> tuple[Words, npt.NDArray[np.bool_]]:
    """Words of every row, shape ``(rows, words)``, and whether each row has a value."""
    parameter = served.parameter
    has_value = ~np.isnan(values)
    raw = (values - parameter.offset) / parameter.scale if (parameter.offset, parameter.scale) != (0.0, 1.0) else values
    sentinel = parameter.sentinels[0] if parameter.sentinels else nan
    raw = np.where(has_value, raw, sentinel)
    if parameter.data_type is DataType.BINARY:
        _check(trace, served, values, (values == 0) | (values == 1), "is neither 0 nor 1")
        bits = (raw != 0).astype(np.uint16) << np.uint16(parameter.bit or 0)
        return bits[:, np.newaxis], has_value
    form = np.dtype(_RAW_TYPES[parameter.data_type])
    if parameter.data_type not in _FLOATS:
        # No integer can stand for a NaN unless the map says which.
        _check(trace, served, values, ~np.isnan(raw), "is no number, and the map gives no sentinel for it")
        limits = np.iinfo(form)
        fits = (raw >= float(limits.min)) & (raw <= float(limits.max))
        _check(trace, served, values, fits, f"does not fit {parameter.data_type}")
        raw = np.rint(raw)
    with np.errstate(over="ignore"):
        encoded = raw.astype(form)
    words = np.frombuffer(encoded.tobytes(), ">u2").astype(np.uint16).reshape(len(raw), form.itemsize // 2)
    if parameter.word_order.low_word_first:
        words = words[:, ::-1]
    return (words.byteswap() if parameter.word_order.bytes_swapped else words), has_value


def _check(trace: Trace, served: Served, values: Values, is_good: npt.NDArray[np.bool_], what: str) -> None:
    bad = np.flatnonzero(~is_good[: trace.rows])
    if len(bad):
        row = int(bad[0])
        where = f" ({served.origin})" if served.origin else ""
        raise TraceError(
            f"{trace.path}, line {trace.lines[row]}: {served.source!r} is {values[row]:g}, which {what}{where}"
        )
