"""Each parameter of a device: its words, its value in every word order, and what would make sense of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final

from hal.errors import LinkError
from hal.parameter import WordOrder
from recorder.check.devices import CheckedDevice, Found
from recorder.check.hypotheses import explain
from recorder.check.judgement import Judgement, is_certain, judge, settle_together
from recorder.check.pairs import PairFinding, check_pairs
from recorder.check.plausible import Expectation
from recorder.check.surroundings import look_around
from recorder.check.verdict import Report, Verdict
from recorder.check.writes import check_writes
from recorder.definitions.definitions import Definition

PARAMETERS: Final = "Parameters of"
"""How the heading of the parameters of a device begins."""
_WORDS_SHOWN: Final = 8
_SMALLEST_SHOWN: Final = 1e-3
_LARGEST_SHOWN: Final = 1e5


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """Fields to change, by parameter."""

    changes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, full_name: str, fields: Mapping[str, Any]) -> None:
        """Keep changes of one parameter."""
        self.changes.setdefault(full_name, {}).update(fields)

    def apply(self, definitions: Sequence[Definition]) -> list[Definition]:
        """The definitions as they should be."""
        return [d.model_copy(update=self.changes.get(d.full_name, {})) for d in definitions]


async def check_parameters(
    device: CheckedDevice,
    definitions: Sequence[Definition],
    found: Found,
    expectations: Mapping[str, Expectation],
    report: Report,
) -> Corrections:
    """Judge the parameters of one device.

    Args:
        device: where to look around a doubtful parameter.
        definitions: its readable definitions.
        found: what was read of it.
        expectations: what the front panels say, by parameter.
        report: takes a line a parameter.
    """
    image = found.image
    try:
        await look_around(device, definitions, found, expectations)
    except LinkError as error:
        report.add(_section(device), Verdict.WARNING, f"looking around doubtful parameters: {error.reason}")
    alone = [judge(definition, image, expectations.get(definition.full_name)) for definition in definitions]
    judgements, common = settle_together(alone)
    for message in common:
        report.add(_section(device), Verdict.FAULT, message)
    corrections = Corrections()
    findings: dict[str, list[PairFinding]] = {}
    for finding in (*check_pairs(judgements, image, expectations), *check_writes(definitions, image)):
        findings.setdefault(finding.full_name, []).append(finding)
        if finding.verdict is Verdict.FAULT:
            for name, fields in finding.changes.items():
                corrections.add(name, fields)
    if len(found.refused) > 1:
        message = f"the device refuses {len(found.refused)} parameters: check modbus_type and modbus_address of each"
        report.add(_section(device), Verdict.FAULT, message, refused=sorted(found.refused))
    certain = {
        judgement.definition.full_name
        for judgement in judgements
        if is_certain(judgement, image, expectations.get(judgement.definition.full_name))
    }
    _report_unshown(device, judgements, certain, report)
    for judgement in judgements:
        name = judgement.definition.full_name
        if name in certain and name not in corrections.changes:
            corrections.add(name, judgement.changes)
        if name in found.refused:
            _report_refused(device, judgement, found, report)
        else:
            _report_one(device, judgement, findings.get(name, ()), report)
    return corrections


def _report_unshown(
    device: CheckedDevice, judgements: Sequence[Judgement], certain: Collection[str], report: Report
) -> None:
    """Say how many may be at another address, and show nothing of it: they are not corrected."""
    names = [judgement.definition.full_name for judgement in judgements if "address" in judgement.changes]
    unshown = [name for name in names if name not in certain]
    if unshown:
        one = len(unshown) == 1
        message = (
            f"{len(unshown)} parameter{'' if one else 's'} may have another address, and {'is' if one else 'are'} at "
            "rest or can be as defined: --fix leaves such alone; check again while the tool runs, or with --expect"
        )
        report.add(_section(device), Verdict.WARNING, message, unshown=unshown)


def _section(device: CheckedDevice) -> str:
    return f"{PARAMETERS} {device.name}"


def _report_refused(device: CheckedDevice, judgement: Judgement, found: Found, report: Report) -> None:
    """Say why there is no value, and whether the next address has one."""
    definition = judgement.definition
    message = f"{definition.full_name}: {found.refused[definition.full_name]}"
    near = [hypothesis.advice for hypothesis in explain(definition, found.image)]
    if near:
        message += f"; {near[0]} holds what it could be"
    elif judgement.changes:
        message += f"; {judgement.messages[-1]}"
    elif len(found.refused) == 1:
        message += "; check modbus_type and modbus_address"
    report.add(_section(device), Verdict.FAULT, message, parameter=definition.full_name)


def _report_one(device: CheckedDevice, judgement: Judgement, findings: Sequence[PairFinding], report: Report) -> None:
    for finding in findings:
        judgement = judgement.with_message(finding.verdict, finding.message)
    notes = [*_orders_note(judgement), *(f"→ {message}" for message in judgement.messages)]
    report.add(
        _section(device),
        judgement.verdict,
        f"{judgement.definition.full_name} = {_shown(judgement)}",
        *notes,
        **_data(judgement),
    )


def _shown(judgement: Judgement) -> str:
    if judgement.text is not None:
        return repr(judgement.text)
    unit = judgement.definition.unit
    shows_unit = unit and judgement.definition.data_type is not None and unit.lower() not in {"boolean", "bool"}
    return f"{judgement.value:.6g}{f' {unit}' if shows_unit else ''}"


def _orders_note(judgement: Judgement) -> list[str]:
    """The words and the value in each order; where a single word makes only two, those."""
    words = judgement.words
    if words is None or not judgement.orders:
        return []
    raw = " ".join(f"{word:04X}" for word in words[:_WORDS_SHOWN])
    if not any(words):
        return [f"{raw}  0 in every word order, which shows nothing"]
    orders = list(judgement.orders) if len(words) > 1 else [WordOrder.ABCD, WordOrder.BADC]
    return [f"{raw}  {'  '.join(_in_order(judgement, order) for order in orders)}"]


def _in_order(judgement: Judgement, order: WordOrder) -> str:
    """The value in one order; of one that cannot be, no more than its size."""
    value = judgement.orders[order]
    if order in judgement.plausible:
        return f"*{order} {value:.4g}"
    return f"{order} {value:.3g}" if _SMALLEST_SHOWN < abs(value) < _LARGEST_SHOWN else f"{order} {value:.0e}"


def _data(judgement: Judgement) -> dict[str, Any]:
    number = None if isnan(judgement.value) else judgement.value
    return {
        "parameter": judgement.definition.full_name,
        "unit": judgement.definition.unit,
        "words": judgement.words,
        "value": judgement.text if judgement.text is not None else number,
        "orders": {str(order): None if isnan(v) else v for order, v in judgement.orders.items()},
        "plausible": [str(order) for order in judgement.plausible],
        "changes": {name: str(value) for name, value in judgement.changes.items()},
    }
