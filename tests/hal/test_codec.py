"""Words to values and back, against vectors that others published."""

import math
import time

import numpy as np
import pytest

from hal.codec import Decoder, decode, encode
from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from hal.quality import Quality
from tests.hal.parameters import coil, holding

ABCD, CDAB, BADC, DCBA = WordOrder.ABCD, WordOrder.CDAB, WordOrder.BADC, WordOrder.DCBA
PI = math.pi

FOUR_BYTES = {ABCD: [0x0102, 0x0304], CDAB: [0x0304, 0x0102], BADC: [0x0201, 0x0403], DCBA: [0x0403, 0x0201]}
EIGHT_BYTES = {
    ABCD: [0x0102, 0x0304, 0x0506, 0x0708],
    CDAB: [0x0708, 0x0506, 0x0304, 0x0102],
    BADC: [0x0201, 0x0403, 0x0605, 0x0807],
    DCBA: [0x0807, 0x0605, 0x0403, 0x0201],
}


def scan_of(parameters: list[Parameter], words: list[int]) -> tuple[list[float], list[int]]:
    """Decode parameters that lie one behind the other; values and quality."""
    positions = [0]
    for parameter in parameters[:-1]:
        positions.append(positions[-1] + parameter.words)
    decoded = Decoder(parameters, positions, len(words)).decode(np.array(words, np.uint16))
    return decoded.values.tolist(), decoded.quality.tolist()


@pytest.mark.parametrize(
    ("order", "words", "value"),
    [
        (CDAB, [0x0000, 0x4296], 75.0),
        (CDAB, [0xA3D7, 0x3F80], 1.005),
        (ABCD, [0x42F6, 0xE666], 123.45),
        (CDAB, [0xE666, 0x42F6], 123.45),
        (BADC, [0xF642, 0x66E6], 123.45),
        (DCBA, [0x66E6, 0xF642], 123.45),
    ],
)
def test_floats_of_device_manuals_are_read_as_printed(order: WordOrder, words: list[int], value: float) -> None:
    """The word orders that vendors print give the values that they print.

    75.0: Watlow, EZ-ZONE Communications User's Manual, chapter 2, page 13 (low word first; the 78.204 that its page 12
    prints for 977D 429C is a misprint: by IEEE 754 those words are 78.296).
    1.005: Continental Control Systems, "Floating Point Register Details for WattNode Modbus" (low word first).
    123.45: ModbusBB tutorial "Float32 & Byte Order", bytes A=42 B=F6 C=E6 D=66 in each of its four orders.
    (libmodbus is no source here: its manual gives for BADC the words 2000 47F1 of 123456.0, which is CDAB.)
    """
    parameter = holding(1, 0, DataType.FLOAT32, word_order=order)
    assert decode(parameter, words) == pytest.approx(value, rel=1e-7)
    assert encode(parameter, value).tolist() == words


@pytest.mark.parametrize(
    ("data_type", "words", "value"),
    [
        (DataType.FLOAT32, [0x3F80, 0x0000], 1.0),
        (DataType.FLOAT32, [0xC000, 0x0000], -2.0),
        (DataType.FLOAT32, [0x7F7F, 0xFFFF], (2 - 2**-23) * 2.0**127),
        (DataType.FLOAT32, [0x0000, 0x0001], 2.0**-149),
        (DataType.FLOAT32, [0x8000, 0x0000], -0.0),
        (DataType.FLOAT64, [0x3FF0, 0x0000, 0x0000, 0x0000], 1.0),
        (DataType.FLOAT64, [0x4009, 0x21FB, 0x5444, 0x2D18], PI),
        (DataType.FLOAT64, [0x7FEF, 0xFFFF, 0xFFFF, 0xFFFF], (2 - 2**-52) * 2.0**1023),
        (DataType.FLOAT64, [0x3FD5, 0x5555, 0x5555, 0x5555], 1 / 3),
        (DataType.INT16, [0x8000], -32_768),
        (DataType.INT16, [0xFFFF], -1),
        (DataType.UINT16, [0xFFFF], 65_535),
        (DataType.INT32, [0x8000, 0x0000], -(2**31)),
        (DataType.INT32, [0xFFFF, 0xFFFE], -2),
        (DataType.UINT32, [0xFFFF, 0xFFFE], 2**32 - 2),
        (DataType.INT64, [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFD], -3),
        (DataType.UINT64, [0x0020, 0x0000, 0x0000, 0x0000], 2**53),
    ],
)
def test_public_bit_patterns_are_read_as_defined(data_type: DataType, words: list[int], value: float) -> None:
    """Patterns of IEEE 754-2019 (binary32, binary64) and of two's complement, high word first."""
    parameter = holding(1, 0, data_type)
    decoded = decode(parameter, words)
    assert decoded == value
    assert math.copysign(1, float(decoded)) == math.copysign(1, value)
    assert encode(parameter, value).tolist() == words


