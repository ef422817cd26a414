"""Each kind of nonsense in definitions by its name, and nothing else called nonsense."""

from typing import Any

import pytest

from hal.parameter import DataType, RegisterKind
from recorder.definitions.definitions import Definition
from recorder.definitions.findings import Located, Severity, examine
from tests.recorder.definition_sets import definition

COIL = {"register_kind": RegisterKind.COIL, "data_type": DataType.BINARY, "unit": "boolean"}


def codes(*definitions: Definition) -> list[tuple[str, str]]:
    """Findings of these definitions: name of the fault, and of the parameter."""
    located = [Located(definition=d, line=line) for line, d in enumerate(definitions, start=2)]
    return [(finding.code, finding.parameter.split("/")[1]) for finding in examine(located)]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"address": None}, "not_configured"),
        ({"register_kind": None}, "not_configured"),
        ({"data_type": None}, "not_configured"),
        ({"address": 70_000}, "impossible_address"),
        ({"address": 65_535, "data_type": DataType.FLOAT32}, "impossible_address"),
        ({"register_kind": RegisterKind.COIL, "data_type": DataType.FLOAT32}, "type_nonsense"),
        ({"bit": 3, "data_type": DataType.INT16}, "type_nonsense"),
        ({"scale": 0.0}, "scale_nonsense"),
        ({"data_type": DataType.BINARY, "unit": "sccm"}, "unit_nonsense"),
        ({"data_type": DataType.FLOAT32, "unit": "boolean"}, "type_nonsense"),
        ({"min_value": 5.0, "max_value": 4.0}, "limits_reversed"),
        ({"range_low": 5.0, "range_high": 4.0}, "range_reversed"),
        ({**COIL, "set_value": 0.5}, "set_value_not_boolean"),
        ({"unit": "V", "min_value": 1.0, "set_value": 0.5}, "set_value_outside_limits"),
        ({"unit": "V", "max_value": 1.0, "set_value": 1.5}, "set_value_outside_limits"),
        ({"register_kind": RegisterKind.INPUT_REGISTER, "is_writable": True}, "not_writable"),
        ({"set_value_parameter": "chamber/nothing"}, "set_value_parameter_missing"),
    ],
)
def test_a_fault_of_one_definition_has_a_name(fields: dict[str, Any], code: str) -> None:
    """One fault, one finding."""
    assert codes(definition(**fields)) == [(code, "pressure")]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"unit": "Torr", "min_value": 0.0, "max_value": 1.0, "set_value": 0.5, "range_low": 0.0, "range_high": 0.0},
        {**COIL, "set_value": 1.0, "is_writable": True},
        {"data_type": DataType.BINARY, "bit": 15, "unit": "-"},
        {"register_kind": RegisterKind.INPUT_REGISTER, "is_writable": True, "write_address": 5},
        {"address": 65_534, "data_type": DataType.FLOAT32},
        {"data_type": DataType.ASCII, "length": 8},
    ],
)
def test_a_sound_definition_has_no_finding(fields: dict[str, Any]) -> None:
    """What can be is left in peace."""
    assert codes(definition(**fields)) == []


def test_what_cannot_be_read_is_an_error_and_what_contradicts_itself_a_warning() -> None:
    """What is merely not there is a word."""
    found = examine(
        [Located(definition=d, line=d.address or 0) for d in (definition("a", None), definition("b", 70_000))]
    )
    assert [finding.severity for finding in found] == [Severity.INFO, Severity.ERROR]
    assert found[1].message.endswith("it is not read")


def test_two_names_for_one_place_are_told_by_kind() -> None:
    """A coil claimed twice moves a valve twice; a register read twice is only suspicious."""
    assert codes(definition("a", 4, **COIL), definition("b", 4, **COIL)) == [("coil_claimed_twice", "b")]
    assert codes(definition("a", 4), definition("b", 4)) == [("duplicate_address", "b")]
    assert codes(definition("a", 4), definition("b", 4, device="other")) == []
    assert codes(definition("a", 4), definition("b", 4, register_kind=RegisterKind.INPUT_REGISTER)) == []
    assert codes(definition("a", 4), definition("b", 5)) == []


def test_values_that_share_some_of_their_words_overlap() -> None:
    """A float at 10 and an integer at 11; the message names both places."""
    float_at_10 = definition("a", 10, data_type=DataType.FLOAT32)
    assert codes(float_at_10, definition("b", 11)) == [("overlap", "b")]
    [finding] = examine([Located(definition=float_at_10), Located(definition=definition("b", 11))])
    assert "holding_register 11..11 overlaps 10..11 of chamber/a" in finding.message


def test_a_long_value_overlaps_all_that_lie_in_it() -> None:
    """Not only the next one."""
    text = definition("text", 0, data_type=DataType.ASCII, length=10)
    others = [definition(f"at {address}", address) for address in (1, 5, 9, 10)]
    assert codes(text, *others) == [("overlap", "at 1"), ("overlap", "at 5"), ("overlap", "at 9")]


def test_bits_of_one_register_are_no_overlap_but_its_word_is() -> None:
    """Sixteen alarms share a word; the same bit twice does not."""
    bits = [definition(f"bit {bit}", 7, data_type=DataType.BINARY, bit=bit) for bit in range(16)]
    assert codes(*bits) == []
    assert codes(bits[3], bits[3].model_copy(update={"name": "again"})) == [("duplicate_address", "again")]
    assert [code for code, _ in codes(*bits[:3], definition("word", 7))] == ["duplicate_address"] * 3


def test_a_set_value_must_be_read_in_the_same_scan() -> None:
    """Else none would ever be stored, without a word."""
    reading = definition("reading", 0, set_value_parameter="chamber/wanted")
    assert codes(reading, definition("wanted", 1)) == []
    others: list[dict[str, Any]] = [{"device": "other"}, {"scan_interval_ms": 1000}, {"address": None}]
    for fields in others:
        found = codes(reading, definition("wanted", **{"address": 1, **fields}))
        assert ("set_value_parameter_elsewhere", "reading") in found
