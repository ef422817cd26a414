"""Plans under what a device forbids, and of what must be of one moment."""

import numpy as np
import pytest

from hal.errors import DefinitionError
from hal.limits import AddressRange, Boundary, PlanLimits
from hal.link import Reading
from hal.outcome import make_rows
from hal.parameter import DataType, RegisterKind
from hal.plan import ReadPlan, plan_reads
from hal.quality import Quality
from tests.hal.parameters import coil, holding, make, real_parameters

HOLDING = RegisterKind.HOLDING_REGISTER
INPUT = RegisterKind.INPUT_REGISTER


def spans(plan: ReadPlan) -> list[str]:
    """The blocks in words."""
    return [str(block) for block in plan.blocks]


def forbid(first: int, last: int, kind: RegisterKind = HOLDING) -> PlanLimits:
    """Limits with one forbidden range."""
    return PlanLimits(forbidden=(AddressRange(kind=kind, first=first, last=last),))


def test_the_real_tool_with_one_register_image_is_read_with_four_requests() -> None:
    """Input and holding registers share the requests of function 3."""
    plan = plan_reads(real_parameters(), limits=PlanLimits(one_register_image=True))
    assert len(plan.blocks) <= 4
    assert INPUT not in {block.kind for block in plan.blocks}


def test_one_register_image_reads_both_kinds_with_one_request() -> None:
    """And each parameter lies where its address says."""
    plan = plan_reads([holding(1, 10), make(2, INPUT, 12, DataType.INT16)], limits=PlanLimits(one_register_image=True))
    assert spans(plan) == ["holding_register 10..12"]
    assert plan.offset_of == (0, 2)


def test_a_range_forbidden_for_one_kind_is_forbidden_in_the_shared_image() -> None:
    """There is only one memory behind them."""
    limits = PlanLimits(one_register_image=True, forbidden=(AddressRange(kind=INPUT, first=11, last=11),))
    assert spans(plan_reads([holding(1, 10), holding(2, 12)], limits=limits)) == [
        "holding_register 10..10",
        "holding_register 12..12",
    ]


def test_a_forbidden_range_is_never_bridged() -> None:
    """Whatever the gap limit allows; of another kind it does not matter."""
    parameters = [holding(1, 0), holding(2, 5)]
    assert spans(plan_reads(parameters, limits=forbid(3, 3))) == ["holding_register 0..0", "holding_register 5..5"]
    assert spans(plan_reads(parameters, limits=forbid(3, 3, INPUT))) == ["holding_register 0..5"]


def test_a_parameter_in_a_forbidden_range_is_left_out_and_named() -> None:
    """The others are read, the row of this one is bad."""
    plan = plan_reads([holding(1, 0), holding(2, 4, DataType.FLOAT32), holding(3, 8)], limits=forbid(5, 5))
    assert spans(plan) == ["holding_register 0..0", "holding_register 8..8"]
    assert plan.block_of == (0, -1, 1)
    assert plan.leaves_out
    assert [(warning.code, warning.parameters) for warning in plan.warnings] == [("forbidden_parameter", ("test/2",))]
    assert (
        "  forbidden_parameter: test/2 (holding_register 4..5) is not read: holding_register 5..5 must not be read"
        in (plan.explain().splitlines())
    )


def test_a_row_that_is_not_read_is_bad_at_the_time_given() -> None:
    """And texts that are not read are not there."""
    plan = plan_reads([holding(1, 0), holding(2, 4), holding(3, 5, DataType.ASCII, length=2)], limits=forbid(4, 5))
    reading = Reading(data=np.array([7], np.uint16), requested_ns=10, responded_ns=30)
    rows = make_rows(plan, [reading], unread=Quality.REFUSED, unread_ns=5)
    assert rows.quality.tolist() == [Quality.GOOD, Quality.REFUSED]
    assert rows.values.tolist() == pytest.approx([7.0, np.nan], nan_ok=True)
    assert rows.monotonic_ns.tolist() == [20, 5]
    assert rows.texts == {}


def test_a_boundary_ends_a_request() -> None:
    """Both sides are read, by a request each."""
    limits = PlanLimits(boundaries=(Boundary(kind=HOLDING, address=2),))
    assert spans(plan_reads([holding(n, n) for n in range(4)], limits=limits)) == [
        "holding_register 0..1",
        "holding_register 2..3",
    ]


def test_a_value_and_its_set_value_share_a_request_across_any_gap() -> None:
    """What else lies in between comes along."""
    parameters = [holding(1, 0, set_value_parameter_id=2), holding(2, 100), holding(3, 50), holding(4, 200)]
    plan = plan_reads(parameters)
    assert spans(plan) == ["holding_register 0..100", "holding_register 200..200"]
    assert plan.warnings == ()


def test_a_coherence_group_shares_a_request() -> None:
    """Value and scale, counter and width."""
    parameters = [holding(1, 0, coherence_group="dose"), holding(2, 30), holding(3, 60, coherence_group="dose")]
    assert spans(plan_reads(parameters)) == ["holding_register 0..60"]


def test_a_group_at_the_end_of_a_span_begins_the_next_request() -> None:
    """Rather than be cut by it."""
    parameters = [*(holding(n, n) for n in range(120)), *(holding(n, n, coherence_group="x") for n in range(120, 130))]
    assert spans(plan_reads(parameters)) == ["holding_register 0..119", "holding_register 120..129"]


def test_kinds_cannot_be_of_one_request() -> None:
    """A valve's coil and its counter are of two function codes; no warning, for nothing can be done."""
    plan = plan_reads([coil(1, 0, set_value_parameter_id=2), holding(2, 0)])
    assert len(plan.blocks) == 2
    assert plan.warnings == ()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (PlanLimits(max_registers=20), "they span 31 registers and one request reads 20"),
        (forbid(7, 9), "holding_register 7..9 between them must not be read"),
        (
            PlanLimits(boundaries=(Boundary(kind=HOLDING, address=20),)),
            "the device refuses requests across holding_register 19|20",
        ),
    ],
)
def test_a_set_that_the_device_parts_is_read_in_parts_and_named(limits: PlanLimits, reason: str) -> None:
    """It is recorded all the same; whoever uses it is told."""
    plan = plan_reads(
        [holding(1, 0, name="MFC/flow", set_value_parameter_id=2), holding(2, 30, name="MFC/flow_set")], limits=limits
    )
    assert len(plan.blocks) == 2
    (warning,) = plan.warnings
    assert warning.code == "coherence_split"
    assert warning.parameters == ("MFC/flow", "MFC/flow_set")
    assert warning.message == f"MFC/flow; MFC/flow_set should be of one moment but take 2 requests: {reason}"
    assert warning.message in plan.explain()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("holding_register 100..109", "holding_register 100..109"),
        ("coil 5", "coil 5..5"),
        (" input_register 7-9 ", "input_register 7..9"),
    ],
)
def test_a_range_is_written_as_it_is_shown(text: str, said: str) -> None:
    """One way to write it, in the configuration, in errors and in files."""
    assert str(AddressRange.parse(text)) == said


@pytest.mark.parametrize(
    "text", ["", "holding 3", "holding_register", "coil 9..3", "coil 65536", "coil -1", "coil 1..2..3"]
)
def test_a_range_that_is_none_is_refused(text: str) -> None:
    """Naming what was written."""
    with pytest.raises(DefinitionError, match="range of addresses"):
        AddressRange.parse(text)
