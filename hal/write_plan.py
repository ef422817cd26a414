"""Which values go to a device in one request: as many as Modbus can take together.

Pure: parameters in, groups of them out.
"""

from collections.abc import Sequence
from typing import Final

from hal.errors import DefinitionError
from hal.link import MOST_WRITTEN
from hal.parameter import Parameter, RegisterKind

WRITABLE_KINDS: Final = frozenset({RegisterKind.COIL, RegisterKind.HOLDING_REGISTER})


def plan_writes(parameters: Sequence[Parameter]) -> tuple[tuple[int, ...], ...]:
    """Group parameters whose addresses touch, so that one request writes each group.

    A bit of a register stands alone, since its neighbours in the word are not ours to write.

    Args:
        parameters: of one device, all writable.

    Returns:
        Positions in ``parameters``: each once, a group in the order of its addresses, the groups in the order in which
        their first member was given.

    Raises:
        DefinitionError: one cannot be written, or two of them take the same address.
    """
    for parameter in parameters:
        if parameter.kind not in WRITABLE_KINDS:
            raise DefinitionError(f"{parameter.name}: a {parameter.kind} cannot be written")
    by_address = sorted(range(len(parameters)), key=lambda at: (parameters[at].kind, parameters[at].address))
    groups: list[list[int]] = []
    for at in by_address:
        group = groups[-1] if groups else []
        if group and _overlap(parameters[group[-1]], parameters[at]):
            names = f"{parameters[group[-1]].name} and {parameters[at].name}"
            raise DefinitionError(f"{names} take the same address: write one after the other")
        if group and _touch([parameters[member] for member in group], parameters[at]):
            group.append(at)
        else:
            groups.append([at])
    return tuple(tuple(group) for group in sorted(groups, key=min))


def _overlap(before: Parameter, after: Parameter) -> bool:
    if before.kind is not after.kind or after.address > before.last_address:
        return False
    return before.bit is None or after.bit is None or before.bit == after.bit


def _touch(group: Sequence[Parameter], after: Parameter) -> bool:
    first, last = group[0], group[-1]
    if last.kind is not after.kind or last.bit is not None or after.bit is not None:
        return False
    total = after.last_address - first.address + 1
    return after.address == last.last_address + 1 and total <= MOST_WRITTEN[after.kind]
