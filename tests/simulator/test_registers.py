"""The register image: values in their places, areas, and writes taken whole or not at all."""

import struct

import pytest

from hal.codec import decode, encode
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from simulator.errors import ILLEGAL_ADDRESS, ILLEGAL_VALUE, RequestRefusedError
from simulator.parameter_map import Definition, definitions_path, load
from simulator.process import advance
from simulator.registers import RegisterMap
from simulator.signals import signals
from tests.simulator.plants import idle

DEFINITIONS = load(definitions_path())
MAP = RegisterMap(DEFINITIONS)
VALUES = signals(idle())


def cdab(value: float) -> list[int]:
    """Lay a float out by hand: low word first."""
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def test_every_parameter_decodes_to_the_value_that_was_put_in() -> None:
    """Through its own kind, address, type, word order and scale."""
    image = MAP.image(VALUES)
    for definition in DEFINITIONS:
        parameter = definition.parameter
        value = decode(parameter, image.read(parameter.kind, parameter.address, parameter.words))
        expected = VALUES[parameter.name]
        if isinstance(expected, str):
            assert value == expected
        else:
            assert value == pytest.approx(expected, rel=1e-6, abs=0.5 * parameter.scale)


def test_a_float_lies_with_its_low_word_first() -> None:
    """200.0 is 0x43480000, so 0x0000 comes before 0x4348: laid out by hand, not by our encoder."""
    image = MAP.image(VALUES)
    assert image.read(RegisterKind.HOLDING_REGISTER, 2000, 2) == [0x0000, 0x4348]


def test_the_recipe_name_is_text_of_two_characters_a_word() -> None:
    """The first character is in the high byte."""
    words = MAP.image(VALUES).read(RegisterKind.INPUT_REGISTER, 3020, 8)
    assert b"".join(word.to_bytes(2, "big") for word in words) == b"Al2O3 TMA H2O\0\0\0"


def test_an_image_made_from_the_previous_one_equals_one_made_afresh() -> None:
    """Encoding only what changed changes nothing, and the older image stays as it was."""
    first = MAP.image(VALUES)
    before = first.read(RegisterKind.INPUT_REGISTER, 3000, 20)
    later = signals(advance(idle(), 250))
    assert MAP.image(later, first) == MAP.image(later)
    assert first.read(RegisterKind.INPUT_REGISTER, 3000, 20) == before


def test_unused_words_between_parameters_read_zero() -> None:
    """So neighbours can be read by one request, as with the real PLC."""
    words = MAP.image(VALUES).read(RegisterKind.HOLDING_REGISTER, 2000, 121)
    assert words[0:2] == cdab(200.0)
    assert words[2:6] == [0, 0, 0, 0]  # 2002 to 2005 are input registers only
    assert words[120] == 20


@pytest.mark.parametrize(
    ("kind", "address", "count"),
    [
        (RegisterKind.HOLDING_REGISTER, 1999, 1),
        (RegisterKind.HOLDING_REGISTER, 2197, 2),
        (RegisterKind.HOLDING_REGISTER, 3000, 1),
        (RegisterKind.INPUT_REGISTER, 2000, 1),
        (RegisterKind.INPUT_REGISTER, 3000, 69),
        (RegisterKind.COIL, 44, 1),
        (RegisterKind.DISCRETE_INPUT, 45, 1),
        (RegisterKind.DISCRETE_INPUT, 65535, 2),
    ],
)
def test_a_read_outside_of_the_memory_is_refused(kind: RegisterKind, address: int, count: int) -> None:
    """Before, across the end of, and far from an area: illegal data address."""
    with pytest.raises(RequestRefusedError) as caught:
        MAP.image(VALUES).read(kind, address, count)
    assert caught.value.exception_code == ILLEGAL_ADDRESS


@pytest.mark.parametrize("order", list(WordOrder))
@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        (DataType.FLOAT32, -1.5e-7),
        (DataType.FLOAT64, 5_583_588.4),
        (DataType.UINT32, 0xDEADBEEF),
        (DataType.INT32, -123_456),
        (DataType.INT16, -2),
        (DataType.UINT64, 2**53 - 1),
    ],
)
def test_the_quick_encoder_lays_words_as_the_codec_does(order: WordOrder, data_type: DataType, value: float) -> None:
    """For every word order, so that speed cost no truth."""
    parameter = Parameter(
        parameter_id=1,
        name="a/b",
        kind=RegisterKind.INPUT_REGISTER,
        address=0,
        data_type=data_type,
        word_order=order,
        scale=0.5,
    )
    definition = Definition(parameter=parameter, unit="", min_value=None, max_value=None, is_writable=False)
    words = RegisterMap([definition]).image({"a/b": value * 0.5}).read(RegisterKind.INPUT_REGISTER, 0, parameter.words)
    assert words == encode(parameter, value * 0.5).tolist()


def test_one_write_may_carry_several_parameters() -> None:
    """kp, ki and kd of the chamber heater are neighbours."""
    words = [*cdab(3.0), *cdab(0.25), *cdab(1.5)]
    assert MAP.written(RegisterKind.HOLDING_REGISTER, 2006, words) == {
        "Chamber Heater/kp": 3.0,
        "Chamber Heater/ki": 0.25,
        "Chamber Heater/kd": 1.5,
    }


@pytest.mark.parametrize(
    ("kind", "address", "words", "exception_code"),
    [
        (RegisterKind.HOLDING_REGISTER, 2000, cdab(401.0), ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2000, cdab(-0.5), ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2000, cdab(float("nan")), ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2086, cdab(200.5), ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2120, [0], ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2000, [0], ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2001, [0x4348], ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2000, [*cdab(100.0), 0], ILLEGAL_ADDRESS),
        (RegisterKind.HOLDING_REGISTER, 2184, [0x0700, 0, 0, 0, 0, 0, 0, 0], ILLEGAL_VALUE),
        (RegisterKind.HOLDING_REGISTER, 2004, [0], ILLEGAL_ADDRESS),
        (RegisterKind.COIL, 12, [1], ILLEGAL_ADDRESS),
        (RegisterKind.COIL, 99, [1], ILLEGAL_ADDRESS),
    ],
)
def test_what_cannot_be_written_is_refused(
    kind: RegisterKind, address: int, words: list[int], exception_code: int
) -> None:
    """Beyond a limit or half a value: illegal value. Unused or read only: illegal address."""
    with pytest.raises(RequestRefusedError) as caught:
        MAP.written(kind, address, words)
    assert caught.value.exception_code == exception_code
