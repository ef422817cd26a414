"""What holds for the plan of any parameters under any limits."""

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from hal.parameter import DataType, Parameter, RegisterKind
from hal.plan import PlanLimits, plan_reads
from tests.hal.parameters import make

REGISTERS = [RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER]


@st.composite
def parameters_of_a_device(draw: st.DrawFn) -> list[Parameter]:
    """Parameters with ids of their own, near enough to each other to meet."""
    parameters = []
    for number in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from(RegisterKind))
        data_type = draw(st.sampled_from(DataType)) if kind in REGISTERS else DataType.BINARY
        length = draw(st.integers(1, 8)) if data_type is DataType.ASCII else 0
        parameters.append(make(number, kind, draw(st.integers(0, 400)), data_type, length=length))
    return parameters


@st.composite
def plan_limits(draw: st.DrawFn) -> PlanLimits:
    """Limits under which the longest of those parameters can be read."""
    registers, bits = draw(st.integers(8, 125)), draw(st.integers(1, 2000))
    return PlanLimits(
        max_registers=registers,
        max_bits=bits,
        max_register_gap=draw(st.integers(0, registers)),
        max_bit_gap=draw(st.integers(0, bits)),
    )


@given(parameters_of_a_device(), plan_limits())
def test_every_parameter_lies_whole_in_its_block(parameters: list[Parameter], limits: PlanLimits) -> None:
    """Nothing is left out, and no value is split over two requests."""
    plan = plan_reads(parameters, limits=limits)
    assert plan.parameters == tuple(parameters)
    for parameter, index, offset in zip(plan.parameters, plan.block_of, plan.offset_of, strict=True):
        block = plan.blocks[index]
        assert parameter.kind is block.kind
        assert parameter.address == block.address + offset
        assert offset + parameter.words <= block.count


@given(parameters_of_a_device(), plan_limits())
def test_no_block_passes_a_limit(parameters: list[Parameter], limits: PlanLimits) -> None:
    """Neither in span nor in any gap, and each begins and ends with a parameter."""
    plan = plan_reads(parameters, limits=limits)
    for index, block in enumerate(plan.blocks):
        members = [p for p, own in zip(plan.parameters, plan.block_of, strict=True) if own == index]
        used = {at for p in members for at in range(p.address, p.last_address + 1)}
        assert 1 <= block.count <= limits.span(block.kind)
        assert min(used) == block.address
        assert max(used) == block.address + block.count - 1
        ordered = sorted(used)
        assert all(b - a - 1 <= limits.gap(block.kind) for a, b in pairwise(ordered))


@given(parameters_of_a_device())
def test_wider_gaps_never_cost_requests(parameters: list[Parameter]) -> None:
    """Bridging is what a gap limit is for."""
    narrow = plan_reads(parameters, limits=PlanLimits(max_register_gap=0, max_bit_gap=0))
    wide = plan_reads(parameters, limits=PlanLimits(max_register_gap=125, max_bit_gap=2000))
    assert len(wide.blocks) <= len(narrow.blocks)


@given(parameters_of_a_device(), st.randoms(use_true_random=False))
def test_the_order_of_definitions_does_not_change_the_requests(parameters: list[Parameter], random: Random) -> None:
    """The same parameters in another order are read by the same blocks."""
    shuffled = list(parameters)
    random.shuffle(shuffled)
    assert set(plan_reads(shuffled).blocks) == set(plan_reads(parameters).blocks)
