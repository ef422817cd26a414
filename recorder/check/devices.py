"""What one device is like: reachable, how fast, what it answers, and whether its read plans can be kept."""

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from errno import ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT
from math import ceil
from typing import Final, Protocol

from hal.errors import LinkError, RefusedError, RequestTimeoutError
from hal.inquiry import Inquiry
from hal.limits import PlanLimits
from hal.link import Block, Reading
from hal.outcome import Failure, Outcome
from hal.parameter import RegisterKind
from hal.plan import ReadPlan
from hal.survey import BlockReader, LargestBlock, compare_images, largest_block
from recorder.check.image import Image
from recorder.check.spread import Spread, milliseconds
from recorder.check.verdict import Report, Verdict

_READS: Final = 20
_FEWEST_PASSES: Final = 4
_WATCHED_S: Final = 1.0
"""How long words are watched for movement: a measurement of a PLC moves within a second."""
_MOST_COMPARED: Final = 8
_BUSY: Final = 0.7
_BARE: Final = frozenset({os.strerror(number) for number in (ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT)})
"""What the system says without saying what to do."""
_TRIES: Final = 20
_TRY_S: Final = 0.25
"""Together as long as the longest back-off of a recorder that is asked."""
_ILLEGAL_FUNCTION: Final = 1
_ILLEGAL_VALUE: Final = 3


class IdentifyDevice(Protocol):
    """Asks a device who it is; empty where it does not say."""

    async def __call__(self) -> Mapping[str, str]:
        """Ask."""
        ...


@dataclass(frozen=True, kw_only=True)
class CheckedDevice:
    """A device to be checked.

    Attributes:
        place: where it is, for people.
        plans: scan interval in milliseconds to its read plan.
        identify: None where nobody can ask.
        parallel: requests that go out at the same time.
        watched_s: how long its words are watched.
    """

    name: str
    place: str
    reader: BlockReader
    limits: PlanLimits
    plans: Mapping[int, ReadPlan]
    identify: IdentifyDevice | None = None
    parallel: int = 1
    watched_s: float = _WATCHED_S

    @property
    def section(self) -> str:
        """Its heading."""
        return f"Device {self.name} ({self.place})"


@dataclass(kw_only=True)
class Found:
    """What was found of a device.

    Attributes:
        image: every word that was read.
        refused: parameter to why the device does not answer for it.
        load: share of the line's time that its plans take.
    """

    image: Image
    refused: dict[str, str] = field(default_factory=dict)
    load: float = 0.0


@dataclass(kw_only=True)
class _Timed:
    """Round trips by block, and what was not answered."""

    durations_ms: dict[Block, list[float]] = field(default_factory=dict)
    unanswered: list[LinkError] = field(default_factory=list)

    def median_ms(self, block: Block) -> float:
        """Median of one block."""
        return Spread.of(self.durations_ms[block]).p50_ms if block in self.durations_ms else 0.0


async def check_device(device: CheckedDevice, report: Report) -> Found | None:
    """Look at a device without writing; None where it does not answer at all."""
    found, timed = Found(image=Image(one_register_image=device.limits.one_register_image)), _Timed()
    try:
        plans = {
            interval_ms: await _first_pass(device, plan, found, timed) for interval_ms, plan in device.plans.items()
        }
        await _further_passes(device, list(plans.values()), found, timed)
    except LinkError as error:
        advice = ": is it on, and are host, port and unit right?" if error.reason in _BARE else ""
        report.add(device.section, Verdict.FAULT, f"{error.operation}: {error.reason}{advice}")
        return None
    _report_answers(device, timed, report)
    try:
        await _report_functions(device, report)
        await _report_largest(device, list(plans.values()), report)
        await _report_images(device, list(plans.values()), report)
    except LinkError as error:
        message = f"{error.operation}: {error.reason}: it answers its own addresses, but not this"
        report.add(device.section, Verdict.WARNING, message)
    await _report_identity(device, list(plans.values()), report)
    for interval_ms, plan in plans.items():
        found.load += _report_plan(device, interval_ms, plan, timed, report)
    return found


async def _timed_read(device: CheckedDevice, block: Block, found: Found, timed: _Timed) -> Outcome:
    try:
        reading = await device.reader.read(block)
    except RefusedError as error:
        return Failure(error=error, at_ns=0, sent=True)
    _keep(block, reading, found, timed)
    return reading


def _keep(block: Block, reading: Reading, found: Found, timed: _Timed) -> None:
    found.image.take(block, reading)
    took_ms = (reading.responded_ns - reading.requested_ns) / 1e6
    timed.durations_ms.setdefault(block, []).append(took_ms)