@pytest.mark.parametrize("order", list(WordOrder))
def test_four_distinct_bytes_tell_the_word_orders_apart(order: WordOrder) -> None:
    """0x01020304 has a layout of its own in each order: what was once called badc was really word-swapped."""
    assert decode(holding(1, 0, DataType.UINT32, word_order=order), FOUR_BYTES[order]) == 0x01020304
    assert decode(holding(1, 0, DataType.INT32, word_order=order), FOUR_BYTES[order]) == 0x01020304


@pytest.mark.parametrize("order", list(WordOrder))
def test_eight_distinct_bytes_tell_the_word_orders_apart(order: WordOrder) -> None:
    """A 64-bit value follows the rule of the 32-bit one with four words."""
    exact = 0x0102030405060708
    assert decode(holding(1, 0, DataType.UINT64, word_order=order), EIGHT_BYTES[order]) == float(exact)
    assert encode(holding(1, 0, DataType.UINT64, word_order=order), exact).tolist() == EIGHT_BYTES[order]


@pytest.mark.parametrize(("order", "word"), [(ABCD, 0x0102), (CDAB, 0x0102), (BADC, 0x0201), (DCBA, 0x0201)])
def test_a_single_word_knows_only_the_order_of_its_bytes(order: WordOrder, word: int) -> None:
    """There is no other word to swap with."""
    assert decode(holding(1, 0, word_order=order), [word]) == 0x0102


def test_integers_beyond_float_precision_are_written_exactly() -> None:
    """An int is not rounded on its way to the words."""
    assert encode(holding(1, 0, DataType.UINT64), 2**64 - 1).tolist() == [0xFFFF] * 4
    assert encode(holding(1, 0, DataType.INT64), 2**53 + 1).tolist() == [0x0020, 0, 0, 1]


def test_scale_and_offset_make_engineering_values_and_are_undone() -> None:
    """Raw 1234 of a register in tenths above -10 is 113.4, and goes back to 1234."""
    parameter = holding(1, 0, DataType.INT16, scale=0.1, offset=-10.0)
    assert decode(parameter, [1234]) == pytest.approx(113.4)
    assert encode(parameter, 113.4).tolist() == [1234]
    assert encode(parameter, 113.44).tolist() == [1234]


@pytest.mark.parametrize("bit", range(16))
def test_each_bit_of_a_register_is_a_binary(bit: int) -> None:
    """Bit 0 is the least significant."""
    parameter = holding(1, 0, DataType.BINARY, bit=bit)
    assert decode(parameter, [1 << bit]) == 1.0
    assert decode(parameter, [0xFFFF ^ (1 << bit)]) == 0.0
    assert encode(parameter, 1).tolist() == [1 << bit]
    assert encode(parameter, 0).tolist() == [0]


def test_the_bit_of_a_byte_swapped_register_is_counted_after_the_swap() -> None:
    """Bit 0 of BADC lies in the high byte of what the wire carries."""
    parameter = holding(1, 0, DataType.BINARY, bit=0, word_order=BADC)
    assert decode(parameter, [0x0100]) == 1.0
    assert encode(parameter, 1).tolist() == [0x0100]


