"""Every mistake of a first day at a tool is found from the words alone, and none is found where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.parameter import DataType, WordOrder
from recorder.check.judgement import is_certain, is_doubtful, judge, settle_together
from recorder.check.plausible import Expectation
from recorder.check.verdict import Verdict
from recorder.definitions.definitions import Definition
from tests.recorder.check.seen import HOLDING, INPUT, device_says, say, temperature


def as_defined(definition: Definition, **really: object) -> tuple[Definition, Definition]:
    """A definition, and what it would have to be."""
    return definition, definition.model_copy(update=really)


@pytest.mark.parametrize("value", [25.13, 199.87, 121.4, 3.25])
@pytest.mark.parametrize("order", list(WordOrder))
def test_a_value_that_is_defined_as_it_is_passes(order: WordOrder, value: float) -> None:
    """No sound definition is doubted, in any word order."""
    definition = temperature(word_order=order)
    judgement = judge(definition, device_says((definition, value)))
    assert judgement.verdict is Verdict.OK
    assert judgement.value == pytest.approx(value, rel=1e-6)
    assert order in judgement.plausible


@pytest.mark.parametrize("value", [25.13, 199.87, 121.4])
def test_word_swapped_floats_read_straight_are_named_with_their_order(value: float) -> None:
    """CDAB read as ABCD is the commonest mistake of all: the order is named and can be written down."""
    definition, really = as_defined(temperature(word_order="ABCD"), word_order=WordOrder.CDAB)
    image = device_says((really, value))
    judgement = judge(definition, image)
    assert judgement.verdict is Verdict.FAULT
    assert judgement.changes == {"word_order": WordOrder.CDAB}
    assert f"{value:.6g} °C with word_order CDAB" in judgement.messages[0]
    assert is_certain(judgement, image)


@given(value=st.floats(5, 440), wrong=st.sampled_from(list(WordOrder)), right=st.sampled_from(list(WordOrder)))
def test_with_the_front_panel_no_wrong_word_order_passes_unless_it_says_the_same(
    value: float, wrong: WordOrder, right: WordOrder
) -> None:
    """What was typed in is the strongest witness: whatever order is defined, the value seen decides."""
    definition, really = as_defined(temperature(word_order=wrong), word_order=right)
    expectation = Expectation.parse(f"{value:.1f}")
    judgement = judge(definition, device_says((really, value)), expectation)
    if expectation.fits(judgement.value):
        assert judgement.verdict is Verdict.OK
    else:
        assert judgement.verdict is Verdict.FAULT
        assert right in [h.changes.get("word_order") for h in judgement.hypotheses]


def test_a_manual_that_counts_from_one_shows_as_an_address_one_too_high() -> None:
    """The low word tells it from a word order: under the wrong one it would be empty."""
    definition, really = as_defined(temperature(address=101), address=100)
    judgement = judge(definition, device_says((really, 25.13)))
    assert judgement.verdict is Verdict.FAULT
    assert judgement.changes["address"] == 100
    assert "address 100 (one lower)" in judgement.messages[0]


def test_a_whole_number_next_door_is_found_by_the_front_panel() -> None:
    """40001 is address 0: the word beside holds what was seen."""
    definition, really = as_defined(
        temperature(address=1, data_type="uint16", unit="%", register_kind=HOLDING, range_low=None, range_high=None),
        address=0,
    )
    image = device_says((really, 45), readings=2)
    judgement = judge(definition, image, Expectation.parse("45"))
    assert judgement.changes["address"] == 0
    assert is_certain(judgement, image, Expectation.parse("45"))


def test_another_address_is_written_down_only_where_several_readings_show_it() -> None:
    """There the value can be each time, here it can be never; one look shows nothing."""
    definition, really = as_defined(temperature(address=101), address=100)
    for readings in (1, 2):
        image = device_says((really, 25.13), readings=readings)
        assert is_certain(judge(definition, image), image) is (readings > 1)


def test_a_signal_at_rest_is_never_moved_to_the_next_address() -> None:
    """Neither by what it says itself nor by what most parameters of its device have in common."""
    wrong = [temperature(f"t{n}", address=101 + 4 * n) for n in range(5)]
    really = [(d.model_copy(update={"address": (d.address or 0) - 1}), 20.0 + 17.31 * n) for n, d in enumerate(wrong)]
    zero = temperature("at zero", address=151)
    equal = temperature("equal neighbours", address=161, data_type="uint16", unit="%")
    same = [(equal.model_copy(update={"address": address}), 45) for address in (160, 161, 162)]
    image = device_says(*really, *same, readings=3)
    judgements, common = settle_together([judge(definition, image) for definition in (*wrong, zero, equal)])
    assert common == ["5 of 5 doubtful parameters make sense with address -1"]
    *moved, at_zero, between_equals = judgements
    assert all(is_certain(judgement, image) for judgement in moved)
    for judgement in (at_zero, between_equals):
        assert judgement.changes["address"] == (judgement.definition.address or 0) - 1
        assert not is_certain(judgement, image)


def test_a_value_that_was_plausible_once_is_no_wrong_address() -> None:
    """A sensor that says rubbish now and then is read where it is defined."""
    definition, really = as_defined(temperature(address=101), address=100)
    image = device_says((really, 25.13))
    say(image, (definition, 26.0))
    say(image, (really, 25.13))
    judgement = judge(definition, image)
    assert judgement.changes["address"] == 100
    assert not is_certain(judgement, image)


def test_fahrenheit_in_a_celsius_range_is_named_but_needs_a_witness_to_be_written_down() -> None:
    """A Watlow says 392 where the panel says 200: as °C it cannot be in a chamber of 350 °C."""
    definition = temperature(range_high=350)
    image = device_says((definition, 392.0))
    judgement = judge(definition, image)
    assert judgement.verdict is Verdict.FAULT
    assert "200 °C with °F from the device (scale 0.555556, offset -17.7778)" in judgement.messages[0]
    assert not is_certain(judgement, image)
    seen = Expectation.parse("200")
    witnessed = judge(definition, image, seen)
    assert witnessed.changes["scale"] == pytest.approx(1 / 1.8)
    assert is_certain(witnessed, image, seen)
    corrected = definition.model_copy(update=dict(witnessed.changes))
    assert judge(corrected, image, seen).verdict is Verdict.OK


def test_room_temperature_in_fahrenheit_needs_the_front_panel() -> None:
    """77 °F is a possible 77 °C; only who looked at the panel knows."""
    definition = temperature()
    image = device_says((definition, 77.18))
    assert judge(definition, image).verdict is Verdict.OK
    judgement = judge(definition, image, Expectation.parse("25.1"))
    assert "°F" in judgement.messages[0]
    assert judgement.changes["offset"] == pytest.approx(-32 / 1.8)


def test_a_front_panel_in_another_unit_is_told_and_nothing_is_changed() -> None:
    """The device says 120 °C and its panel 248 °F: the definition is right."""
    definition = temperature()
    seen = Expectation.parse("248")
    judgement = judge(definition, device_says((definition, 120.0)), seen)
    assert (judgement.verdict, judgement.changes) == (Verdict.WARNING, {})
    assert judgement.messages == ("the front panel says 248, which is right if it shows °F: 120 °C are 248 °F",)


def test_an_unsigned_word_that_should_be_signed_is_named() -> None:
    """65,531 of a flow near zero is -5."""
    definition = temperature(data_type="uint16", unit="sccm", range_low=-10, range_high=200)
    judgement = judge(definition, device_says((definition, 65_531)))
    assert "-5 sccm with data_type int16" in judgement.messages[0]


@pytest.mark.parametrize(("held", "seen", "scale"), [(251, "25.1", 0.1), (5130, "51.3", 0.01), (2.5, "2500", 1000)])
def test_a_scale_by_a_power_of_ten_is_found_by_the_front_panel(held: float, seen: str, scale: float) -> None:
    """Controllers hold tenths and hundredths in whole registers."""
    definition = temperature(range_high=None, range_low=None, unit="mTorr")
    judgement = judge(definition, device_says((definition, held)), Expectation.parse(seen))
    assert judgement.changes["scale"] == pytest.approx(scale)


def test_the_other_register_kind_is_found_by_the_front_panel() -> None:
    """An input register that was meant as a holding register holds zero."""
    definition, really = as_defined(temperature(), register_kind=HOLDING)
    judgement = judge(definition, device_says((really, 121.4)), Expectation.parse("121.4"))
    assert judgement.changes["register_kind"] is HOLDING


def test_zero_proves_nothing_and_is_not_doubted() -> None:
    """A tool that stands still says 0 in every word order."""
    definition = temperature()
    judgement = judge(definition, device_says((definition, 0.0)))
    assert (judgement.verdict, judgement.changes) == (Verdict.OK, {})


def test_a_wrong_zero_is_told_without_a_guess() -> None:
    """Everything empty says zero, so nothing near it is a cause."""
    definition = temperature()
    judgement = judge(definition, device_says((definition, 25.0)), Expectation.parse("0"))
    assert judgement.verdict is Verdict.FAULT
    assert judgement.changes == {}


def test_a_sentinel_is_a_warning_and_no_misread_value() -> None:
    """An open thermocouple says 0x8002: the definition is right."""
    definition = temperature(data_type="int16", sentinels=(0x8002,))
    image = device_says((definition.model_copy(update={"sentinels": ()}), -32_766))
    assert judge(definition, image).verdict is Verdict.WARNING
    assert not is_doubtful(definition, image)


def test_a_value_that_nothing_explains_is_a_warning_with_its_bounds() -> None:
    """A sensor at its rail is no fault of the definition."""
    definition = temperature(data_type="int16", range_high=200)
    judgement = judge(definition, device_says((definition, 13_000)))
    assert judgement.verdict is Verdict.WARNING
    assert "outside 0…200 °C (range_low, range_high)" in judgement.messages[0]


def test_a_text_with_swapped_bytes_is_named() -> None:
    """``IA2O` 3`` is Al2O3 read in the wrong byte order."""
    text = temperature(data_type="ascii", length=3, unit="")
    image = device_says()
    for address, word in enumerate((0x6C41, 0x4F32, 0x8033), start=100):
        image.put(INPUT, address, word)
    assert judge(text, image).verdict is Verdict.WARNING
    for address, word in enumerate((0x6C41, 0x4F32, 0x0033), start=100):
        image.put(INPUT, address, word)
    assert judge(text.model_copy(update={"word_order": WordOrder.BADC}), image).text == "Al2O3"


def test_what_was_not_read_is_not_judged() -> None:
    """Nothing is said of nothing."""
    assert judge(temperature(address=9_000), device_says()).verdict is Verdict.NOT_ASKED


def test_one_mistake_of_many_parameters_is_told_once_and_settles_the_doubtful() -> None:
    """What one value leaves open the others decide, also for the one that could be by chance: 0.06 in place of 37."""
    wrong = [temperature(f"t{n}", address=100 + 4 * n, word_order="ABCD") for n in range(5)]
    image = device_says(
        *((d.model_copy(update={"word_order": WordOrder.CDAB}), 20.0 + 17.31 * n) for n, d in enumerate(wrong))
    )
    judgements, common = settle_together([judge(definition, image) for definition in wrong])
    assert common == ["4 of 4 doubtful parameters make sense with word_order CDAB"]
    assert [judgement.verdict for judgement in judgements].count(Verdict.WARNING) == 1
    assert all(judgement.changes["word_order"] is WordOrder.CDAB for judgement in judgements)


def test_sound_parameters_have_nothing_in_common() -> None:
    """Nothing is told where nothing is wrong."""
    sound = [temperature(f"t{n}", address=100 + 4 * n) for n in range(5)]
    image = device_says(*((d, 20.0 + 17.31 * n) for n, d in enumerate(sound)))
    judgements = [judge(definition, image) for definition in sound]
    assert settle_together(judgements) == (judgements, [])


@given(
    value=st.floats(1, 449, width=32),
    data_type=st.sampled_from([DataType.FLOAT32, DataType.FLOAT64, DataType.INT16, DataType.UINT32]),
    order=st.sampled_from(list(WordOrder)),
)
def test_no_value_within_its_range_is_ever_a_fault(value: float, data_type: DataType, order: WordOrder) -> None:
    """Whatever the type and order, a sound definition passes."""
    definition = temperature(data_type=data_type, word_order=order)
    assert judge(definition, device_says((definition, value))).verdict is Verdict.OK
