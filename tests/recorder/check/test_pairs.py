"""Set-value and read-back that were exchanged, and writes that would hit something else, are found by reading alone."""

from typing import Any

import pytest

from hal.codec import encode
from recorder.check.image import Image
from recorder.check.judgement import judge
from recorder.check.pairs import PairFinding, check_pairs
from recorder.check.plausible import Expectation
from recorder.check.verdict import Verdict
from recorder.check.writes import check_writes
from recorder.definitions.definitions import Definition
from tests.recorder.check.seen import HOLDING, INPUT, device_says, temperature

READ = temperature("read", set_value_parameter="Chamber/set", tolerance=2)
SET = temperature("set", address=200, register_kind=HOLDING)


def findings(image: Image, *definitions: Definition, **expected: str) -> list[PairFinding]:
    """What is found between these parameters."""
    judgements = [judge(definition, image) for definition in definitions]
    seen = {f"Chamber/{name}": Expectation.parse(text) for name, text in expected.items()}
    return list(check_pairs(judgements, image, seen))


def test_a_tool_that_is_still_on_its_way_is_no_finding() -> None:
    """25 °C of 200 °C is a cold tool, not a mistake."""
    assert findings(device_says((READ, 25.0), (SET, 200.0)), READ, SET) == []


def test_a_tool_at_its_set_value_is_no_finding() -> None:
    """Within the tolerance both say the same."""
    assert findings(device_says((READ, 199.2), (SET, 200.0)), READ, SET) == []


def test_the_front_panel_shows_that_both_are_swapped() -> None:
    """The panel's temperature stands in what is called the set-value; both places are exchanged for review."""
    [finding] = findings(device_says((READ, 200.0), (SET, 25.1)), READ, SET, read="25.1")
    assert finding.verdict is Verdict.FAULT
    assert "look swapped" in finding.message
    assert finding.changes["Chamber/read"]["address"] == 200
    assert finding.changes["Chamber/set"]["register_kind"] is INPUT


def test_a_set_value_that_nobody_can_set_is_swapped() -> None:
    """Input registers cannot be written."""
    read, wanted = (
        READ.model_copy(update={"register_kind": HOLDING}),
        SET.model_copy(update={"register_kind": INPUT}),
    )
    [finding] = findings(device_says((read, 200.0), (wanted, 25.0)), read, wanted)
    assert finding.verdict is Verdict.FAULT


def test_a_set_value_that_moves_while_the_measurement_stands_still_is_doubted() -> None:
    """Only a hint: somebody may have typed a new one just then."""
    image = device_says((READ, 200.0), (SET, 25.1))
    for address, word in enumerate(encode(SET.to_parameter(), 25.3).tolist(), start=200):
        image.put(HOLDING, address, word)
    [finding] = findings(image, READ, SET)
    assert (finding.verdict, finding.changes) == (Verdict.WARNING, {})


def test_a_read_back_that_is_its_set_value_in_fahrenheit_is_named() -> None:
    """392 °F is the 200 °C that were set."""
    [finding] = findings(device_says((READ, 392.0), (SET, 200.0)), READ, SET)
    assert finding.verdict is Verdict.WARNING
    assert "392 °F is 200 °C" in finding.message
    assert finding.changes["Chamber/read"]["scale"] == pytest.approx(1 / 1.8)


def test_a_read_back_ten_times_its_set_value_asks_for_the_scale() -> None:
    """A controller that holds tenths."""
    read = temperature("read", set_value_parameter="Chamber/set", range_high=5000)
    [finding] = findings(device_says((read, 2001.0), (SET, 200.0)), read, SET)
    assert "is the scale right?" in finding.message


def writes(image: Image, *definitions: Definition) -> list[tuple[Verdict, str]]:
    """What is found about where parameters are written."""
    return [(finding.verdict, finding.message) for finding in check_writes(definitions, image)]


def writable(**fields: Any) -> Definition:
    """A measurement that is written elsewhere."""
    return READ.model_copy(update={"is_writable": True, "min_value": 0.0, "max_value": 400.0, **fields})


def test_a_write_to_its_own_set_value_is_sound() -> None:
    """That is what write_address is for."""
    assert writes(device_says((SET, 200.0)), writable(write_address=200), SET) == []


def test_a_write_that_hits_half_of_another_value_is_a_fault() -> None:
    """One off, and a float is torn."""
    [(verdict, message)] = writes(device_says(), writable(write_address=201), SET)
    assert verdict is Verdict.FAULT
    assert "hits a part of Chamber/set at 200…201: off by one?" in message


def test_a_write_to_another_parameter_is_doubted() -> None:
    """It may be meant; somebody has to say so."""
    other = temperature("other", address=200, register_kind=HOLDING)
    [(verdict, message)] = writes(device_says(), writable(write_address=200, set_value_parameter=""), other)
    assert verdict is Verdict.WARNING
    assert "Chamber/other" in message


def test_a_place_that_holds_what_the_parameter_cannot_be_is_doubted() -> None:
    """A write address in the wrong word order or place shows by what is there."""
    straight = temperature("straight", address=210, register_kind=HOLDING, word_order="ABCD")
    image = device_says((straight, 200.7))
    [(verdict, message)] = writes(image, writable(write_address=210))
    assert verdict is Verdict.WARNING
    assert "which this cannot be" in message


def test_writes_without_limits_and_without_a_place_are_told() -> None:
    """A writable input register is a fault, a writable float without limits a risk."""
    assert [verdict for verdict, _ in writes(device_says(), writable())] == [Verdict.FAULT]
    free = SET.model_copy(update={"is_writable": True})
    assert [verdict for verdict, _ in writes(device_says(), free)] == [Verdict.WARNING]
