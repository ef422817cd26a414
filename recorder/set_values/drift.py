"""Whether the tool still holds what is desired of it: its own set-values, read with the scan, against the cache.

Somebody at the tool's panel may change a set-value; then the tool and the database want different things, and nobody
has said so. Pure but for the cache, which answers from memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.plan import ReadPlan
from hal.quality import FIRST_UNCERTAIN
from hal.scan import Scan
from recorder.definitions.definitions import Definition
from recorder.set_values.cache import SetValues
from recorder.set_values.write_rules import target_of

_LOOK_UP_NS: Final = 10_000_000_000
"""How often the desired values of a plan are asked of the cache, where it knows nothing new: they age."""
_ROUNDING: Final = 1e-6
"""Share of a value that a float32 register may round away; it holds 24 bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """The tool holds another set-value than is desired.

    Attributes:
        name: ``component/parameter``.
        monotonic_ns: when it was read.
    """

    parameter_id: int
    name: str
    desired: float
    tool: float
    monotonic_ns: int


@dataclass(kw_only=True, slots=True, eq=False)
class _Followed:
    """The parameters of one plan whose set-value the tool shows; all arrays of shape ``(n,)``.

    Attributes:
        rows: of the scan.
        is_beside: whether the tool's set-value stands in another register than the value.
        desired: NaN where nothing is.
        since_ns: when they began to differ; 0 where they agree.
        told: the tool's value that was told last; NaN where none was.
        tool: what the tool held when it was compared last, as bytes.
        is_settled: whether nothing can come of comparing the same again: what differs was told, and no time runs.
    """

    definitions: Sequence[Definition]
    rows: npt.NDArray[np.intp]
    is_beside: npt.NDArray[np.bool_]
    desired: npt.NDArray[np.float64]
    tolerance: npt.NDArray[np.float64]
    since_ns: npt.NDArray[np.int64]
    told: npt.NDArray[np.float64]
    looked_up_ns: int = 0
    revision: int = -1
    tool: bytes = b""
    is_settled: bool = False


class DriftWatch:
    """Follows the set-values of all scans.

    Args:
        definitions: of the machine.
        after_s: how long they must differ: a tool takes its time to take a set-value over.
        tell: called once for each new value of the tool that is not the desired one; must not block.
        is_busy: whether a parameter step is under way, which moves one before the other.
    """

    def __init__(
        self,
        definitions: Sequence[Definition],
        set_values: SetValues,
        *,
        after_s: float,
        tell: Callable[[Drift], None],
        is_busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._definitions = {d.id: d for d in definitions if d.id is not None and _shows_set_value(d)}
        self._set_values = set_values
        self._after_ns = round(after_s * 1e9)
        self._tell = tell
        self._is_busy = is_busy
        self._plans: dict[int, tuple[ReadPlan, _Followed | None]] = {}
        self.drifting: dict[int, Drift] = {}

    def look(self, plan: ReadPlan, scan: Scan) -> None:
        """Compare what a scan read."""
        if id(plan) not in self._plans:
            self._plans[id(plan)] = (plan, self._followed(plan))  # it holds the plan: its id cannot become another's
        _, followed = self._plans[id(plan)]
        if followed is None or self._is_busy():
            return
        is_known_anew = followed.revision != self._set_values.revision
        if is_known_anew or scan.started_ns - followed.looked_up_ns >= _LOOK_UP_NS:
            self._look_up(followed, scan.started_ns)
        tool = np.where(followed.is_beside, scan.set_values[followed.rows], scan.values[followed.rows])
        seen = tool.tobytes()
        if followed.is_settled and seen == followed.tool:  # a value whose quality became bad is another: NaN
            return
        followed.tool = seen
        is_read = (scan.quality[followed.rows] >= FIRST_UNCERTAIN) & np.isfinite(tool)
        differs = is_read & (np.abs(tool - followed.desired) > followed.tolerance)  # never so for a NaN
        agrees = is_read & ~differs
        for at in np.flatnonzero(agrees & (followed.since_ns != 0)):
            self.drifting.pop(followed.definitions[int(at)].id or 0, None)
        followed.since_ns[agrees] = 0
        followed.told[agrees] = np.nan
        began = differs & (followed.since_ns == 0)
        followed.since_ns[began] = scan.started_ns
        lasts = differs & (scan.started_ns - followed.since_ns >= self._after_ns)
        is_new = lasts & ~(np.abs(tool - followed.told) <= followed.tolerance)
        for at in np.flatnonzero(is_new):
            followed.told[at] = tool[at]
            self._found(followed, int(at), float(tool[at]), int(scan.monotonic_ns[followed.rows[at]]))
        followed.is_settled = not (differs & ~lasts).any()

    def _found(self, followed: _Followed, at: int, tool: float, monotonic_ns: int) -> None:
        definition = followed.definitions[at]
        drift = Drift(
            parameter_id=definition.id or 0,
            name=definition.full_name,
            desired=float(followed.desired[at]),
            tool=tool,
            monotonic_ns=monotonic_ns,
        )
        self.drifting[drift.parameter_id] = drift
        self._tell(drift)

    def _followed(self, plan: ReadPlan) -> _Followed | None:
        rows = [row for row, parameter in enumerate(plan.rows) if parameter.parameter_id in self._definitions]
        definitions = [self._definitions[plan.rows[row].parameter_id] for row in rows]
        if not rows:
            return None
        count = len(rows)
        return _Followed(
            definitions=definitions,
            rows=np.array(rows, np.intp),
            is_beside=np.array([bool(d.set_value_parameter_id) for d in definitions]),
            desired=np.full(count, np.nan),
            tolerance=np.zeros(count),
            since_ns=np.zeros(count, np.int64),
            told=np.full(count, np.nan),
        )

    def _look_up(self, followed: _Followed, now_ns: int) -> None:
        followed.looked_up_ns = now_ns
        followed.is_settled = False
        followed.revision = self._set_values.revision
        for at, definition in enumerate(followed.definitions):
            held = self._set_values.held(definition.id or 0)
            desired = np.nan if held is None or held.is_stale or held.value.desired is None else held.value.desired
            if desired != followed.desired[at]:
                followed.since_ns[at] = 0  # what is desired now is another thing: it has its time too
                followed.told[at] = np.nan
                self.drifting.pop(definition.id or 0, None)
            followed.desired[at] = desired
            tolerance = held.value.tolerance if held is not None else None
            followed.tolerance[at] = (tolerance or 0.0) + abs(desired) * _ROUNDING


def _shows_set_value(definition: Definition) -> bool:
    """Whether a scan reads the tool's own set-value of a parameter: beside it, or in the very register that is set."""
    if not definition.is_configured:
        return False
    if definition.set_value_parameter_id is not None:
        return True
    parameter = definition.to_parameter()
    target = target_of(parameter, definition.write_address)
    is_same = target is not None and (target.kind, target.address) == (parameter.kind, parameter.address)
    return definition.is_writable and is_same
