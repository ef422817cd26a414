"""What holds for any value of any type in any order."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hal.codec import Decoder, decode, encode
from hal.parameter import DataType, Parameter, WordOrder
from tests.hal.parameters import holding

BITS = {
    DataType.INT16: 16,
    DataType.UINT16: 16,
    DataType.INT32: 32,
    DataType.UINT32: 32,
    DataType.INT64: 64,
    DataType.UINT64: 64,
}
orders = st.sampled_from(WordOrder)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[Parameter, float]:
    """A numeric parameter and a value that it can hold."""
    data_type = draw(st.sampled_from([*BITS, DataType.FLOAT32, DataType.FLOAT64]))
    parameter = holding(1, draw(st.integers(0, 65_000)), data_type, word_order=draw(orders))
    if data_type in BITS:
        low = -(2 ** (BITS[data_type] - 1)) if data_type.name.startswith("INT") else 0
        return parameter, draw(st.integers(low, low + 2 ** BITS[data_type] - 1))
    if data_type is DataType.FLOAT32:
        return parameter, draw(st.floats(width=32, allow_nan=False, allow_infinity=False))
    return parameter, draw(st.floats(allow_nan=False, allow_infinity=False))


@given(numbers())
def test_any_number_comes_back_as_it_was_written(case: tuple[Parameter, float]) -> None:
    """Only integers beyond 2**53 lose their lowest bits, as float64 does."""
    parameter, value = case
    assert decode(parameter, encode(parameter, value)) == float(value)


@given(st.lists(numbers(), min_size=1, max_size=30))
def test_a_scan_decodes_each_parameter_as_if_it_were_alone(cases: list[tuple[Parameter, float]]) -> None:
    """Grouping by type and order changes nothing: any mixture gives the values one by one, in order."""
    parts = [encode(parameter, value) for parameter, value in cases]
    starts = np.cumsum([0, *(len(part) for part in parts)])
    decoder = Decoder([parameter for parameter, _ in cases], starts[:-1].tolist(), int(starts[-1]))
    assert decoder.decode(np.concatenate(parts)).values.tolist() == [float(value) for _, value in cases]


@given(
    st.sampled_from([DataType.INT16, DataType.UINT32, DataType.INT64]),
    orders,
    st.integers(0, 32_767),
    st.sampled_from([0.001, 0.1, 2.5, -1.0, 1000.0]),
    st.floats(-1000, 1000),
)
def test_scale_and_offset_are_undone(
    data_type: DataType, order: WordOrder, raw: int, scale: float, offset: float
) -> None:
    """Writing what was read gives the raw value again."""
    parameter = holding(1, 0, data_type, word_order=order, scale=scale, offset=offset)
    words = encode(holding(1, 0, data_type, word_order=order), raw)
    value = decode(parameter, words)
    assert encode(parameter, value).tolist() == words.tolist()


@given(st.integers(1, 60), orders, st.data())
def test_any_ascii_text_comes_back(length: int, order: WordOrder, data: st.DataObject) -> None:
    """But for the padding at its end."""
    characters = st.characters(min_codepoint=32, max_codepoint=126)
    text = data.draw(st.text(characters, max_size=2 * length))
    parameter = holding(1, 0, DataType.ASCII, length=length, word_order=order)
    assert decode(parameter, encode(parameter, text)) == text.rstrip(" ")


@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4), st.sampled_from(DataType), orders)
def test_no_words_at_all_can_raise(words: list[int], data_type: DataType, order: WordOrder) -> None:
    """Whatever a device sends is a value, or NaN, or a text."""
    length = 4 if data_type is DataType.ASCII else 0
    parameter = holding(1, 0, data_type, length=length, word_order=order)
    value = decode(parameter, words[: parameter.words])
    assert isinstance(value, str) or math.isnan(value) or math.isfinite(value)