async def _first_pass(device: CheckedDevice, plan: ReadPlan, found: Found, timed: _Timed) -> ReadPlan:
    """Read a plan once and part what is refused, until each bad address stands alone."""
    outcomes = [await _timed_read(device, block, found, timed) for block in plan.blocks]
    inquiry = Inquiry(plan, outcomes)
    while (block := inquiry.next_block()) is not None:
        inquiry.take(await _timed_read(device, block, found, timed))
    parted, results = inquiry.result()
    for parameter, index in zip(parted.parameters, parted.block_of, strict=True):
        outcome = results[index] if index >= 0 else None
        if outcome is None:
            found.refused[parameter.name] = f"[devices.{device.name}] forbids to ask for it"
        elif isinstance(outcome, Failure):
            found.refused[parameter.name] = outcome.error.reason
    return parted


async def _further_passes(device: CheckedDevice, plans: Sequence[ReadPlan], found: Found, timed: _Timed) -> None:
    """Read all again until there are enough round trips, and long enough to see what moves."""
    blocks = [block for plan in plans for block in plan.blocks if block in timed.durations_ms]
    if not blocks:
        return
    passes = max(_FEWEST_PASSES, ceil(_READS / len(blocks)))
    for _ in range(passes - 1):
        await asyncio.sleep(device.watched_s / passes)
        for block in blocks:
            try:
                await _timed_read(device, block, found, timed)
            except LinkError as error:
                timed.unanswered.append(error)


def _report_answers(device: CheckedDevice, timed: _Timed, report: Report) -> None:
    durations_ms = [took for durations in timed.durations_ms.values() for took in durations]
    if not durations_ms:
        report.add(device.section, Verdict.FAULT, "it is reachable, but refuses everything that is to be read")
        return
    spread = Spread.of(durations_ms)
    lost = len(timed.unanswered)
    figures = {**spread.to_plain(), "unanswered": lost}
    message = f"reachable; a request takes {spread}, of {spread.count}"
    if lost:
        message += f", {lost} more were not answered ({timed.unanswered[-1].reason})"
    report.add(device.section, Verdict.WARNING if lost else Verdict.OK, message, **figures)


async def _report_identity(device: CheckedDevice, plans: Sequence[ReadPlan], report: Report) -> None:
    """Ask who it is; last, since some devices meet a function that they do not know with silence."""
    if device.identify is None:
        return
    try:
        objects = dict(await device.identify())
    except LinkError as error:
        message = f"does not answer function 43, which asks who it is: {error.reason}; no recording needs it"
        report.add(device.section, Verdict.OK, message, identification={})
        await _until_it_answers(device, plans)
        return
    said = ", ".join(value for value in objects.values() if value)
    message = f"says that it is {said}" if said else "does not say who it is (function 43); most devices do not"
    report.add(device.section, Verdict.OK, message, identification=objects)


async def _until_it_answers(device: CheckedDevice, plans: Sequence[ReadPlan]) -> None:
    """Wait until the connection that silence has cost is there again."""
    block = next((block for plan in plans for block in plan.blocks), None)
    for _ in range(_TRIES if block is not None else 0):
        assert block is not None
        try:
            await device.reader.read(block)
        except RefusedError:
            return
        except LinkError:
            await asyncio.sleep(_TRY_S)
        else:
            return


async def _report_functions(device: CheckedDevice, report: Report) -> None:
    wanted = _starts(device.plans.values())
    states: dict[int, str] = {}
    for kind in RegisterKind:
        block = Block(kind=kind, address=wanted.get(kind, [0])[0], count=1)
        if device.limits.forbidden_within(kind, block.address, block.address) is not None:
            states[kind.function_code] = "not asked"
            continue
        try:
            await device.reader.read(block)
        except RefusedError as error:
            is_unknown = error.exception_code == _ILLEGAL_FUNCTION
            states[kind.function_code] = "unknown" if is_unknown else "known"
        except RequestTimeoutError:
            states[kind.function_code] = "silent"
            await _until_it_answers(device, list(device.plans.values()))
        else:
            states[kind.function_code] = "answered"
    lacking = [kind for kind in wanted if states[kind.function_code] == "unknown"]
    known = [str(code) for code, state in states.items() if state in {"answered", "known"}]
    message = f"answers functions {', '.join(known) or 'none'} of 1 to 4, which read; nothing was written"
    if lacking:
        message = f"does not know how to read {', '.join(lacking)}, which the definitions want: check modbus_type"
    report.add(device.section, Verdict.FAULT if lacking else Verdict.OK, message, functions=states)


