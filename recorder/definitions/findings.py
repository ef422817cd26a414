"""What is wrong with a set of definitions, each fault by a name that can be looked up and counted.

Pure. A finding never stops the rest from being recorded: what cannot be read is *not configured*.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hal.errors import DefinitionError
from hal.parameter import DataType, Parameter, RegisterKind
from recorder.definitions.definitions import Definition

BOOLEAN_UNITS: Final = frozenset({"", "-", "bool", "boolean", "binary", "on/off", "0/1"})


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """The parameter cannot be read, or what is read may be wrong."""
    WARNING = "warning"
    """It is read, but its definition contradicts itself."""
    INFO = "info"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One fault of a definition.

    Attributes:
        code: stable name of the kind of fault.
        parameter: ``component/parameter``.
        line: line of the file; 0 where the definition did not come from one.
        message: what is wrong and what to do, in one line.
    """

    code: str
    severity: Severity
    parameter: str
    line: int
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Located:
    """A definition and the line of the file it stands in."""

    definition: Definition
    line: int = 0


def examine(located: Sequence[Located]) -> list[Finding]:
    """Find what is wrong with definitions, each alone and all together."""
    findings: list[Finding] = []
    for item in located:
        findings += _examine_one(item)
    findings += _examine_addresses(located)
    findings += _examine_set_values(located)
    findings += _examine_groups(located)
    return sorted(findings, key=lambda finding: (finding.line, finding.code))


def _finding(code: str, severity: Severity, item: Located, message: str) -> Finding:
    return Finding(code=code, severity=severity, parameter=item.definition.full_name, line=item.line, message=message)


def _examine_one(item: Located) -> Iterator[Finding]:
    d = item.definition
    if not d.has_address:
        yield _finding("not_configured", Severity.INFO, item, "no address or no type: it is not read and makes no rows")
    else:
        try:
            d.to_parameter()
        except DefinitionError as error:
            reason = str(error).removeprefix(f"{d.full_name}: ")
            yield _finding(_misfit(d), Severity.ERROR, item, f"{reason}; it is not read")
    yield from _examine_unit(item)
    yield from _examine_limits(item)
    if d.is_writable and d.write_address is None and d.register_kind in _READ_ONLY:
        yield _finding(
            "not_writable",
            Severity.WARNING,
            item,
            f"is_writable, but a {d.register_kind} cannot be written; give a write_address or is_writable = false",
        )


def _misfit(d: Definition) -> str:
    """Name why a parameter with an address cannot be read."""
    if d.scale == 0:
        return "scale_nonsense"
    is_bit_kind = d.register_kind is not None and d.register_kind.is_bit
    if (is_bit_kind and d.data_type is not DataType.BINARY) or d.bit is not None:
        return "type_nonsense"
    return "impossible_address"


_READ_ONLY: Final = frozenset({RegisterKind.DISCRETE_INPUT, RegisterKind.INPUT_REGISTER})


def _examine_unit(item: Located) -> Iterator[Finding]:
    d = item.definition
    unit = d.unit.strip().lower()
    if d.data_type is DataType.BINARY and unit not in BOOLEAN_UNITS:
        yield _finding(
            "unit_nonsense", Severity.WARNING, item, f"a binary value cannot be in {d.unit}; its unit should be boolean"
        )
    if d.data_type not in {DataType.BINARY, None} and unit in BOOLEAN_UNITS - {"", "-"}:
        yield _finding(
            "type_nonsense", Severity.WARNING, item, f"a {d.data_type} cannot be a boolean; check unit and data_type"
        )


def _examine_limits(item: Located) -> Iterator[Finding]:
    d = item.definition
    if d.min_value is not None and d.max_value is not None and d.min_value > d.max_value:
        yield _finding(
            "limits_reversed", Severity.ERROR, item, f"min_value {d.min_value:g} is above max_value {d.max_value:g}"
        )
    if d.range_low is not None and d.range_high is not None and d.range_low > d.range_high:
        yield _finding(
            "range_reversed", Severity.ERROR, item, f"range_low {d.range_low:g} is above range_high {d.range_high:g}"
        )
    is_boolean = d.data_type is DataType.BINARY or d.unit.strip().lower() in BOOLEAN_UNITS - {"", "-"}
    if d.set_value is None:
        return
    if is_boolean and d.set_value not in {0, 1}:
        yield _finding(
            "set_value_not_boolean", Severity.WARNING, item, f"a boolean cannot be set to {d.set_value:g}, only 0 or 1"
        )
    elif (d.min_value is not None and d.set_value < d.min_value) or (
        d.max_value is not None and d.set_value > d.max_value
    ):
        yield _finding(
            "set_value_outside_limits",
            Severity.WARNING,
            item,
            f"set_value {d.set_value:g} is outside min_value…max_value",
        )