def test_a_binary_of_a_whole_register_is_on_unless_it_is_zero() -> None:
    """A register without a chosen bit is off only at 0."""
    parameter = holding(1, 0, DataType.BINARY)
    assert [decode(parameter, [word]) for word in (0, 1, 0x8000)] == [0.0, 1.0, 1.0]


def test_a_coil_is_written_as_one_bit() -> None:
    """Any value but 0 sets it."""
    assert [encode(coil(1, 0), value).tolist() for value in (0, 1, 0.5)] == [[0], [1], [1]]


def test_text_is_two_characters_a_word_high_byte_first() -> None:
    """What lies behind the first NUL is the rest of an older text, and spaces are padding."""
    parameter = holding(1, 0, DataType.ASCII, length=4)
    assert encode(parameter, "Al2O3").tolist() == [0x416C, 0x324F, 0x3300, 0x0000]
    assert decode(parameter, [0x416C, 0x324F, 0x3300, 0x0000]) == "Al2O3"
    assert decode(parameter, [0x416C, 0x324F, 0x3320, 0x2020]) == "Al2O3"
    assert decode(parameter, [0x416C, 0x0058, 0x5859, 0x0000]) == "Al"


@pytest.mark.parametrize("order", [BADC, DCBA])
def test_text_of_a_byte_swapped_device_is_read(order: WordOrder) -> None:
    """The bytes of each word change places; the words themselves stay in order."""
    parameter = holding(1, 0, DataType.ASCII, length=2, word_order=order)
    assert decode(parameter, [0x6C41, 0x4F32]) == "Al2O"
    assert encode(parameter, "Al2O").tolist() == [0x6C41, 0x4F32]


def test_bytes_that_are_no_character_are_replaced_rather_than_raised() -> None:
    """A garbled recipe name must not end a scan."""
    assert decode(holding(1, 0, DataType.ASCII, length=1), [0xFF41]) == "\ufffdA"


def test_texts_come_by_id_and_make_no_rows() -> None:
    """An ASCII parameter among numbers does not shift their rows."""
    parameters = [holding(5, 0), holding(6, 1, DataType.ASCII, length=1), holding(7, 2)]
    decoded = Decoder(parameters, [0, 1, 2], 3).decode(np.array([10, 0x4869, 20], np.uint16))
    assert decoded.values.tolist() == [10.0, 20.0]
    assert decoded.texts == {6: "Hi"}


@pytest.mark.parametrize("words", [[0x7FC0, 0], [0x7F80, 0], [0xFF80, 0], [0x7F80, 1]])
def test_a_float_that_is_no_number_is_a_sensor_failure(words: list[int]) -> None:
    """Quiet and signalling NaN and both infinities (IEEE 754-2019, section 3.4) have no value."""
    values, quality = scan_of([holding(1, 0, DataType.FLOAT32)], words)
    assert math.isnan(values[0])
    assert quality == [Quality.SENSOR_FAILURE]


@pytest.mark.parametrize(
    ("data_type", "sentinel", "words"),
    [
        (DataType.UINT16, 0x8002, [0x8002]),
        (DataType.INT16, 0x8002, [0x8002]),
        (DataType.INT16, -32_766, [0x8002]),
        (DataType.FLOAT32, -999.9, [0xC479, 0xF99A]),
        (DataType.FLOAT64, 1e30, [0x4629, 0x3E59, 0x39A0, 0x8CEA]),
        (DataType.INT32, 0x7FFFFFFF, [0x7FFF, 0xFFFF]),
    ],
)
def test_a_sentinel_is_a_sensor_failure(data_type: DataType, sentinel: float, words: list[int]) -> None:
    """Sentinels are compared as the device holds them: before scale and offset, in its own precision and sign."""
    parameter = holding(1, 0, data_type, sentinels=(7.0, float(sentinel)), scale=0.1, offset=3.0)
    values, quality = scan_of([parameter], words)
    assert math.isnan(values[0])
    assert quality == [Quality.SENSOR_FAILURE]


