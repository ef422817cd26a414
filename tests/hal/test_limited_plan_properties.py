"""What holds for the plan of any parameters, coherent or not, under any limits, forbidden ranges and boundaries."""

from collections import defaultdict
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hal.limits import AddressRange, Boundary, PlanLimits
from hal.packing import coherent_sets
from hal.parameter import DataType, Parameter, RegisterKind
from hal.plan import ReadPlan, plan_reads
from tests.hal.parameters import make

LAST = 300
REGISTERS = (RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER)


@st.composite
def parameters_of_a_device(draw: st.DrawFn, *, most: int = 40) -> list[Parameter]:
    """Parameters of which some have a set-value and some share a coherence group."""
    count = draw(st.integers(0, most))
    parameters = []
    for number in range(count):
        kind = draw(st.sampled_from(RegisterKind))
        data_type = draw(st.sampled_from(DataType)) if kind in REGISTERS else DataType.BINARY
        length = draw(st.integers(1, 8)) if data_type is DataType.ASCII else 0
        parameters.append(
            make(
                number,
                kind,
                draw(st.integers(0, LAST - 8)),
                data_type,
                length=length,
                coherence_group=draw(st.sampled_from(["", "", "", "", "dose", "balance"])),
                set_value_parameter_id=draw(st.sampled_from([None, None, None, *range(count)])),
            )
        )
    return parameters


@st.composite
def ranges(draw: st.DrawFn) -> AddressRange:
    """A range among those parameters."""
    first = draw(st.integers(0, LAST))
    return AddressRange(kind=draw(st.sampled_from(RegisterKind)), first=first, last=first + draw(st.integers(0, 12)))


@st.composite
def plan_limits(draw: st.DrawFn) -> PlanLimits:
    """Limits under which the longest of those parameters can be read."""
    registers, bits = draw(st.integers(8, 125)), draw(st.integers(1, 2000))
    boundaries = st.builds(Boundary, kind=st.sampled_from(RegisterKind), address=st.integers(1, LAST))
    return PlanLimits(
        max_registers=registers,
        max_bits=bits,
        max_register_gap=draw(st.integers(0, registers)),
        max_bit_gap=draw(st.integers(0, bits)),
        forbidden=tuple(draw(st.lists(ranges(), max_size=4))),
        boundaries=tuple(draw(st.lists(boundaries, max_size=3))),
        one_register_image=draw(st.booleans()),
    )


def read_as(limits: PlanLimits, kind: RegisterKind) -> RegisterKind:
    """By which kind a parameter is asked for."""
    return REGISTERS[0] if limits.one_register_image and kind in REGISTERS else kind


def is_clear(limits: PlanLimits, kind: RegisterKind, first: int, last: int) -> bool:
    """Whether a request of these addresses touches nothing forbidden and crosses no boundary."""
    kind = read_as(limits, kind)
    touched = any(read_as(limits, r.kind) is kind and r.first <= last and first <= r.last for r in limits.forbidden)
    crossed = any(read_as(limits, b.kind) is kind and first < b.address <= last for b in limits.boundaries)
    return not touched and not crossed


def unread(plan: ReadPlan) -> set[int]:
    """The parameters that the plan leaves out."""
    return {p.parameter_id for p, block in zip(plan.parameters, plan.block_of, strict=True) if block < 0}


@given(parameters_of_a_device(), plan_limits())
def test_all_that_may_be_read_is_read_whole_and_the_rest_is_named(
    parameters: list[Parameter], limits: PlanLimits
) -> None:
    """A parameter is left out exactly where a request for it alone would be forbidden, and the plan says so."""
    plan = plan_reads(parameters, limits=limits)
    for parameter, index, offset in zip(plan.parameters, plan.block_of, plan.offset_of, strict=True):
        allowed = is_clear(limits, parameter.kind, parameter.address, parameter.last_address)
        assert (index >= 0) == allowed
        if allowed:
            block = plan.blocks[index]
            assert block.kind is read_as(limits, parameter.kind)
            assert parameter.address == block.address + offset
            assert offset + parameter.words <= block.count
    told = [warning.parameters for warning in plan.warnings if warning.code == "forbidden_parameter"]
    assert told == [(p.name,) for p in parameters if p.parameter_id in unread(plan)]


@given(parameters_of_a_device(), plan_limits())
def test_no_request_passes_a_span_or_touches_what_is_forbidden(parameters: list[Parameter], limits: PlanLimits) -> None:
    """Whatever must be coherent."""
    for block in plan_reads(parameters, limits=limits).blocks:
        assert 1 <= block.count <= limits.span(block.kind)
        assert is_clear(limits, block.kind, block.address, block.address + block.count - 1)


@given(parameters_of_a_device(), plan_limits())
def test_what_must_stay_together_is_parted_only_where_no_request_can_hold_it(
    parameters: list[Parameter], limits: PlanLimits
) -> None:
    """And then a warning names each of its parameters."""
    plan = plan_reads(parameters, limits=limits)
    readable = [i for i, block in enumerate(plan.block_of) if block >= 0]
    told = {frozenset(warning.parameters) for warning in plan.warnings if warning.code == "coherence_split"}
    expected = set()
    for members in coherent_sets(parameters, readable, limits):
        first = min(parameters[i].address for i in members)
        last = max(parameters[i].last_address for i in members)
        kind = read_as(limits, parameters[members[0]].kind)
        if last - first + 1 > limits.span(kind) or not is_clear(limits, kind, first, last):
            expected.add(frozenset(parameters[i].name for i in members))
        else:
            assert len({plan.block_of[i] for i in members}) == 1
    assert told == expected


