"""One alarm after ISA-18.2, in the parts that serve here: its states, and what takes it from one to the next. Pure.

Source: ANSI/ISA-18.2-2016, section 5.4 (alarm state transition diagram): normal, unacknowledged, acknowledged, returned
to normal unacknowledged, shelved. What it calls suppressed by design and out of service does not exist here.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final


class Priority(StrEnum):
    """How soon somebody has to act."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


URGENCY: Final = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}
"""The most urgent first."""


class AlarmState(StrEnum):
    """Where an alarm stands; in the order in which somebody has to look at them."""

    UNACKNOWLEDGED = "unacknowledged"
    """Its condition holds, and nobody has said that they know."""
    RETURNED = "returned"
    """Its condition is over, and nobody has said that they know."""
    ACKNOWLEDGED = "acknowledged"
    """Its condition holds, and somebody knows."""
    SHELVED = "shelved"
    """Somebody put it aside until a certain time; it tells nothing meanwhile."""
    NORMAL = "normal"


class Transition(StrEnum):
    """What an alarm tells, as the kind of an event."""

    RAISED = "alarm_raised"
    RETURNED = "alarm_returned"
    NORMAL = "alarm_normal"
    ACKNOWLEDGED = "alarm_acknowledged"
    SHELVED = "alarm_shelved"
    UNSHELVED = "alarm_unshelved"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """How one alarm is now; each method gives its next state and what there is to tell, None where nothing is.

    Times are UTC microseconds.

    Attributes:
        is_active: whether its condition holds, shelved or not.
        raised_us: when it was last raised; None where it never was.
        changed_us: when its state last changed.
        value: of the parameter, or the count, that raised it.
        by: who acknowledged or shelved it, where that is its state.
        shelved_until_us: when it comes back by itself.
    """

    state: AlarmState = AlarmState.NORMAL
    is_active: bool = False
    raised_us: int | None = None
    changed_us: int | None = None
    value: float | None = None
    by: str = ""
    shelved_until_us: int | None = None

    @property
    def waits(self) -> bool:
        """Whether somebody has to acknowledge it."""
        return self.state in {AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED}

    def begin(self, now_us: int, value: float | None = None) -> "Change":
        """Its condition begins to hold, or has come up once more while it held."""
        if self.state is AlarmState.SHELVED or (self.is_active and self.state is AlarmState.UNACKNOWLEDGED):
            return replace(self, is_active=True, value=value), None
        begun = replace(self, is_active=True, raised_us=now_us, value=value)
        return _moved(begun, AlarmState.UNACKNOWLEDGED, now_us), Transition.RAISED

    def end(self, now_us: int) -> "Change":
        """Its condition is over."""
        over = replace(self, is_active=False)
        if self.state is AlarmState.UNACKNOWLEDGED:
            return _moved(over, AlarmState.RETURNED, now_us), Transition.RETURNED
        if self.state is AlarmState.ACKNOWLEDGED:
            return _moved(over, AlarmState.NORMAL, now_us), Transition.NORMAL
        return over, None

    def acknowledge(self, now_us: int, by: str) -> "Change":
        """Somebody knows.

        Raises:
            ValueError: it does not wait for that.
        """
        if not self.waits:
            raise ValueError(f"is {self.state}: there is nothing to acknowledge")
        if self.is_active:
            return _moved(self, AlarmState.ACKNOWLEDGED, now_us, by=by), Transition.ACKNOWLEDGED
        return _moved(self, AlarmState.NORMAL, now_us), Transition.ACKNOWLEDGED

    def shelve(self, now_us: int, *, for_us: int, by: str) -> "Change":
        """Somebody puts it aside, whatever its state; a shelved one gets another end."""
        return _moved(self, AlarmState.SHELVED, now_us, by=by, until_us=now_us + for_us), Transition.SHELVED

    def unshelve(self, now_us: int) -> "Change":
        """It comes back: unacknowledged where its condition holds, for who shelved it may be gone.

        Raises:
            ValueError: it is not shelved.
        """
        if self.state is not AlarmState.SHELVED:
            raise ValueError(f"is {self.state}: it is not shelved")
        state = AlarmState.UNACKNOWLEDGED if self.is_active else AlarmState.NORMAL
        raised_us = now_us if self.is_active and self.raised_us is None else self.raised_us
        return _moved(replace(self, raised_us=raised_us), state, now_us), Transition.UNSHELVED


def _moved(alarm: Alarm, state: AlarmState, now_us: int, *, by: str = "", until_us: int | None = None) -> Alarm:
    return replace(alarm, state=state, changed_us=now_us, by=by, shelved_until_us=until_us)


Change = tuple[Alarm, Transition | None]
Move = Callable[[Alarm, int], Change]
"""Told the present time, UTC microseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmDefinition:
    """What an alarm is about.

    Attributes:
        id: names it for commands; it stays the same over restarts.
        text: for the operator: what is wrong, or what to do.
        parameter: ``component/parameter``; empty where it is not about one.
        limit: that the parameter crossed, and `unit` of both.
    """

    id: str
    text: str
    priority: Priority
    parameter: str = ""
    limit: float | None = None
    unit: str = ""


@dataclass(kw_only=True, slots=True)
class Delayed:
    """Whether a condition has held, or has not, for long enough.

    Attributes:
        is_active: what it was found to be last.
    """

    on_delay_ns: int
    off_delay_ns: int
    is_active: bool = False
    _since_ns: int | None = field(default=None, init=False)

    def look(self, holds: bool | None, now_ns: int) -> bool:
        """Take in one look at the condition; None where it cannot be said. True where `is_active` has changed."""
        if holds is None:
            return False
        if holds is self.is_active:
            self._since_ns = None
            return False
        if self._since_ns is None:
            self._since_ns = now_ns
        if now_ns - self._since_ns < (self.off_delay_ns if self.is_active else self.on_delay_ns):
            return False
        self.is_active, self._since_ns = holds, None
        return True