def _starts(plans: Iterable[ReadPlan]) -> dict[RegisterKind, list[int]]:
    starts: dict[RegisterKind, list[int]] = {}
    for plan in plans:
        for block in plan.blocks:
            starts.setdefault(block.kind, []).append(block.address)
    return starts


async def _report_largest(device: CheckedDevice, plans: Sequence[ReadPlan], report: Report) -> None:
    for kind, starts in _starts(plans).items():
        largest = await largest_block(device.reader, kind, starts[:_MOST_COMPARED], limits=device.limits)
        _report_one_largest(device, largest, report)


def _report_one_largest(device: CheckedDevice, largest: LargestBlock, report: Report) -> None:
    unit = "bits" if largest.kind.is_bit else "registers"
    field_name = "max_bits" if largest.kind.is_bit else "max_registers"
    figures = {"kind": largest.kind, "largest": largest.count, "exception_code": largest.exception_code}
    if largest.count == 0:
        return
    if largest.exception_code is None:
        message = f"{largest.kind}: takes the longest request, {largest.count} {unit}"
    elif largest.exception_code == _ILLEGAL_VALUE:
        message = f"{largest.kind}: takes at most {largest.count} {unit} a request: set {field_name} = {largest.count}"
        report.add(device.section, Verdict.WARNING, message, **figures)
        return
    else:
        message = f"{largest.kind}: {largest.count} {unit} in one request, then its addresses end"
    report.add(device.section, Verdict.OK, message, **figures)


async def _report_images(device: CheckedDevice, plans: Sequence[ReadPlan], report: Report) -> None:
    """Whether one function could read both register kinds, with fewer requests."""
    blocks = [block for plan in plans for block in plan.blocks if not block.kind.is_bit]
    kinds = {block.kind for block in blocks}
    is_claimed = device.limits.one_register_image
    if not blocks or (len(kinds) == 1 and not is_claimed):
        return
    comparison = await compare_images(device.reader, blocks[:_MOST_COMPARED], limits=device.limits)
    figures = {"compared": comparison.compared, "not_zero": comparison.not_zero, "refused": comparison.refused}
    setting = f"[devices.{device.name}] one_register_image"
    if comparison.agree is None:
        message = "input and holding registers are all 0, which does not show whether they are one memory"
        report.add(device.section, Verdict.NOT_ASKED, message, **figures)
    elif comparison.agree:
        said = f"input and holding registers agree in {comparison.compared} places, {comparison.not_zero} of them not 0"
        message = said if is_claimed else f"{said}: {setting} = true may save requests"
        report.add(device.section, Verdict.OK, message, **figures)
    else:
        where = (
            f"at address {comparison.differing[0]} they differ"
            if comparison.differing
            else "one kind refuses what the other reads"
        )
        message = f"input and holding registers are not one memory ({where})"
        if is_claimed:
            report.add(device.section, Verdict.FAULT, f"{message}: set {setting} = false", **figures)
        else:
            report.add(device.section, Verdict.OK, message, **figures)


def _report_plan(device: CheckedDevice, interval_ms: int, plan: ReadPlan, timed: _Timed, report: Report) -> float:
    """Say whether the requests of one interval fit into it; return the share that they take."""
    expected_ms = sum(timed.median_ms(block) for block in plan.blocks) / device.parallel
    share = expected_ms / interval_ms
    requests = f"{len(plan.blocks)} request{'' if len(plan.blocks) == 1 else 's'}"
    if len(plan.blocks) > 1 and device.parallel > 1:
        requests += f", {min(device.parallel, len(plan.blocks))} at a time"
    parameters = f"{len(plan.parameters)} parameter{'' if len(plan.parameters) == 1 else 's'}"
    message = (
        f"every {interval_ms} ms: {parameters} in {requests}, about {milliseconds(expected_ms)} ({100 * share:.0f} %)"
    )
    verdict = Verdict.OK
    if share > 1:
        longer = ceil(expected_ms / _BUSY / 10) * 10
        message += f": impossible; scan_interval_ms = {longer} would do"
        verdict = Verdict.FAULT
    elif share > _BUSY:
        message += ": hardly, each slow answer costs a slot"
        verdict = Verdict.WARNING
    warnings = [f"{warning.code}: {warning.message}" for warning in plan.warnings]
    if warnings and verdict is Verdict.OK:
        verdict = Verdict.WARNING
    figures = {"interval_ms": interval_ms, "requests": len(plan.blocks), "expected_ms": round(expected_ms, 4)}
    report.add(device.section, verdict, message, *warnings, **figures)
    return share
