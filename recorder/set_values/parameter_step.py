"""A parameter step: set-values written to the tool, with nothing left unsaid.

The intent is durable before the first request goes out, the outcome before the command is answered; the database is
not asked on the way. Whatever fails, the answer says whether the tool and the database have moved.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hal.codec import decode, encode
from hal.errors import DefinitionError, HalError, LinkError, RefusedError
from hal.link import Block, Reading
from hal.parameter import Parameter
from hal.write_plan import plan_writes
from recorder.config.writes import WritesConfig
from recorder.definitions.definitions import Definition, DefinitionSet
from recorder.errors import SetValueError, UsageError
from recorder.set_values.cache import SetValue, SetValues
from recorder.set_values.step import Step, StepOutcome, StepResult
from recorder.set_values.write_rules import LONGEST_REASON, SWITCHED_OFF, Attempt, RecipeState, refusal, target_of
from recorder.spool.entry import Entry, EntryKind

_BETWEEN_READ_BACKS_S: Final = 0.02
_NOT_CARRIED_OUT: Final = frozenset({1, 2, 3, 6, 10})
"""Modbus exceptions that say that a device did nothing: it cannot, is busy, or was not reached."""


class _RefusedError(Exception):
    """A set-value that may not be written; says why."""


class WritableDevice(Protocol):
    """What a step needs of a device; each raises LinkError where it does not answer."""

    async def write_together(self, parameters: Sequence[Parameter], values: Sequence[float]) -> None:
        """Write neighbouring parameters with one request."""
        ...

    async def read(self, block: Block) -> Reading:
        """Read a block."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What steps need of the recorder.

    Attributes:
        device_of: the device of a name; None where it is not read.
        recipe: whether the tool runs one now.
        process_id: the process in force; None before the first.
        before: what the last scan read of a parameter; None where it read none.
        spool: makes entries durable and returns the sequence of the last.
        is_stored: whether the database has the entry of a sequence.
        now_us: UTC microseconds.
        monotonic_s: seconds that only grow.
        sleep: waits.
    """

    device_of: Callable[[str], WritableDevice | None]
    recipe: Callable[[], RecipeState]
    process_id: Callable[[], int | None]
    before: Callable[[int], float | None]
    spool: Callable[[Sequence[Entry]], "asyncio.Future[int]"]
    is_stored: Callable[[int], bool]
    now_us: Callable[[], int]
    monotonic_s: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class _Write:
    """One set-value that may be written."""

    definition: Definition
    target: Parameter
    value: float
    limits: SetValue
    before: float | None
    read_back_within_s: float

    @property
    def tolerance(self) -> float:
        return self.limits.tolerance or 0.0

    def agrees(self, read_back: float) -> bool:
        """Whether a reading is what was written, as far as the register can hold it."""
        held = decode(self.target, encode(self.target, self.value))
        return isinstance(held, float) and abs(read_back - held) <= self.tolerance + abs(held) * 1e-9


class ParameterSteps:
    """Writes set-values; one step at a time.

    Args:
        config: what may be written.
        definitions: of the machine.
        set_values: limits, and where a new desired value is put.
    """

    def __init__(
        self, config: WritesConfig, *, definitions: DefinitionSet, set_values: SetValues, around: Surroundings
    ) -> None:
        self._config = config
        self._definitions = definitions
        self._set_values = set_values
        self._around = around
        self._turn = asyncio.Lock()
        self._written_s: dict[int, float] = {}

    def go_by(self, config: WritesConfig, definitions: DefinitionSet) -> None:
        """Judge by other rules and definitions from now on; what is under way was judged before."""
        self._config, self._definitions = config, definitions

    @property
    def is_busy(self) -> bool:
        """Whether a step is under way."""
        return self._turn.locked()

    async def apply(self, step: Step) -> list[StepResult]:
        """Write what was asked for, as far as it may be; one result for each, in the order of the step.

        Where one is refused, none is sent: a half-made step is no step.

        Raises:
            UsageError: the step is none: no reason, nothing to set, a parameter that is not there.
            SpoolError: the intent could not be made durable; nothing was sent.
        """
        reason = " ".join(step.reason.split())
        if not reason or len(reason) > LONGEST_REASON:
            raise UsageError(f"a step needs a reason, of at most {LONGEST_REASON} characters: --reason TEXT")
        if not step.values:
            raise UsageError("nothing to set: name a parameter and a value")
        definitions = [self._definition(name) for name in step.values]
        async with self._turn:
            writes, results = await self._allowed(step, definitions)
            if len(writes) < len(definitions):
                results |= {w.definition.full_name: self._withheld(w, step) for w in writes}
            else:
                await self._around.spool([self._intent(write, step, reason) for write in writes])
                results = await self._carry_out(writes)
                await self._conclude(writes, results, step, reason)
            return [results[name] for name in step.values]

    def _definition(self, name: str) -> Definition:
        definition = self._definitions.find(name)
        if definition is None or definition.id is None:
            raise UsageError(f"{name!r}: no such parameter; see ald-recorder definitions list")
        return definition

    async def _allowed(
        self, step: Step, definitions: Sequence[Definition]
    ) -> tuple[list[_Write], dict[str, StepResult]]:
        """What may be written, and the results of what may not."""
        writes: list[_Write] = []
        refused: dict[str, StepResult] = {}
        for definition in definitions:
            value = step.values[definition.full_name]
            try:
                writes.append(await self._judge(definition, value, during_recipe=step.during_recipe))
            except (_RefusedError, DefinitionError, SetValueError) as error:
                refused[definition.full_name] = _result(definition, value, StepOutcome.REFUSED, str(error))
        if not refused:
            try:
                for members in _by_device(writes).values():
                    plan_writes([write.target for write in members])
            except DefinitionError as error:
                raise UsageError(str(error)) from error
        return writes, refused

    async def _judge(self, definition: Definition, value: float, *, during_recipe: bool) -> _Write:
        """Whether one set-value may be written.

        Raises:
            _RefusedError: it may not.
            DefinitionError: it cannot be.
            SetValueError: its limits are not known, or stale.
        """
        if not self._config.enabled:
            raise _RefusedError(SWITCHED_OFF)
        parameter = definition.to_parameter()
        target = target_of(parameter, definition.write_address)
        if target is None:
            there = f": set {definition.set_value_parameter}" if definition.set_value_parameter else ""
            raise _RefusedError(f"its {parameter.kind} cannot be written, and no write_address is defined{there}")
        if self._around.device_of(definition.device) is None:
            raise _RefusedError(f"device {definition.device} is not read by this recorder")
        written_s = self._written_s.get(parameter.parameter_id)
        attempt = Attempt(
            device=definition.device,
            target=target,
            value=value,
            limits=await self._set_values.limits(parameter.parameter_id),
            recipe=self._around.recipe(),
            asks_during_recipe=during_recipe,
            since_last_s=None if written_s is None else self._around.monotonic_s() - written_s,
        )
        reason = refusal(self._config, attempt)
        if reason is not None:
            raise _RefusedError(reason)
        encode(target, value)
        rule = self._config.rule_of(definition.device, target)
        assert rule is not None
        return _Write(
            definition=definition,
            target=target,
            value=value,
            limits=attempt.limits,
            before=self._around.before(parameter.parameter_id),
            read_back_within_s=rule.read_back_within_ms / 1000,
        )

    @staticmethod
    def _withheld(write: _Write, step: Step) -> StepResult:
        others = "another" if len(step.values) == 2 else "others"  # noqa: PLR2004
        message = f"not sent, because {others} of this step cannot be"
        return _result(write.definition, write.value, StepOutcome.REFUSED, message, before=write.before)

    async def _carry_out(self, writes: Sequence[_Write]) -> dict[str, StepResult]:
        """Send, device by device and request by request, and read each back."""
        results: dict[str, StepResult] = {}
        for name, members in _by_device(writes).items():
            device = self._around.device_of(name)
            assert device is not None
            for group in plan_writes([write.target for write in members]):
                together = [members[at] for at in group]
                for write, result in zip(together, await self._send(device, together), strict=True):
                    results[write.definition.full_name] = result
        return results

    async def _send(self, device: WritableDevice, group: Sequence[_Write]) -> list[StepResult]:
        failure: LinkError | None = None
        for write in group:
            self._written_s[write.target.parameter_id] = self._around.monotonic_s()
        try:
            await device.write_together([write.target for write in group], [write.value for write in group])
        except LinkError as error:
            if _was_not_taken(error):
                outcome = StepOutcome.FAILED
                message = f"{error}; neither the tool nor the database has moved"
                return [_result(w.definition, w.value, outcome, message, before=w.before) for w in group]
            failure = error
        return await self._read_back(device, group, failure)

    async def _read_back(
        self, device: WritableDevice, group: Sequence[_Write], failure: LinkError | None
    ) -> list[StepResult]:
        """Ask the device what it holds now, until that is what was written or the time is over."""
        first, last = group[0].target, group[-1].target
        block = Block(kind=first.kind, address=first.address, count=last.last_address - first.address + 1)
        end_s = self._around.monotonic_s() + max(write.read_back_within_s for write in group)
        while True:
            try:
                reading = await device.read(block)
            except HalError as error:
                return [self._unread(write, failure, error) for write in group]
            values = [_value_in(write.target, first.address, reading) for write in group]
            agree = all(write.agrees(value) for write, value in zip(group, values, strict=True))
            if agree or self._around.monotonic_s() >= end_s:
                return [self._compared(w, value, failure) for w, value in zip(group, values, strict=True)]
            await self._around.sleep(_BETWEEN_READ_BACKS_S)

    @staticmethod
    def _compared(write: _Write, value: float, failure: LinkError | None) -> StepResult:
        unit = f" {write.definition.unit}" if write.definition.unit else ""
        if write.agrees(value):
            message = f"the tool reads {value:g}{unit}"
            outcome = StepOutcome.DONE
        else:
            moved = "" if failure is None else f" ({failure})"
            message = f"the tool reads {value:g}{unit}, not {write.value:g}{moved}; the database has not moved"
            outcome = StepOutcome.READ_BACK_DIFFERS
        return _result(write.definition, write.value, outcome, message, before=write.before, read_back=value)

    @staticmethod
    def _unread(write: _Write, failure: LinkError | None, error: HalError) -> StepResult:
        first = failure or error
        sent = "whether the tool took it is not known" if failure else "the tool took it, and was not read back"
        message = f"{first}; {sent}, the database has not moved: look at the tool"
        return _result(write.definition, write.value, StepOutcome.UNKNOWN, message, before=write.before)

    async def _conclude(
        self, writes: Sequence[_Write], results: Mapping[str, StepResult], step: Step, reason: str
    ) -> None:
        """Make the outcome durable, and let what was done be desired from now on."""
        entries = [self._outcome(write, results[write.definition.full_name], step, reason) for write in writes]
        sequence = await self._around.spool(entries)
        for write in writes:
            if results[write.definition.full_name].outcome is StepOutcome.DONE:
                await self._set_values.put(
                    write.target.parameter_id, write.value, is_stored=lambda: self._around.is_stored(sequence)
                )

    def _intent(self, write: _Write, step: Step, reason: str) -> Entry:
        detail = {
            "parameter": write.definition.full_name,
            "value": write.value,
            "before": write.before,
            "changed_by": step.changed_by,
            "reason": reason,
        }
        return self._entry("set_value_intended", write, {"detail": detail})

    def _outcome(self, write: _Write, result: StepResult, step: Step, reason: str) -> Entry:
        return self._entry(
            "set_value_changed",
            write,
            {
                "parameter_id": write.target.parameter_id,
                "old_value": write.before,
                "new_value": write.value,
                "changed_by": step.changed_by,
                "source": "operator",
                "reason": reason,
                "read_back": result.read_back,
                "outcome": result.outcome.value,
                "detail": {"parameter": result.parameter, "message": result.message},
            },
        )

    def _entry(self, event: str, write: _Write, fields: Mapping[str, Any]) -> Entry:
        header = {
            "event": event,
            "occurred_us": self._around.now_us(),
            "process_id": self._around.process_id(),
            "device": write.definition.device,
            **fields,
        }
        return Entry(kind=EntryKind.EVENT, header=header)


def _was_not_taken(error: LinkError) -> bool:
    """Whether a write that failed is known to have changed nothing."""
    if isinstance(error, RefusedError):
        return error.exception_code in _NOT_CARRIED_OUT
    return not error.was_sent


def _by_device(writes: Sequence[_Write]) -> dict[str, list[_Write]]:
    found: dict[str, list[_Write]] = {}
    for write in writes:
        found.setdefault(write.definition.device, []).append(write)
    return found


def _value_in(target: Parameter, first_address: int, reading: Reading) -> float:
    at = target.address - first_address
    value = decode(target, [int(word) for word in reading.data[at : at + target.words]])
    assert isinstance(value, float)
    return value


def _result(
    definition: Definition,
    value: float,
    outcome: StepOutcome,
    message: str,
    *,
    before: float | None = None,
    read_back: float | None = None,
) -> StepResult:
    return StepResult(
        parameter=definition.full_name,
        value=value,
        unit=definition.unit,
        outcome=outcome,
        before=before,
        read_back=read_back,
        message=message,
    )
