"""Which requests read which parameters."""

from typing import Any

import numpy as np
import pytest

from hal.errors import DefinitionError
from hal.link import Block
from hal.parameter import DataType, RegisterKind
from hal.plan import PlanLimits, ReadPlan, plan_reads, plans_by_interval
from tests.hal.parameters import coil, holding, make, real_parameters


def spans(plan: ReadPlan) -> list[str]:
    """The blocks in words."""
    return [str(block) for block in plan.blocks]


def test_the_real_tool_is_read_with_six_requests() -> None:
    """110 parameters of the real map: two blocks each of holding and input registers, one each of bits."""
    plan = plan_reads(real_parameters())
    assert len(plan.parameters) == 110
    assert [block.kind for block in plan.blocks] == [
        RegisterKind.COIL,
        RegisterKind.DISCRETE_INPUT,
        RegisterKind.HOLDING_REGISTER,
        RegisterKind.HOLDING_REGISTER,
        RegisterKind.INPUT_REGISTER,
        RegisterKind.INPUT_REGISTER,
    ]


def test_a_plan_explains_itself() -> None:
    """The first line is the sum, then comes a line for each request."""
    lines = plan_reads(real_parameters()).explain().splitlines()
    assert lines[0] == "110 parameters: 6 requests"
    assert lines[1] == "  coil 0..37: 38 bits, 9 of them unused, 29 parameters"
    assert len(lines) == 7


def test_a_plan_of_one_speaks_singular() -> None:
    """People read it."""
    assert plan_reads([holding(1, 0)]).explain().startswith("1 parameter: 1 request\n")


def test_neighbours_share_a_request_and_kinds_do_not() -> None:
    """Each kind has its own function code, so its own request."""
    plan = plan_reads([holding(1, 10), make(2, RegisterKind.INPUT_REGISTER, 11, DataType.INT16), holding(3, 12)])
    assert spans(plan) == ["holding_register 10..12", "input_register 11..11"]
    assert plan.block_of == (0, 1, 0)
    assert plan.offset_of == (0, 0, 2)


@pytest.mark.parametrize(("gap", "requests"), [(0, 2), (3, 2), (4, 1)])
def test_a_gap_is_bridged_up_to_its_limit(gap: int, requests: int) -> None:
    """The limit counts the unused registers between two parameters."""
    plan = plan_reads([holding(1, 0), holding(2, 5)], limits=PlanLimits(max_register_gap=gap))
    assert len(plan.blocks) == requests


def test_bits_have_a_gap_limit_of_their_own() -> None:
    """A coil far from the next costs a byte for eight, not two bytes for one."""
    plan = plan_reads([coil(1, 0), coil(2, 200)], limits=PlanLimits(max_register_gap=0, max_bit_gap=199))
    assert spans(plan) == ["coil 0..200"]


def test_touching_parameters_merge_without_any_gap_allowed() -> None:
    """A gap of 0 is the gap between neighbours that touch."""
    plan = plan_reads([holding(1, 0, DataType.FLOAT64), holding(2, 4)], limits=PlanLimits(max_register_gap=0))
    assert spans(plan) == ["holding_register 0..4"]


def test_a_value_at_the_end_of_a_block_is_never_split() -> None:
    """A float that would take word 126 begins the next request."""
    plan = plan_reads([*(holding(n, n) for n in range(124)), holding(500, 124, DataType.FLOAT32)])
    assert spans(plan) == ["holding_register 0..123", "holding_register 124..125"]


def test_overlapping_parameters_are_read_once() -> None:
    """Two names may share an address, and a bit may lie within a register that is also read whole."""
    plan = plan_reads(
        [
            holding(1, 4, DataType.FLOAT64),
            holding(2, 4, DataType.FLOAT32),
            holding(3, 5, DataType.BINARY, bit=3),
            holding(4, 4, DataType.FLOAT64),
        ]
    )
    assert spans(plan) == ["holding_register 4..7"]
    assert plan.offset_of == (0, 0, 1, 0)


def test_a_long_text_inside_of_which_others_lie_is_one_block() -> None:
    """A parameter that ends before the block does must not shorten it."""
    plan = plan_reads([holding(1, 0, DataType.ASCII, length=20), holding(2, 3), holding(3, 21)])
    assert spans(plan) == ["holding_register 0..21"]


def test_rows_keep_the_order_in_which_parameters_were_given() -> None:
    """Whoever stores a scan need not know the order of addresses."""
    plan = plan_reads([holding(9, 100), holding(3, 0), holding(7, 2, DataType.ASCII, length=1), holding(5, 50)])
    assert plan.parameter_ids.tolist() == [9, 3, 5]
    assert plan.parameter_ids.dtype == np.int32


def test_set_values_are_found_within_the_plan_only() -> None:
    """A set-value register that is not read in this scan gives none."""
    plan = plan_reads(
        [
            holding(1, 0, set_value_parameter_id=2),
            holding(2, 2),
            holding(3, 4, set_value_parameter_id=99),
            holding(4, 6, set_value_parameter_id=5),
            holding(5, 8, DataType.ASCII, length=1),
        ]
    )
    assert plan.set_value_rows.tolist() == [1, -1, -1, -1]


def test_a_plan_of_nothing_has_no_requests() -> None:
    """A device whose parameters are all without address is no fault."""
    plan = plan_reads([])
    assert plan.blocks == ()
    assert plan.explain() == "0 parameters: 0 requests"


def test_each_interval_gets_its_own_plan_the_shortest_first() -> None:
    """A slow parameter must not be dragged along by fast ones."""
    plans = plans_by_interval([holding(1, 0, scan_interval_ms=1000), holding(2, 1), holding(3, 2)])
    assert list(plans) == [100, 1000]
    assert plans[100].parameter_ids.tolist() == [2, 3]
    assert plans[1000].blocks == (Block(kind=RegisterKind.HOLDING_REGISTER, address=0, count=1),)


def test_an_id_that_comes_twice_is_refused() -> None:
    """Its points could not be told apart."""
    with pytest.raises(DefinitionError, match=r"second: has the id 1 of first"):
        plan_reads([holding(1, 0, name="first"), holding(1, 5, name="second")])


def test_a_value_longer_than_a_request_is_refused_by_name() -> None:
    """Two requests could bring halves of two different texts."""
    with pytest.raises(DefinitionError, match=r"test/1: its 126 words pass the 125 of one request"):
        plan_reads([holding(1, 0, DataType.ASCII, length=126)])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_registers": 0}, "max_registers is 0, and one request reads 1…125"),
        ({"max_registers": 126}, "max_registers is 126, and one request reads 1…125"),
        ({"max_bits": 0}, "max_bits is 0, and one request reads 1…2000"),
        ({"max_bits": 2001}, "max_bits is 2001, and one request reads 1…2000"),
        ({"max_register_gap": -1}, "max_register_gap is -1, and must lie within 0…125"),
        ({"max_register_gap": 126}, "max_register_gap is 126, and must lie within 0…125"),
        ({"max_registers": 10, "max_register_gap": 11}, "max_register_gap is 11, and must lie within 0…10"),
        ({"max_bit_gap": 2001}, "max_bit_gap is 2001, and must lie within 0…2000"),
    ],
)
def test_limits_that_no_request_has_are_refused_in_one_sentence(fields: dict[str, Any], message: str) -> None:
    """The sentence names the limit, its value and what is allowed."""
    with pytest.raises(DefinitionError, match=message):
        PlanLimits(**fields)