@given(parameters_of_a_device(), plan_limits())
def test_set_values_and_groups_of_one_kind_are_one_set(parameters: list[Parameter], limits: PlanLimits) -> None:
    """The sets that must stay together are what the definitions say, and hold one kind each."""
    of = {i: members for members in coherent_sets(parameters, range(len(parameters)), limits) for i in members}
    assert sorted(of) == list(range(len(parameters)))
    for i, parameter in enumerate(parameters):
        for j, other in enumerate(parameters):
            is_bound = parameter.set_value_parameter_id == other.parameter_id or (
                parameter.coherence_group and parameter.coherence_group == other.coherence_group
            )
            if is_bound and read_as(limits, parameter.kind) is read_as(limits, other.kind):
                assert j in of[i]
        assert len({read_as(limits, parameters[j].kind) for j in of[i]}) == 1


@given(parameters_of_a_device(), plan_limits())
def test_a_plan_is_no_longer_than_a_simple_bound(parameters: list[Parameter], limits: PlanLimits) -> None:
    """Never more requests than parameters, nor than the stretches that gaps and limits leave would take.

    A set that did not fit into a request begins behind it by the span less the widest set, so a stretch of ``e``
    addresses takes at most ``e / (span - widest + 1)`` requests, rounded up.
    """
    plan = plan_reads(parameters, limits=limits)
    assert len(plan.blocks) <= len(parameters) - len(unread(plan))
    bound = 0
    pieces: dict[RegisterKind, list[tuple[int, int]]] = defaultdict(list)
    readable = [i for i, block in enumerate(plan.block_of) if block >= 0]
    for members in coherent_sets(parameters, readable, limits):
        kind = read_as(limits, parameters[members[0]].kind)
        for index in {plan.block_of[i] for i in members}:
            own = [parameters[i] for i in members if plan.block_of[i] == index]
            pieces[kind].append((min(p.address for p in own), max(p.last_address for p in own)))
    for kind, extents in pieces.items():
        for stretch in _stretches(kind, sorted(extents), limits):
            length = max(last for _, last in stretch) - stretch[0][0] + 1
            widest = max(last - first + 1 for first, last in stretch)
            bound += -(-length // (limits.span(kind) - widest + 1))
    assert len(plan.blocks) <= bound


def _stretches(kind: RegisterKind, extents: list[tuple[int, int]], limits: PlanLimits) -> list[list[tuple[int, int]]]:
    """Extents that a plan could join if its span were endless."""
    stretches: list[list[tuple[int, int]]] = []
    for first, last in extents:
        if stretches:
            end = max(known_last for _, known_last in stretches[-1])
            if first - end - 1 <= limits.gap(kind) and is_clear(limits, kind, min(end, first), first):
                stretches[-1].append((first, last))
                continue
        stretches.append([(first, last)])
    return stretches


@given(parameters_of_a_device(most=9), st.integers(8, 125))
def test_without_coherence_no_plan_is_shorter(parameters: list[Parameter], span: int) -> None:
    """Each way to cut the addresses of one kind into windows is tried."""
    alone = [
        make(p.parameter_id, RegisterKind.HOLDING_REGISTER, p.address, p.data_type, length=p.length)
        for p in parameters
        if not p.kind.is_bit
    ]
    plan = plan_reads(alone, limits=PlanLimits(max_registers=span, max_register_gap=span))
    assert len(plan.blocks) == _fewest(sorted({(p.address, p.last_address) for p in alone}), span)


def _fewest(extents: list[tuple[int, int]], span: int) -> int:
    """The fewest windows of a length that hold each of the extents: windows may as well begin where an extent does."""
    if not extents:
        return 0
    first = extents[0][0]
    best = len(extents)
    for start in {begin for begin, _ in extents if begin <= first}:
        left = [(a, b) for a, b in extents if not (a >= start and b < start + span)]
        best = min(best, 1 + _fewest(left, span))
    return best


@given(parameters_of_a_device(), plan_limits())
def test_a_gap_wider_than_its_limit_is_bridged_for_coherence_alone(
    parameters: list[Parameter], limits: PlanLimits
) -> None:
    """The gap limit is a matter of cost."""
    plan = plan_reads(parameters, limits=limits)
    readable = [i for i, block in enumerate(plan.block_of) if block >= 0]
    held = [
        (
            plan.block_of[i],
            min(parameters[j].address for j in members),
            max(parameters[j].last_address for j in members),
        )
        for members in coherent_sets(parameters, readable, limits)
        for i in members[:1]
    ]
    for index, block in enumerate(plan.blocks):
        own = [p for p, b in zip(plan.parameters, plan.block_of, strict=True) if b == index]
        used = sorted({at for p in own for at in range(p.address, p.last_address + 1)})
        for a, b in pairwise(used):
            if b - a - 1 > limits.gap(block.kind):
                parts = [first <= a and b <= last for at, first, last in held if at == index]
                assert any(parts) or any(w.code == "coherence_split" for w in plan.warnings)
