"""What the recorder finds wrong with itself and around it: alarms that nobody has to configure.

Losses and audits are counts that never go back. Such an alarm comes up with each further one, and its condition is over
when a minute has passed without: it then stands as returned until somebody has acknowledged it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from hal.health import DeviceState
from recorder.acquisition.recording import Recording
from recorder.acquisition.setup import PlannedDevice
from recorder.alarms.alarm import AlarmDefinition, Delayed, Priority
from recorder.audit.auditor import Auditor
from recorder.config.file import Config
from recorder.set_values.desired import Desired
from recorder.writer.writer import Writer, WriterState

DRIFT: Final = "drift:"
_SECOND_NS: Final = 1_000_000_000
_COUNT_LASTS_NS: Final = 60 * _SECOND_NS
_FULL_SHARE: Final = 0.8
_NO_LONGER_FULL_SHARE: Final = 0.7
_FULL_SOON_S: Final = 3_600.0
_DEVICE_DELAY_S: Final = 2
"""A device that comes back at once was not away."""
_DELAY_S: Final = 10
"""The same, of database, spool and clock, which take their time at a start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A condition that begins to hold (once more, where it did already), or ends."""

    alarm: AlarmDefinition
    is_active: bool
    value: float | None = None


@dataclass(kw_only=True, slots=True)
class Condition:
    """Something that is so or is not.

    Attributes:
        holds: told whether it was so; None where it cannot be said.
    """

    alarm: AlarmDefinition
    holds: Callable[[bool], bool | None]
    delayed: Delayed

    def look(self, now_ns: int) -> Iterator[Found]:
        """What has changed."""
        if self.delayed.look(self.holds(self.delayed.is_active), now_ns):
            yield Found(alarm=self.alarm, is_active=self.delayed.is_active)


@dataclass(kw_only=True, slots=True)
class Count:
    """Something of which there must not be more."""

    alarm: AlarmDefinition
    count: Callable[[], int]
    is_active: bool
    _before: int = field(init=False)
    _grew_ns: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._before = self.count()

    def look(self, now_ns: int) -> Iterator[Found]:
        """What has changed."""
        count, before = self.count(), self._before
        self._before = count
        if count > before:
            self._grew_ns, self.is_active = now_ns, True
            yield Found(alarm=self.alarm, is_active=True, value=count)
        elif self.is_active and now_ns - (self._grew_ns or 0) >= _COUNT_LASTS_NS:
            self.is_active = False
            yield Found(alarm=self.alarm, is_active=False)


class OwnConditions:
    """Looks at devices, spool, database, clock, audits and drift; once a second is enough.

    Args:
        planned: the devices as they are planned now.
        is_active: whether the condition of an alarm held when the recorder was last there, by its id.
    """

    def __init__(
        self,
        *,
        config: Config,
        planned: Callable[[], Sequence[PlannedDevice]],
        recording: Recording,
        writer: Writer,
        auditor: Auditor,
        desired: Desired,
        is_active: Callable[[str], bool],
    ) -> None:
        self._planned = planned
        self._recording = recording
        self._writer = writer
        self._desired = desired
        self._spool_max_bytes = config.spool.max_mib * 1024 * 1024
        self._is_active = is_active
        self._conditions: dict[str, Condition | Count] = {}
        totals, spool = recording.totals, recording.spool
        self._count(
            "losses", "rows were lost: status says how many", lambda: totals.lost_rows + writer.totals.lost_rows
        )
        self._count("shed", "the spool is full: entries are given up", lambda: spool.shed_entries)
        self._count("audit", "a run does not balance: ald-recorder runs audit says why", lambda: auditor.failed)
        self._own("spool", "the spool fills up", self._fills, priority=Priority.HIGH)
        self._own("database", "nothing is written to the database", self._is_database_away)
        self._own("clock", "the clock of this computer is not synchronised", self._is_clock_off, priority=Priority.LOW)
        self._meet_devices()

    @property
    def definitions(self) -> Iterable[AlarmDefinition]:
        """All that can come, but of set-values those alone that did."""
        return [condition.alarm for condition in self._conditions.values()]

    def look(self, now_ns: int) -> list[Found]:
        """What has changed since the last look."""
        self._meet_devices()
        if self._desired.is_drift_alarm:
            self._meet_drift()
        return [found for condition in self._conditions.values() for found in condition.look(now_ns)]

    def know_drift(self, parameter: str) -> None:
        """A set-value differs, or did when the recorder was last there."""
        alarm = AlarmDefinition(
            id=f"{DRIFT}{parameter}",
            text=f"{parameter}: the tool holds another set-value than is desired",
            priority=Priority.MEDIUM,
            parameter=parameter,
        )
        self._add(alarm, lambda _before: any(d.name == parameter for d in self._desired.drift.drifting.values()))

    # what is looked at

    def _fills(self, before: bool) -> bool:
        spool = self._recording.spool
        share = spool.used_bytes / self._spool_max_bytes
        full_s = spool.time_to_full_s if self._writer.state is not WriterState.WRITING else None
        is_soon = full_s is not None and full_s < _FULL_SOON_S
        return is_soon or share >= (_NO_LONGER_FULL_SHARE if before else _FULL_SHARE)

    def _is_database_away(self, _before: bool) -> bool:
        return self._writer.state is not WriterState.WRITING

    def _is_clock_off(self, _before: bool) -> bool:
        return not self._recording.tracker.context.clock_synchronised

    def _meet_drift(self) -> None:
        for drift in self._desired.drift.drifting.values():
            if f"{DRIFT}{drift.name}" not in self._conditions:
                self.know_drift(drift.name)

    def _meet_devices(self) -> None:
        for item in self._planned():
            name = item.device.name
            if f"device:{name}" not in self._conditions:
                self._meet_device(name)

    def _meet_device(self, name: str) -> None:
        def item() -> PlannedDevice | None:
            return next((item for item in self._planned() if item.device.name == name), None)

        def is_away(_before: bool) -> bool | None:
            found = item()
            return None if found is None else found.device.health.state is not DeviceState.CONNECTED

        def is_frozen(_before: bool) -> bool | None:
            found = item()
            return None if found is None or is_away(_before) else found.watch.is_frozen

        away = AlarmDefinition(id=f"device:{name}", text=f"device {name} is away", priority=Priority.HIGH)
        frozen = AlarmDefinition(
            id=f"frozen:{name}", text=f"the program of device {name} stands still", priority=Priority.HIGH
        )
        self._add(away, is_away, delay_s=_DEVICE_DELAY_S)
        self._add(frozen, is_frozen)

    # how it is kept

    def _add(self, alarm: AlarmDefinition, holds: Callable[[bool], bool | None], *, delay_s: float = 0) -> None:
        delayed = Delayed(
            on_delay_ns=round(delay_s * _SECOND_NS), off_delay_ns=_SECOND_NS, is_active=self._is_active(alarm.id)
        )
        self._conditions[alarm.id] = Condition(alarm=alarm, holds=holds, delayed=delayed)

    def _own(
        self, name: str, text: str, holds: Callable[[bool], bool], *, priority: Priority = Priority.MEDIUM
    ) -> None:
        self._add(AlarmDefinition(id=f"recorder:{name}", text=text, priority=priority), holds, delay_s=_DELAY_S)

    def _count(self, name: str, text: str, count: Callable[[], int]) -> None:
        alarm = AlarmDefinition(id=f"recorder:{name}", text=text, priority=Priority.HIGH)
        self._conditions[alarm.id] = Count(alarm=alarm, count=count, is_active=self._is_active(alarm.id))
