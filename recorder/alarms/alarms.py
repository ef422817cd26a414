"""The alarms of one machine: raised by limits and by the recorder itself, acknowledged and shelved by people."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Final

import structlog
from pydantic import BaseModel, Field, StringConstraints

from hal.plan import ReadPlan
from hal.scan import Scan
from recorder.acquisition.event_log import EventLog
from recorder.acquisition.recording import Recording
from recorder.alarms.alarm import URGENCY, Alarm, AlarmDefinition, AlarmState, Move, Transition
from recorder.alarms.file import AlarmFile
from recorder.alarms.limit_watch import LimitWatch, limits_of
from recorder.alarms.own_conditions import DRIFT, OwnConditions
from recorder.config.file import Config
from recorder.control import Handler
from recorder.definitions.definitions import DefinitionSet
from recorder.errors import UsageError
from recorder.status.requests import parse_request

LOOK_S: Final = 1.0
LONGEST_SHELF_MIN: Final = 1_440
"""A day: what is shelved for longer is forgotten."""
_MINUTE_US: Final = 60_000_000
_ORDER: Final = {state: at for at, state in enumerate(AlarmState)}

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
log = structlog.get_logger()


class ListRequest(BaseModel):
    """Which alarms are asked for: those that are not normal, or all."""

    all: bool = False


class AcknowledgeRequest(BaseModel):
    """Which alarm, None for all that wait; and who."""

    id: str | None = None
    by: Name


class ShelveRequest(BaseModel):
    """Which alarm, for how long, and who."""

    id: str
    minutes: float = Field(gt=0, le=LONGEST_SHELF_MIN)
    by: Name


class UnshelveRequest(BaseModel):
    """Which alarm, and who."""

    id: str
    by: Name


class Alarms:
    """Keeps the alarms; `look` sees each scan, `run` looks at the recorder itself and keeps the file.

    Args:
        own: makes what looks at the recorder itself, of `config`, `recording` and `is_active`.

    Raises:
        ConfigurationError: an alarm is on a parameter that has none.
    """

    def __init__(
        self,
        *,
        config: Config,
        definitions: DefinitionSet,
        recording: Recording,
        events: EventLog,
        own: Callable[..., OwnConditions],
    ) -> None:
        self._recording = recording
        self._events = events
        self._file = AlarmFile(config.recorder.data_directory / "alarms.json")
        self._alarms = self._file.load()
        self._own = own(config=config, recording=recording, is_active=self._is_active)
        limits = limits_of(config.alarms, definitions)
        self._limits = LimitWatch(limits, is_active=self._is_active)
        self._definitions = {limit.alarm.id: limit.alarm for limit in limits}
        self._of_limits = frozenset(self._definitions)
        for kept in self._alarms:
            if kept.startswith(DRIFT):
                self._own.know_drift(kept.removeprefix(DRIFT))
        self._definitions.update((alarm.id, alarm) for alarm in self._own.definitions)
        # what is no longer configured has nobody who would end it
        self._alarms = {name: alarm for name, alarm in self._alarms.items() if name in self._definitions}
        self._is_keeping = asyncio.Lock()
        self._is_kept = True
        recording.lookers.append(self.look)

    def go_by(self, config: Config, definitions: DefinitionSet) -> None:
        """Go by another configuration or other definitions; an alarm that is no longer configured is over.

        Raises:
            ConfigurationError: an alarm is on a parameter that has none; nothing has changed.
        """
        limits = limits_of(config.alarms, definitions)
        now_us = self._recording.clock.now_us()
        wanted = {limit.alarm.id: limit.alarm for limit in limits}
        for name in set(self._of_limits) - set(wanted):
            before = self._alarms.pop(name, Alarm())
            if before.state is not AlarmState.NORMAL:
                self._tell(self._definitions[name], Alarm(), Transition.NORMAL, now_us, by="", value=None)
            del self._definitions[name]
            self._is_kept = False
        self._definitions.update(wanted)
        self._of_limits = frozenset(wanted)
        self._limits = LimitWatch(limits, is_active=self._is_active)

    def _is_active(self, name: str) -> bool:
        return name in self._alarms and self._alarms[name].is_active

    # what raises and clears them

    def look(self, plan: ReadPlan, scan: Scan) -> None:
        """Hold a scan against the limits."""
        for crossed in self._limits.look(plan, scan):
            at_us = int(self._recording.clock.utc_us(crossed.monotonic_ns))
            self._found(crossed.alarm, crossed.value, at_us, is_active=crossed.is_active)

    async def run(self) -> None:
        """Look at the recorder itself, and keep on disk what has changed, until cancelled."""
        try:
            while True:
                self.look_at_recorder()
                await self._keep()
                await asyncio.sleep(LOOK_S)
        finally:
            self._write(dict(self._alarms))  # the last scan has been made, and nobody waits

    def look_at_recorder(self) -> None:
        """One look at the recorder itself, and at what has been shelved for long enough."""
        clock = self._recording.clock
        now_us = clock.now_us()
        for found in self._own.look(clock.monotonic_ns()):
            self._definitions[found.alarm.id] = found.alarm
            self._found(found.alarm, found.value, now_us, is_active=found.is_active)
        for name, alarm in list(self._alarms.items()):
            if alarm.shelved_until_us is not None and alarm.shelved_until_us <= now_us:
                self._move(name, now_us, Alarm.unshelve)

    def _found(self, definition: AlarmDefinition, value: float | None, at_us: int, *, is_active: bool) -> None:
        if is_active:
            self._move(definition.id, at_us, lambda alarm, now_us: alarm.begin(now_us, value))
        else:
            self._move(definition.id, at_us, Alarm.end, value=value)

    def _move(self, name: str, at_us: int, move: Move, *, by: str = "", value: float | None = None) -> Alarm:
        """Take an alarm to its next state, and tell what there is to tell.

        Raises:
            ValueError: it cannot be moved so.
        """
        alarm, transition = move(self._alarms.get(name, Alarm()), at_us)
        self._alarms[name] = alarm
        self._is_kept = False
        if transition is not None:
            self._tell(self._definitions[name], alarm, transition, at_us, by=by, value=value)
        return alarm

    def _tell(
        self,
        definition: AlarmDefinition,
        alarm: Alarm,
        transition: Transition,
        at_us: int,
        *,
        by: str,
        value: float | None,
    ) -> None:
        detail: dict[str, Any] = {
            "alarm": definition.id,
            "state": alarm.state,
            "priority": definition.priority,
            "text": definition.text,
        }
        value = alarm.value if transition is Transition.RAISED else value
        more = {"value": value, "limit": definition.limit, "unit": definition.unit, "by": by}
        detail |= {key: told for key, told in more.items() if told not in (None, "")}
        if alarm.shelved_until_us is not None:
            detail["until_us"] = alarm.shelved_until_us
        level = log.warning if transition is Transition.RAISED else log.info
        level(transition, **detail)
        current = self._recording.tracker.current
        process_id = None if current is None else current.process_id
        self._events.append(transition, detail, process_id=process_id, occurred_us=at_us)

    async def _keep(self) -> None:
        """Keep on disk what has changed; in a thread, for a disk that stands still must not hold up a scan."""
        async with self._is_keeping:
            if self._is_kept:
                return
            self._is_kept = True
            await asyncio.to_thread(self._write, dict(self._alarms))

    def _write(self, alarms: Mapping[str, Alarm]) -> None:
        try:
            self._file.keep(alarms)
        except OSError as error:
            log.warning("alarms_not_kept", reason=str(error))

    # what people ask

    @property
    def counts(self) -> dict[str, int]:
        """How many alarms are in each state."""
        counts = dict.fromkeys(AlarmState, 0)
        for name in self._definitions:
            counts[self._alarms.get(name, Alarm()).state] += 1
        return {str(state): count for state, count in counts.items()}

    @property
    def first(self) -> dict[str, Any] | None:
        """The unacknowledged alarm that is the most urgent; None where there is none."""
        rows = self._rows({AlarmState.UNACKNOWLEDGED})
        return rows[0] if rows else None

    def _rows(self, states: set[AlarmState]) -> list[dict[str, Any]]:
        """Alarms as plain data, the most urgent first."""
        found = [
            (definition, alarm)
            for name, definition in self._definitions.items()
            for alarm in (self._alarms.get(name, Alarm()),)
            if alarm.state in states
        ]
        found.sort(key=lambda each: (_ORDER[each[1].state], URGENCY[each[0].priority], -(each[1].changed_us or 0)))
        return [plain(definition, alarm) for definition, alarm in found]

    def handlers(self) -> dict[str, Handler]:
        """What answers ``alarms``, ``acknowledge``, ``shelve`` and ``unshelve``."""
        return {
            "alarms": self.alarms,
            "acknowledge": self.acknowledge,
            "shelve": self.shelve,
            "unshelve": self.unshelve,
        }

    async def alarms(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The alarms that are not normal, the most urgent first, or all; and how many are in each state."""
        asked = parse_request(ListRequest, request)
        states = set(AlarmState) if asked.all else set(AlarmState) - {AlarmState.NORMAL}
        return {"counts": self.counts, "alarms": self._rows(states)}

    async def acknowledge(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Acknowledge one alarm, or all that wait.

        Raises:
            UsageError: there is no such alarm, or it does not wait.
        """
        asked = parse_request(AcknowledgeRequest, request)
        names = [name for name, alarm in self._alarms.items() if alarm.waits] if asked.id is None else [asked.id]
        rows = [self._by_hand(name, partial(Alarm.acknowledge, by=asked.by), asked.by) for name in names]
        await self._keep()
        return {"alarms": rows}

    async def shelve(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Put one alarm aside for some minutes.

        Raises:
            UsageError: there is no such alarm, or the time is too long.
        """
        asked = parse_request(ShelveRequest, request)
        for_us = round(asked.minutes * _MINUTE_US)
        row = self._by_hand(asked.id, partial(Alarm.shelve, for_us=for_us, by=asked.by), asked.by)
        await self._keep()
        return row

    async def unshelve(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Take one alarm back before its time.

        Raises:
            UsageError: there is no such alarm, or it is not shelved.
        """
        asked = parse_request(UnshelveRequest, request)
        row = self._by_hand(asked.id, Alarm.unshelve, asked.by)
        await self._keep()
        return row

    def _by_hand(self, name: str, move: Move, by: str) -> dict[str, Any]:
        if name not in self._definitions:
            raise UsageError(f"{name!r} is no alarm; see ald-recorder alarms list --all")
        try:
            alarm = self._move(name, self._recording.clock.now_us(), move, by=by)
        except ValueError as error:
            raise UsageError(f"{name} {error}") from error
        return plain(self._definitions[name], alarm)


def plain(definition: AlarmDefinition, alarm: Alarm) -> dict[str, Any]:
    """An alarm as the control socket tells it; times are UTC microseconds."""
    return {
        "id": definition.id,
        "text": definition.text,
        "priority": definition.priority,
        "state": alarm.state,
        "is_active": alarm.is_active,
        "parameter": definition.parameter,
        "limit": definition.limit,
        "unit": definition.unit,
        "value": alarm.value,
        "raised_us": alarm.raised_us,
        "changed_us": alarm.changed_us,
        "by": alarm.by,
        "shelved_until_us": alarm.shelved_until_us,
    }