def test_a_sentinel_hits_only_the_parameter_that_has_it() -> None:
    """The same raw value is good elsewhere, and a scaled value equal to a sentinel is good as well."""
    parameters = [holding(1, 0, sentinels=(100.0, 200.0)), holding(2, 1), holding(3, 2, sentinels=(100.0,), scale=10.0)]
    values, quality = scan_of(parameters, [200, 100, 10])
    assert math.isnan(values[0])
    assert values[1:] == [100.0, 100.0]
    assert quality == [Quality.SENSOR_FAILURE, Quality.GOOD, Quality.GOOD]


def test_a_value_outside_its_range_is_kept_and_uncertain() -> None:
    """The bounds themselves are good; the range is in engineering units."""
    parameters = [holding(number, number, range_low=1.0, range_high=2.0, scale=0.1) for number in range(1, 5)]
    values, quality = scan_of(parameters, [9, 10, 20, 21])
    assert values == pytest.approx([0.9, 1.0, 2.0, 2.1])
    assert quality == [Quality.OUT_OF_RANGE, Quality.GOOD, Quality.GOOD, Quality.OUT_OF_RANGE]


def test_a_range_may_have_one_bound() -> None:
    """No upper bound is no bound."""
    values, quality = scan_of([holding(1, 0, DataType.INT16, range_low=0.0)] * 2, [0xFFFF, 0x7FFF])
    assert values == [-1.0, 32_767.0]
    assert quality == [Quality.OUT_OF_RANGE, Quality.GOOD]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (holding(1, 0, DataType.INT16), 32_768),
        (holding(1, 0, DataType.UINT16), -1),
        (holding(1, 0, DataType.UINT16), 65_535.5),
        (holding(1, 0, DataType.UINT32), 2**32),
        (holding(1, 0, DataType.INT64), 2**63),
        (holding(1, 0, DataType.INT16), math.nan),
        (holding(1, 0, DataType.INT16), math.inf),
        (holding(1, 0, DataType.FLOAT32), 1e39),
        (holding(1, 0, DataType.UINT16, scale=0.1), 6_553.6),
        (holding(1, 0, DataType.BINARY), math.nan),
        (holding(1, 0, DataType.FLOAT32), "1.0"),
        (holding(1, 0, DataType.ASCII, length=1), "abc"),
        (holding(1, 0, DataType.ASCII, length=1), "°"),
        (holding(1, 0, DataType.ASCII, length=1), 1.0),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(parameter: Parameter, value: float | str) -> None:
    """Nothing is cut off or wrapped round on its way to a device."""
    with pytest.raises(DefinitionError, match="test/1"):
        encode(parameter, value)


def test_the_decoder_refuses_an_image_of_another_size() -> None:
    """A plan and an image that do not belong together are a fault of the program."""
    with pytest.raises(ValueError, match="2 words"):
        Decoder([holding(1, 0, DataType.FLOAT32)], [0], 2).decode(np.zeros(3, np.uint16))


def test_a_thousand_floats_are_decoded_well_below_a_millisecond() -> None:
    """The hot path has no loop over parameters."""
    parameters = [holding(n, 2 * n, DataType.FLOAT32, word_order=CDAB, range_low=0.0) for n in range(1000)]
    decoder = Decoder(parameters, [2 * n for n in range(1000)], 2000)
    image = np.arange(2000, dtype=np.uint16)
    best_ns = min(_timed(decoder, image) for _ in range(50))
    assert best_ns < 500_000


def _timed(decoder: Decoder, image: "np.ndarray[tuple[int], np.dtype[np.uint16]]") -> int:
    started_ns = time.perf_counter_ns()
    decoder.decode(image)
    return time.perf_counter_ns() - started_ns


def test_a_register_kind_of_inputs_decodes_like_holding_registers() -> None:
    """The table that a word comes from does not change what it says."""
    parameter = Parameter(
        parameter_id=1, name="in", kind=RegisterKind.INPUT_REGISTER, address=0, data_type=DataType.INT16
    )
    assert decode(parameter, [0xFFFF]) == -1.0
