"""Coherence groups that one request cannot read are told when definitions are imported."""

from typing import Any

from hal.parameter import DataType, RegisterKind
from recorder.definitions.definitions import Definition
from recorder.definitions.findings import Located, examine
from recorder.definitions.importing import estimate


def definition(name: str, address: int, **fields: Any) -> Definition:
    """A holding register of a mass flow controller."""
    fields = {"register_kind": RegisterKind.HOLDING_REGISTER, **fields}
    return Definition(component="MFC", name=name, address=address, data_type=DataType.UINT16, **fields)


def codes(*definitions: Definition) -> list[str]:
    """Names of the findings."""
    return [finding.code for finding in examine([Located(definition=d) for d in definitions])]


def test_a_group_of_one_kind_and_interval_is_no_finding() -> None:
    """That is what groups are for."""
    assert codes(definition("value", 0, coherence_group="a"), definition("scale", 9, coherence_group="a")) == []


def test_a_group_of_several_devices_kinds_or_intervals_is_named() -> None:
    """One request cannot read it."""
    value = definition("value", 0, coherence_group="a")
    for other in (
        {"device": "gauge"},
        {"register_kind": RegisterKind.INPUT_REGISTER},
        {"scan_interval_ms": 1000},
    ):
        assert codes(value, definition("scale", 9, coherence_group="a", **other)) == ["coherence_group_divided"]


def test_a_group_of_one_is_probably_misspelt() -> None:
    """Its partner is elsewhere."""
    assert codes(definition("value", 0, coherence_group="a")) == ["coherence_group_alone"]


def test_the_estimate_of_an_import_knows_set_values_by_name() -> None:
    """Before the database has given ids, the plan that is shown is the one that will be made."""
    definitions = [definition("flow", 0, set_value_parameter="MFC/flow_set"), definition("flow_set", 100)]
    assert estimate(definitions, {}).requests_per_scan == 1
