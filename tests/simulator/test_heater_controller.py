"""The second unit: Fahrenheit with the high word first, its own zones, the tool's time."""

import struct

import pytest

from hal.codec import decode
from hal.parameter import RegisterKind, WordOrder
from hal.plan import plan_reads
from simulator.errors import ILLEGAL_ADDRESS, ILLEGAL_VALUE, RequestRefusedError
from simulator.heater_controller import HeaterController

HOLDING = RegisterKind.HOLDING_REGISTER


class Clock:
    """The tool's simulated time, moved by hand."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


def fahrenheit(words: list[int]) -> float:
    """Read a float by hand: high word first."""
    (value,) = struct.unpack(">f", struct.pack(">HH", *words))
    return float(value)


def test_a_temperature_is_in_fahrenheit_with_the_high_word_first() -> None:
    """110 C are 230 F, 0x43660000: the high word has the lower address."""
    controller = HeaterController(time_us=Clock())
    assert list(controller.read(HOLDING, 362, 2)) == [0x4366, 0x0000]
    assert fahrenheit(list(controller.read(HOLDING, 360, 2))) == pytest.approx(230.0, abs=0.5)


def test_its_definitions_give_celsius_and_read_all_of_it_in_one_request() -> None:
    """Scale and offset of the file undo Fahrenheit."""
    controller = HeaterController(time_us=Clock())
    by_name = {d.parameter.name: d.parameter for d in controller.definitions}
    parameter = by_name["Exhaust Heater/temperature_set"]
    assert parameter.word_order is WordOrder.ABCD
    words = controller.read(parameter.kind, parameter.address, parameter.words)
    assert decode(parameter, list(words)) == pytest.approx(90.0)
    assert len(plan_reads([d.parameter for d in controller.definitions]).blocks) == 1


def test_a_set_value_in_fahrenheit_moves_its_zone_in_the_tools_time() -> None:
    """257 F are 125 C: reached within half an hour, and nothing moves while time stands."""
    clock = Clock()
    controller = HeaterController(time_us=clock)
    high, low = struct.unpack(">HH", struct.pack(">f", 257.0))
    before = controller.read(HOLDING, 360, 2)
    controller.write(HOLDING, 362, [high, low])
    assert controller.read(HOLDING, 360, 2) == before
    clock.now_us = 1_800_000_000
    assert fahrenheit(list(controller.read(HOLDING, 360, 2))) == pytest.approx(257.0, abs=2.0)


def test_how_often_it_is_read_changes_nothing() -> None:
    """Read each second or once at the end: the same words."""
    often_clock, once_clock = Clock(), Clock()
    often, once = HeaterController(time_us=often_clock, seed=3), HeaterController(time_us=once_clock, seed=3)
    for second in range(200):
        often_clock.now_us = second * 1_000_000 + 999_999
        often.read(HOLDING, 360, 8)
    once_clock.now_us = often_clock.now_us
    assert once.read(HOLDING, 360, 28) == often.read(HOLDING, 360, 28)


def test_a_zone_that_is_switched_off_cools_and_alarms_while_above_a_lower_set_value() -> None:
    """The alarm stands 15 C above the set-value."""
    clock = Clock()
    controller = HeaterController(time_us=clock)
    controller.write(HOLDING, 366, [0])
    controller.write(HOLDING, 362, [0x4248, 0x0000])  # 50 F, 10 C
    clock.now_us = 2_000_000
    assert list(controller.read(HOLDING, 364, 4)) == [0, 0, 0, 1]
    clock.now_us = 7_200_000_000
    assert fahrenheit(list(controller.read(HOLDING, 360, 2))) == pytest.approx(71.6, abs=1.5)


def test_what_it_does_not_take_is_refused() -> None:
    """A reading, half a value, a set-value beyond 200 C, an address that is not there."""
    controller = HeaterController(time_us=Clock())
    high, low = struct.unpack(">HH", struct.pack(">f", 400.0))
    for address, words, code in (
        (360, [0, 0], ILLEGAL_ADDRESS),
        (363, [0], ILLEGAL_VALUE),
        (362, [high, low], ILLEGAL_VALUE),
    ):
        with pytest.raises(RequestRefusedError) as caught:
            controller.write(HOLDING, address, words)
        assert caught.value.exception_code == code
    with pytest.raises(RequestRefusedError):
        controller.read(HOLDING, 0, 2)
