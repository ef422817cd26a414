"""Whether the values of a scan cross the limits of alarms: all limits of a plan at once. Pure.

A value that could not be read neither raises nor clears anything: bad samples are passed over, and what the good ones
before and after say counts. An uncertain value (frozen, out of range) is looked at like a good one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.parameter import DataType
from hal.plan import ReadPlan
from hal.quality import FIRST_UNCERTAIN
from hal.scan import Scan
from recorder.alarms.alarm import AlarmDefinition, Priority
from recorder.config.alarms import AlarmConfig
from recorder.definitions.definitions import DefinitionSet
from recorder.errors import ConfigurationError

_NEVER: Final = -1
_ABOVE: Final = frozenset({"high", "high_high"})
_SECOND: Final = frozenset({"high_high", "low_low"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """One limit of one parameter.

    Attributes:
        is_high: whether values above it are wrong, or those below it.
    """

    alarm: AlarmDefinition
    parameter_id: int
    limit: float
    is_high: bool
    deadband: float
    on_delay_ns: int
    off_delay_ns: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossed:
    """A limit that is crossed, or no longer is, for as long as it asks for.

    Attributes:
        monotonic_ns: when the value was read that decided it.
    """

    alarm: AlarmDefinition
    is_active: bool
    value: float
    monotonic_ns: int


def limits_of(alarms: Iterable[AlarmConfig], definitions: DefinitionSet) -> list[Limit]:
    """The limits of a configuration.

    Raises:
        ConfigurationError: one names a parameter that is not there, is not read, is text, or has alarms already.
    """
    limits: list[Limit] = []
    seen: set[str] = set()
    for number, each in enumerate(alarms):
        definition = definitions.find(each.parameter)
        fault = ""
        if definition is None or definition.id is None:
            fault = "no such parameter"
        elif definition.id not in {readable.id for readable in definitions.readable}:
            fault = "that parameter is not read"
        elif definition.data_type is DataType.ASCII:
            fault = "that parameter is text and has no limits"
        if fault or definition is None:
            raise ConfigurationError(
                f"alarms.{number}.parameter: {each.parameter!r}: {fault} in the definitions of "
                f"{definitions.machine!r}; see ald-recorder definitions list"
            )
        if each.parameter in seen:
            raise ConfigurationError(
                f"alarms.{number}.parameter: {each.parameter!r} has alarms already: write its limits together"
            )
        seen.add(each.parameter)
        limits += [
            _limit(each, name, limit, definition.id or 0, definition.unit) for name, limit in each.limits.items()
        ]
    return limits


def _limit(config: AlarmConfig, name: str, limit: float, parameter_id: int, unit: str) -> Limit:
    words = f"{config.parameter} {'above' if name in _ABOVE else 'below'} {limit:g} {unit}".rstrip()
    alarm = AlarmDefinition(
        id=f"{config.parameter}:{name}",
        text=config.text or words,
        priority=Priority.HIGH if name in _SECOND else config.priority,
        parameter=config.parameter,
        limit=limit,
        unit=unit,
    )
    return Limit(
        alarm=alarm,
        parameter_id=parameter_id,
        limit=limit,
        is_high=name in _ABOVE,
        deadband=config.deadband,
        on_delay_ns=config.on_delay_ms * 1_000_000,
        off_delay_ns=config.off_delay_ms * 1_000_000,
    )


@dataclass(kw_only=True, slots=True, eq=False)
class _Watched:
    """The limits of the parameters of one plan; all arrays of shape ``(limits,)``.

    Attributes:
        rows: of the scan.
        sign: 1 where values above the limit are wrong, -1 below.
        since_ns: since when each sample that was read asks for the other state; `_NEVER` where the last did not.
    """

    limits: Sequence[Limit]
    rows: npt.NDArray[np.intp]
    sign: npt.NDArray[np.float64]
    limit: npt.NDArray[np.float64]
    deadband: npt.NDArray[np.float64]
    on_delay_ns: npt.NDArray[np.int64]
    off_delay_ns: npt.NDArray[np.int64]
    is_active: npt.NDArray[np.bool_]
    since_ns: npt.NDArray[np.int64]

    def look(self, scan: Scan) -> list[Crossed]:
        """Take in one scan."""
        values = scan.values[self.rows]
        beyond = self.sign * (values - self.limit)  # NaN where there is no value, which no comparison is true of
        is_read = (scan.quality[self.rows] >= FIRST_UNCERTAIN) & ~np.isnan(values)
        wants = is_read & np.where(self.is_active, beyond <= -self.deadband, beyond > 0)
        self.since_ns[is_read & ~wants] = _NEVER
        if not wants.any():
            return []
        now_ns = scan.monotonic_ns[self.rows]
        began = wants & (self.since_ns == _NEVER)
        self.since_ns[began] = now_ns[began]
        delay_ns = np.where(self.is_active, self.off_delay_ns, self.on_delay_ns)
        crossed = []
        for at in np.flatnonzero(wants & (now_ns - self.since_ns >= delay_ns)).tolist():
            self.is_active[at] = not self.is_active[at]
            self.since_ns[at] = _NEVER
            crossed.append(
                Crossed(
                    alarm=self.limits[at].alarm,
                    is_active=bool(self.is_active[at]),
                    value=float(values[at]),
                    monotonic_ns=int(now_ns[at]),
                )
            )
        return crossed


class LimitWatch:
    """Follows the values of all scans.

    Args:
        is_active: whether the condition of an alarm held last, by its id: when the recorder was last there, or in a
            plan before this one.
    """

    def __init__(self, limits: Sequence[Limit], *, is_active: Callable[[str], bool] = lambda _id: False) -> None:
        self._limits = limits
        self._is_active = is_active
        self._plans: dict[int, tuple[ReadPlan, _Watched | None]] = {}

    def look(self, plan: ReadPlan, scan: Scan) -> list[Crossed]:
        """What a scan changes; nearly always nothing."""
        if id(plan) not in self._plans:
            self._plans[id(plan)] = (plan, self._watched(plan))  # it holds the plan: its id cannot become another's
        _, watched = self._plans[id(plan)]
        return [] if watched is None else watched.look(scan)

    def _watched(self, plan: ReadPlan) -> _Watched | None:
        row_of = {parameter.parameter_id: row for row, parameter in enumerate(plan.rows)}
        limits = [limit for limit in self._limits if limit.parameter_id in row_of]
        if not limits:
            return None
        return _Watched(
            limits=limits,
            rows=np.array([row_of[limit.parameter_id] for limit in limits], np.intp),
            sign=np.array([1.0 if limit.is_high else -1.0 for limit in limits]),
            limit=np.array([limit.limit for limit in limits]),
            deadband=np.array([limit.deadband for limit in limits]),
            on_delay_ns=np.array([limit.on_delay_ns for limit in limits], np.int64),
            off_delay_ns=np.array([limit.off_delay_ns for limit in limits], np.int64),
            is_active=np.array([self._is_active(limit.alarm.id) for limit in limits]),
            since_ns=np.full(len(limits), _NEVER, np.int64),
        )
