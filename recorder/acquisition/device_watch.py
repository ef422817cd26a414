"""Whether a device that answers is alive: its heartbeat moves, and its clock goes forward.

A PLC may serve registers that its program no longer writes; each value then has a fresh time stamp and is old. Pure: it
is told scans and their times.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from hal.counter import gain, modulus_of
from hal.parameter import Parameter
from hal.plan import ReadPlan
from hal.quality import FIRST_UNCERTAIN, Quality
from hal.scan import Scan


class WatchEvent(StrEnum):
    """Kinds of events, as they are recorded."""

    FROZEN = "device_frozen"
    MOVES_AGAIN = "device_moves_again"
    RESTARTED = "plc_restarted"


@dataclass(frozen=True, kw_only=True, slots=True)
class WatchSettings:
    """What shows that a device is alive; all ids None switches the watch off.

    Attributes:
        heartbeat: id of a parameter that changes as long as the program of the device runs.
        clock: id of a parameter that counts time; it must change too, and where it goes back, the device restarted.
        restart_counter: id of a parameter that counts up for ever; watched for a restart where there is no clock.
        frozen_after_s: how long a heartbeat or clock may stand still, from reading to reading.
        carries_run: whether the process roles are read from this device, so that its restart puts a run in doubt.
    """

    heartbeat: int | None = None
    clock: int | None = None
    restart_counter: int | None = None
    frozen_after_s: float = 5.0
    carries_run: bool = False


@dataclass(kw_only=True, slots=True)
class _Followed:
    """A parameter that must move.

    Attributes:
        moved_ns: when it was last seen to change, or first seen after it could not be read.
        read_ns: when it was last read.
    """

    value: float
    moved_ns: int
    read_ns: int


class DeviceWatch:
    """Follows one device over all of its scans.

    Args:
        tell: called with the kind of each event and its detail; must not block.

    Attributes:
        settings: what it goes by.
        is_frozen: whether the device stands still.
        has_restarted: whether the scan that was looked at last is the first after a restart.
    """

    def __init__(self, settings: WatchSettings, *, tell: Callable[[str, dict[str, object]], None]) -> None:
        self.settings = settings
        self._longest_ns = round(settings.frozen_after_s * 1e9)
        self._tell = tell
        self._moving = {i for i in (settings.heartbeat, settings.clock) if i is not None}
        self._restarting = settings.clock if settings.clock is not None else settings.restart_counter
        self._followed: dict[int, _Followed] = {}
        self._count: float | None = None
        self._rows: dict[int, tuple[ReadPlan, list[tuple[int, Parameter]]]] = {}
        self.carries_run = settings.carries_run
        self.is_frozen = False
        self.has_restarted = False

    def look(self, plan: ReadPlan, scan: Scan) -> Scan:
        """Take in a scan; returns it as it is to be stored, frozen values marked."""
        self.has_restarted = False
        rows = self._rows_of(plan)
        for row, parameter in rows:
            is_read = scan.quality[row] >= FIRST_UNCERTAIN
            self._take(parameter, float(scan.values[row]) if is_read else None, int(scan.monotonic_ns[row]))
        if rows:
            self._judge()
        return _frozen(scan) if self.is_frozen else scan

    def _rows_of(self, plan: ReadPlan) -> list[tuple[int, Parameter]]:
        """Where a plan reads what is watched; worked out once, since a scan may have a thousand rows."""
        known = self._rows.get(id(plan))
        if known is None:
            watched = self._moving | {self._restarting}
            rows = [(row, p) for row, p in enumerate(plan.rows) if p.parameter_id in watched]
            known = self._rows[id(plan)] = (plan, rows)  # it holds the plan, so its id cannot become another's
        return known[1]

    def _take(self, parameter: Parameter, value: float | None, at_ns: int) -> None:
        parameter_id = parameter.parameter_id
        if value is None:
            # what could not be read says nothing, and the time of it does not count as standing still
            self._followed.pop(parameter_id, None)
            return
        if parameter_id in self._moving:
            followed = self._followed.get(parameter_id)
            if followed is None:
                # a device that was frozen before it could not be read is frozen until it is seen to move
                moved_ns = at_ns - self._longest_ns if self.is_frozen else at_ns
                self._followed[parameter_id] = _Followed(value=value, moved_ns=moved_ns, read_ns=at_ns)
            else:
                moved_ns = at_ns if followed.value != value else followed.moved_ns
                self._followed[parameter_id] = _Followed(value=value, moved_ns=moved_ns, read_ns=at_ns)
        if parameter_id == self._restarting:
            before, self._count = self._count, value
            if before is not None and gain(before, value, modulus=modulus_of(parameter)).has_restarted:
                self.has_restarted = True
                self._tell(WatchEvent.RESTARTED, {"parameter": parameter.name, "before": before, "after": value})

    def _judge(self) -> None:
        if not self._followed:
            return
        is_frozen = any(one.read_ns - one.moved_ns >= self._longest_ns for one in self._followed.values())
        if is_frozen != self.is_frozen:
            self.is_frozen = is_frozen
            detail: dict[str, object] = {"frozen_after_s": self._longest_ns / 1e9}
            self._tell(WatchEvent.FROZEN if is_frozen else WatchEvent.MOVES_AGAIN, detail)


def _frozen(scan: Scan) -> Scan:
    """The scan with every value that there is marked as frozen."""
    quality = np.where(scan.quality >= FIRST_UNCERTAIN, np.int16(Quality.FROZEN), scan.quality).astype(np.int16)
    return replace(scan, quality=quality)
