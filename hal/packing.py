"""From parameters to blocks: which share a request, and which had to be parted.

Pure. The unit that is placed is a *set*: one parameter, or all that must be of one moment (a value and its set-value, a
value and its scale). A request begins at the first set that is not placed yet and takes every set that lies within its
span, which is the fewest requests there can be as long as no set is wider than its parameters.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hal.errors import DefinitionError
from hal.limits import PlanLimits
from hal.link import Block
from hal.parameter import Parameter, RegisterKind


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanWarning:
    """Something that a plan cannot do, though it was asked for.

    Attributes:
        code: ``coherence_split`` or ``forbidden_parameter``.
        parameters: names of the parameters that it is about.
        message: what, why, and what to do, in one line.
    """

    code: str
    parameters: tuple[str, ...]
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """Which blocks to read.

    Attributes:
        blocks: by kind and address.
        block_of: index in ``blocks`` for each parameter; -1 for those that must not be read.
    """

    blocks: tuple[Block, ...]
    block_of: tuple[int, ...]
    warnings: tuple[PlanWarning, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Set:
    """Parameters that must come in one request.

    Attributes:
        first: lowest address.
        last: highest address.
        members: indices of parameters, by address.
    """

    first: int
    last: int
    members: tuple[int, ...]


def pack(parameters: Sequence[Parameter], limits: PlanLimits) -> Packing:
    """Place every parameter that may be read in as few blocks as the limits allow."""
    warnings: list[PlanWarning] = []
    readable = []
    for index, parameter in enumerate(parameters):
        warning = _why_not(parameter, limits)
        if warning is None:
            readable.append(index)
        else:
            warnings.append(warning)
    sets: dict[RegisterKind, list[_Set]] = defaultdict(list)
    for members in coherent_sets(parameters, readable, limits):
        kind = limits.read_as(parameters[members[0]].kind)
        whole = _set_of(parameters, members)
        if _obstacle(kind, whole.first, whole.last, limits) is None:
            sets[kind].append(whole)
            continue
        alone = [_set_of(parameters, [index]) for index in members]
        parts = [_merged(block_sets) for _, block_sets in _fill(kind, alone, limits, any_gap=True)]
        sets[kind] += parts
        warnings.append(_split_warning(parameters, kind, parts, limits))
    blocks: list[Block] = []
    block_of = [-1] * len(parameters)
    for kind in sorted(sets, key=lambda kind: kind.function_code):
        for block, block_sets in _fill(kind, sets[kind], limits):
            for one in block_sets:
                for index in one.members:
                    block_of[index] = len(blocks)
            blocks.append(block)
    return Packing(blocks=tuple(blocks), block_of=tuple(block_of), warnings=tuple(warnings))


def coherent_sets(parameters: Sequence[Parameter], indices: Iterable[int], limits: PlanLimits) -> list[tuple[int, ...]]:
    """Part indices into sets that must be read by one request: by coherence group, and value with set-value.

    Only parameters that one function code reads can share a request, so no set holds two kinds.
    """
    chosen = sorted(indices, key=lambda i: _place(parameters[i]))
    index_of_id = {parameters[i].parameter_id: i for i in chosen}
    root = {i: i for i in chosen}

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = index = root[root[index]]
        return index

    groups: dict[tuple[str, RegisterKind], int] = {}
    for i in chosen:
        parameter = parameters[i]
        kind = limits.read_as(parameter.kind)
        if parameter.coherence_group:
            root[find(i)] = find(groups.setdefault((parameter.coherence_group, kind), i))
        set_value_id = parameter.set_value_parameter_id
        shown_by = None if set_value_id is None else index_of_id.get(set_value_id)
        if shown_by is not None and limits.read_as(parameters[shown_by].kind) is kind:
            root[find(shown_by)] = find(i)
    sets: dict[int, list[int]] = defaultdict(list)
    for i in chosen:
        sets[find(i)].append(i)
    return [tuple(members) for members in sets.values()]


def _fill(
    kind: RegisterKind, sets: Iterable[_Set], limits: PlanLimits, *, any_gap: bool = False
) -> Iterator[tuple[Block, list[_Set]]]:
    """Open a request at the first set left, take all that fit, and so on until none is left."""
    left = sorted(sets, key=lambda one: (one.first, -one.last))
    gap = limits.span(kind) if any_gap else limits.gap(kind)
    while left:
        first, last = left[0].first, left[0].last
        taken, skipped = [left[0]], []
        rest = iter(left[1:])
        for one in rest:
            # a set that reaches too far is left for a later request, one that begins too far ends this one
            if one.first - last - 1 > gap or _obstacle(kind, first, max(last, one.first), limits) is not None:
                skipped.append(one)
                break
            if _obstacle(kind, first, max(last, one.last), limits) is not None:
                skipped.append(one)
                continue
            taken.append(one)
            last = max(last, one.last)
        left = [*skipped, *rest]
        yield Block(kind=kind, address=first, count=last - first + 1), taken


def _obstacle(kind: RegisterKind, first: int, last: int, limits: PlanLimits) -> str | None:
    """Why no request can read from first to last; None where one can."""
    if last - first + 1 > limits.span(kind):
        unit = "bits" if kind.is_bit else "registers"
        return f"they span {last - first + 1} {unit} and one request reads {limits.span(kind)}"
    forbidden = limits.forbidden_within(kind, first, last)
    if forbidden is not None:
        return f"{forbidden} between them must not be read"
    boundary = limits.boundary_within(kind, first, last)
    return None if boundary is None else f"the device refuses requests across {boundary}"


def _why_not(parameter: Parameter, limits: PlanLimits) -> PlanWarning | None:
    """A parameter that must not be read at all, or None."""
    if parameter.words > limits.span(parameter.kind):
        raise DefinitionError(
            f"{parameter.name}: its {parameter.words} words pass the {limits.span(parameter.kind)} of one request"
        )
    first, last = parameter.address, parameter.last_address
    reason: object = limits.forbidden_within(parameter.kind, first, last)
    if reason is None:
        reason = limits.boundary_within(parameter.kind, first, last)
        if reason is None:
            return None
    return PlanWarning(
        code="forbidden_parameter",
        parameters=(parameter.name,),
        message=f"{parameter.name} ({parameter.kind} {first}..{last}) is not read: {reason} must not be read",
    )


def _split_warning(
    parameters: Sequence[Parameter], kind: RegisterKind, parts: Sequence[_Set], limits: PlanLimits
) -> PlanWarning:
    names = [" and ".join(parameters[i].name for i in part.members) for part in parts]
    why = _obstacle(kind, min(p.first for p in parts), max(p.last for p in parts), limits)
    return PlanWarning(
        code="coherence_split",
        parameters=tuple(parameters[i].name for part in parts for i in part.members),
        message=f"{'; '.join(names)} should be of one moment but take {len(parts)} requests: {why}",
    )


def _set_of(parameters: Sequence[Parameter], members: Sequence[int]) -> _Set:
    return _Set(
        first=min(parameters[i].address for i in members),
        last=max(parameters[i].last_address for i in members),
        members=tuple(members),
    )


def _merged(sets: Sequence[_Set]) -> _Set:
    return _Set(
        first=min(one.first for one in sets),
        last=max(one.last for one in sets),
        members=tuple(i for one in sets for i in one.members),
    )


def _place(parameter: Parameter) -> tuple[int, int, int]:
    """Order by kind and address; of one address the longest first, so that the order given does not matter."""
    return parameter.kind.function_code, parameter.address, -parameter.words
