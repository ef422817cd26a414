"""Words of a device to engineering values and back.

Pure: no clock, no socket. The layouts of a plan are worked out once, so that a scan costs a few numpy calls for each
data type and none for each parameter.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter
from hal.quality import Quality

Words = npt.NDArray[np.uint16]
Rows = npt.NDArray[np.intp]
Values = npt.NDArray[np.float64]

_STRUCT_FORMATS: Final = {
    DataType.INT16: ">h",
    DataType.UINT16: ">H",
    DataType.INT32: ">i",
    DataType.UINT32: ">I",
    DataType.INT64: ">q",
    DataType.UINT64: ">Q",
    DataType.FLOAT32: ">f",
    DataType.FLOAT64: ">d",
}
_FLOATS: Final = frozenset({DataType.FLOAT32, DataType.FLOAT64})
_SIGNED: Final = frozenset({DataType.INT16, DataType.INT32, DataType.INT64})
_WHOLE_WORD: Final = 0xFFFF
_PADDING: Final = "\0 "


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Decoded:
    """What the words of one scan say.

    Attributes:
        values: float64, shape ``(rows,)``; NaN exactly where ``quality`` is bad.
        quality: int16, shape ``(rows,)``, codes of `hal.quality.Quality`.
        texts: parameter id to text of every ASCII parameter.
    """

    values: Values
    quality: npt.NDArray[np.int16]
    texts: dict[int, str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Numbers:
    """Numeric parameters of one data type.

    Attributes:
        rows: rows of the result, shape ``(n,)``.
        gather: indices into the image, shape ``(n, words)``, least significant word first.
        dtype: little-endian type of the value that these words make.
    """

    rows: Rows
    gather: Rows
    dtype: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Bits:
    """Binary parameters: 1 where any of the bits of ``mask`` is set; all shapes ``(n,)``."""

    rows: Rows
    gather: Rows
    mask: Words


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Sentinels:
    """Raw values that mean "no measurement": ``values`` has shape ``(n, most)``, padded with NaN."""

    rows: Rows
    values: Values


class Decoder:
    """Decodes whole scans of one plan.

    The image of a scan is one uint16 array that holds the words of all blocks one after the other; a bit of a bit kind
    takes one word, 0 or 1.

    Args:
        parameters: what to decode; ASCII parameters make texts, all others make rows, in this order.
        positions: index in the image of the first word of each parameter.
        image_words: words of an image.

    Attributes:
        rows: the parameters that make rows, in order.
        texts: the parameters that make texts, in order.
    """

    def __init__(self, parameters: Sequence[Parameter], positions: Sequence[int], image_words: int) -> None:
        self._image_words = image_words
        placed = list(zip(parameters, positions, strict=True))
        numeric = [(p, at) for p, at in placed if p.data_type is not DataType.ASCII]
        self._placed_texts = [(p, at) for p, at in placed if p.data_type is DataType.ASCII]
        self.rows: tuple[Parameter, ...] = tuple(p for p, _ in numeric)
        self.texts: tuple[Parameter, ...] = tuple(p for p, _ in self._placed_texts)
        # Byte-swapped parameters read from a byte-swapped copy that lies behind the image.
        self._swapped = any(p.word_order.bytes_swapped for p in self.rows)
        starts = [at + (image_words if p.word_order.bytes_swapped else 0) for p, at in numeric]
        self._numbers = _group_numbers(self.rows, starts)
        self._bits = _group_bits(self.rows, starts)
        self._sentinels = _group_sentinels(self.rows)
        self._scale, self._offset = _column(p.scale for p in self.rows), _column(p.offset for p in self.rows)
        self._is_scaled = bool(np.any(self._scale != 1.0) or np.any(self._offset != 0.0))
        self._low = _column(-math.inf if p.range_low is None else p.range_low for p in self.rows)
        self._high = _column(math.inf if p.range_high is None else p.range_high for p in self.rows)
        self._is_ranged = bool(np.any(np.isfinite(self._low)) or np.any(np.isfinite(self._high)))

    def decode(self, image: Words) -> Decoded:
        """Decode one image.

        Raises:
            ValueError: the image has not the number of words that the decoder was built for.
        """
        if image.shape != (self._image_words,):
            raise ValueError(f"an image of {self._image_words} words is due, not one of shape {image.shape}")
        texts = {p.parameter_id: _text(p, image[at : at + p.words]) for p, at in self._placed_texts}
        words = np.concatenate((image, image.byteswap())) if self._swapped else image
        values = np.empty(len(self.rows), np.float64)
        # A signalling NaN and an overflow by the scale are findings about the value, not about the program.
        with np.errstate(invalid="ignore", over="ignore"):
            for group in self._numbers:
                raw = words[group.gather].astype("<u2", copy=False).view(group.dtype)
                values[group.rows] = raw[:, 0]
            if self._bits is not None:
                values[self._bits.rows] = (words[self._bits.gather] & self._bits.mask) != 0
            return self._judge(values, texts)

    def _judge(self, values: Values, texts: dict[int, str]) -> Decoded:
        """Turn raw values into engineering values, in place, and say how good each is."""
        sentinel_rows: Rows | None = None
        if self._sentinels is not None:
            hit = (values[self._sentinels.rows, np.newaxis] == self._sentinels.values).any(axis=1)
            sentinel_rows = self._sentinels.rows[hit]
        if self._is_scaled:
            values *= self._scale
            values += self._offset
        quality = np.full(len(values), Quality.GOOD, np.int16)
        if self._is_ranged:
            quality[(values < self._low) | (values > self._high)] = Quality.OUT_OF_RANGE
        bad = ~np.isfinite(values)
        if sentinel_rows is not None:
            bad[sentinel_rows] = True
        quality[bad] = Quality.SENSOR_FAILURE
        values[bad] = np.nan
        return Decoded(values=values, quality=quality, texts=texts)


def decode(parameter: Parameter, words: Sequence[int] | Words) -> float | str:
    """Decode one parameter from its own words; NaN where they are a sentinel or no number."""
    image = np.asarray(words, np.uint16)
    decoded = Decoder([parameter], [0], parameter.words).decode(image)
    return decoded.texts[parameter.parameter_id] if decoded.texts else float(decoded.values[0])


def encode(parameter: Parameter, value: float | str) -> Words:
    """Make the words (or the one bit) that a device needs to hold a value.

    Scale and offset are undone, integers rounded to the nearest. A binary is set by any value but 0. A bit of a
    register gives the word in which only that bit can be set.

    Raises:
        DefinitionError: the value does not fit the parameter; names it.
    """
    if parameter.data_type is DataType.ASCII:
        words = _encode_text(parameter, value)
    elif isinstance(value, str):
        raise DefinitionError(f"{parameter.name}: {value!r} is a text, and {parameter.data_type} needs a number")
    elif parameter.data_type is DataType.BINARY:
        words = np.array([_encode_bit(parameter, value)], np.uint16)
    else:
        words = np.frombuffer(_pack(parameter, _raw(parameter, value)), ">u2").astype(np.uint16)
        if parameter.word_order.low_word_first:
            words = words[::-1].copy()
    return words.byteswap() if parameter.word_order.bytes_swapped and not parameter.kind.is_bit else words


def _raw(parameter: Parameter, value: float) -> float:
    if parameter.scale == 1.0 and parameter.offset == 0.0:
        return value  # an int beyond 2**53 stays exact
    return (value - parameter.offset) / parameter.scale


def _encode_bit(parameter: Parameter, value: float) -> int:
    raw = _raw(parameter, value)
    if math.isnan(raw):
        raise DefinitionError(f"{parameter.name}: {value!r} is neither on nor off")
    return int(raw != 0.0) << (parameter.bit or 0)


def _pack(parameter: Parameter, raw: float) -> bytes:
    form = _STRUCT_FORMATS[parameter.data_type]
    try:
        return struct.pack(form, raw if parameter.data_type in _FLOATS else round(raw))
    except (struct.error, OverflowError, ValueError) as error:
        raise DefinitionError(f"{parameter.name}: the raw value {raw!r} does not fit {parameter.data_type}") from error


def _encode_text(parameter: Parameter, value: float | str) -> Words:
    if not isinstance(value, str):
        raise DefinitionError(f"{parameter.name}: {value!r} is a number, and ascii needs a text")
    room = 2 * parameter.words
    if not value.isascii() or "\0" in value:
        raise DefinitionError(f"{parameter.name}: {value!r} has characters that are not ascii")
    if len(value) > room:
        raise DefinitionError(f"{parameter.name}: {value!r} is longer than its {room} characters")
    return np.frombuffer(value.encode("ascii").ljust(room, b"\0"), ">u2").astype(np.uint16)


def _text(parameter: Parameter, words: Words) -> str:
    """Read a text up to its first NUL: what lies behind is what an earlier, longer text left there."""
    ordered = words.byteswap() if parameter.word_order.bytes_swapped else words
    text = ordered.astype(">u2").tobytes().decode("ascii", errors="replace")
    return text.split("\0", 1)[0].rstrip(_PADDING)


def _column(numbers: Iterable[float]) -> Values:
    return np.fromiter(numbers, np.float64)


def _group_numbers(rows: Sequence[Parameter], starts: Sequence[int]) -> list[_Numbers]:
    groups = []
    for data_type, form in _STRUCT_FORMATS.items():
        members = [row for row, p in enumerate(rows) if p.data_type is data_type]
        if not members:
            continue
        ascending = np.arange(data_type.words)
        orders = [ascending if rows[row].word_order.low_word_first else ascending[::-1] for row in members]
        gather = np.array([starts[row] for row in members])[:, np.newaxis] + np.array(orders)
        dtype = np.dtype(form).newbyteorder("<").str
        groups.append(_Numbers(rows=np.array(members, np.intp), gather=gather.astype(np.intp), dtype=dtype))
    return groups


def _group_bits(rows: Sequence[Parameter], starts: Sequence[int]) -> _Bits | None:
    members = [row for row, p in enumerate(rows) if p.data_type is DataType.BINARY]
    if not members:
        return None
    bits = [rows[row].bit for row in members]
    return _Bits(
        rows=np.array(members, np.intp),
        gather=np.array([starts[row] for row in members], np.intp),
        mask=np.array([_WHOLE_WORD if bit is None else 1 << bit for bit in bits], np.uint16),
    )


def _group_sentinels(rows: Sequence[Parameter]) -> _Sentinels | None:
    members = [row for row, p in enumerate(rows) if p.sentinels]
    if not members:
        return None
    values = np.full((len(members), max(len(rows[row].sentinels) for row in members)), np.nan)
    for line, row in enumerate(members):
        for column, sentinel in enumerate(rows[row].sentinels):
            values[line, column] = _raw_sentinel(rows[row].data_type, sentinel)
    return _Sentinels(rows=np.array(members, np.intp), values=values)


def _raw_sentinel(data_type: DataType, sentinel: float) -> float:
    """Put a sentinel as the device holds it.

    A float32 cannot hold -999.9, so its nearest is meant; a manual gives the word 0x8002 where a signed
    integer reads -32766.
    """
    if data_type is DataType.FLOAT32:
        return float(np.float32(sentinel))
    bits = 16 * data_type.words
    if data_type in _SIGNED and 2 ** (bits - 1) <= sentinel < 2**bits:
        return sentinel - 2.0**bits
    return sentinel