def _readable(located: Iterable[Located]) -> Iterator[tuple[Located, Parameter]]:
    for item in located:
        try:
            yield item, item.definition.to_parameter()
        except DefinitionError:
            continue


def _examine_addresses(located: Sequence[Located]) -> Iterator[Finding]:
    """Two names for one place, and values that share only some of their words."""
    places: dict[tuple[str, RegisterKind], list[tuple[Located, Parameter]]] = defaultdict(list)
    for item, parameter in _readable(located):
        places[item.definition.device, parameter.kind].append((item, parameter))
    for members in places.values():
        members.sort(key=lambda member: (member[1].address, member[1].bit or 0))
        reaching: list[Parameter] = []
        for item, parameter in members:
            # a long value may reach over several that follow it
            reaching = [before for before in reaching if before.last_address >= parameter.address]
            before = next((b for b in reversed(reaching) if not _are_different_bits(b, parameter)), None)
            reaching.append(parameter)
            if before is None:
                continue
            if parameter.kind is RegisterKind.COIL:
                code, what = "coil_claimed_twice", f"coil {parameter.address} is claimed by {before.name} too"
            elif (parameter.address, parameter.words) == (before.address, before.words):
                code, what = "duplicate_address", f"{parameter.kind} {parameter.address} is {before.name} too"
            else:
                code = "overlap"
                what = (
                    f"{parameter.kind} {parameter.address}..{parameter.last_address} overlaps "
                    f"{before.address}..{before.last_address} of {before.name}"
                )
            yield _finding(code, Severity.ERROR, item, f"{what}; check both against the manual")


def _are_different_bits(one: Parameter, other: Parameter) -> bool:
    return one.bit is not None and other.bit is not None and one.bit != other.bit


def _scan_of(d: Definition) -> tuple[str, int]:
    return d.device, d.scan_interval_ms


def _examine_set_values(located: Sequence[Located]) -> Iterator[Finding]:
    named = {item.definition.full_name: item.definition for item in located}
    for item in located:
        d = item.definition
        if not d.set_value_parameter:
            continue
        shown_by = named.get(d.set_value_parameter)
        if shown_by is None:
            yield _finding(
                "set_value_parameter_missing",
                Severity.ERROR,
                item,
                f"set_value_parameter {d.set_value_parameter!r} is not in this file; write component/parameter",
            )
        elif not shown_by.is_configured or _scan_of(shown_by) != _scan_of(d):
            yield _finding(
                "set_value_parameter_elsewhere",
                Severity.WARNING,
                item,
                f"set_value_parameter {d.set_value_parameter!r} is not read in the same scan: no set-value is stored; "
                "give both the same device and scan_interval_ms, and an address",
            )


def _examine_groups(located: Sequence[Located]) -> Iterator[Finding]:
    """Groups whose parameters one request cannot read."""
    groups: dict[str, list[tuple[Located, Parameter]]] = defaultdict(list)
    for item, parameter in _readable(located):
        if parameter.coherence_group:
            groups[parameter.coherence_group].append((item, parameter))
    for name, members in groups.items():
        first = members[0][0]
        if len(members) == 1:
            message = f"no other parameter has coherence_group {name!r}; check its spelling"
            yield _finding("coherence_group_alone", Severity.WARNING, first, message)
        several = {
            "devices": {item.definition.device for item, _ in members},
            "register kinds": {str(parameter.kind) for _, parameter in members},
            "scan intervals": {f"{parameter.scan_interval_ms} ms" for _, parameter in members},
        }
        for what, found in several.items():
            if len(found) > 1:
                message = f"coherence_group {name!r} has {what} {', '.join(sorted(found))}: one request cannot read it"
                yield _finding("coherence_group_divided", Severity.WARNING, first, message)
