"""What a device refuses: learned from its answers, kept, planned around, and tried again now and then.

Pure: it is told what came and when, and holds no connection, clock or file.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hal.errors import LinkError, RefusedError
from hal.hole import Hole, HoleSort
from hal.inquiry import Inquiry, Parting, is_refused
from hal.limits import Boundary
from hal.link import Block
from hal.outcome import Failure, Outcome
from hal.plan import ReadPlan, plan_reads

_MOST_PLANS: Final = 64
"""Plans of one device that are followed at once; a device has one for each scan interval."""
_FIRST_PROBE_S: Final = 1.0
_TIMES_SEEN: Final = 2
"""A refusal of which both halves can be read is believed when it came twice: a device may refuse while it restarts."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Followed:
    """A plan as it was given, and as it is read now.

    Attributes:
        version: of the holes that ``current`` was made for.
        is_searched: whether ``current`` keeps blocks apart for a bisection that is not at its end.
    """

    given: ReadPlan
    current: ReadPlan
    version: int
    is_searched: bool = False


@dataclass(kw_only=True, slots=True)
class _Wait:
    """When a hole is tried again."""

    next_ns: int
    wait_s: float


class Refusals:
    """The holes of one device, and the plans that go around them.

    A new hole is tried again after a second, then after ever longer waits, so that a device that refuses only while it
    restarts is whole again at once, and one that refuses for good is asked in vain hardly ever.

    Args:
        holes: what an earlier run of the program learned; each is tried again soon.
        probe_interval_s: longest wait until a hole is tried again.
    """

    def __init__(self, holes: Iterable[Hole] = (), *, probe_interval_s: float = 600.0) -> None:
        self._probe_interval_s = probe_interval_s
        self._waits = {hole: _Wait(next_ns=0, wait_s=_FIRST_PROBE_S) for hole in holes}
        self._version = 0
        self._plans: OrderedDict[int, _Followed] = OrderedDict()
        self._seen: dict[tuple[str, int, int], int] = {}

    @property
    def holes(self) -> tuple[Hole, ...]:
        """All that is known, in order of address."""
        return tuple(sorted(self._waits))

    def plan_now(self, given: ReadPlan) -> ReadPlan:
        """The plan to read in place of the one that is given: around the holes, or cut by a bisection under way."""
        followed = self._follow(given)
        if followed.version != self._version and not followed.is_searched:
            followed.current = self._around(given)
            followed.version = self._version
        return followed.current

    def _follow(self, given: ReadPlan) -> _Followed:
        followed = self._plans.get(id(given))
        if followed is None:
            # it holds the plan, so its id cannot become another's
            followed = _Followed(given=given, current=self._around(given), version=self._version)
            self._plans[id(given)] = followed
            if len(self._plans) > _MOST_PLANS:
                self._plans.popitem(last=False)
        return followed

    def _around(self, given: ReadPlan, under_search: Sequence[Block] = ()) -> ReadPlan:
        """Plan around the holes, and keep the blocks that are under search apart from all else."""
        if not self._waits and not under_search:
            return given
        forbidden = tuple(hole.forbidden for hole in self.holes if hole.forbidden is not None)
        ends = [(block.kind, end) for block in under_search for end in (block.address, block.address + block.count)]
        boundaries = (
            *(hole.boundary for hole in self.holes if hole.boundary is not None),
            *(Boundary(kind=kind, address=end) for kind, end in ends),
        )
        return plan_reads(given.parameters, limits=given.limits.narrowed(forbidden, boundaries))

    def inquire(self, given: ReadPlan, plan: ReadPlan, outcomes: Sequence[Outcome]) -> Inquiry | None:
        """Begin or go on with the bisection of what a scan was refused; None where nothing is to do.

        Args:
            given: the plan that was asked for.
            plan: what was read for it.
            outcomes: one for each block of that.
        """
        if self._follow(given).is_searched or any(is_refused(outcome) for outcome in outcomes):
            return Inquiry(plan, outcomes)
        return None

    def learn(self, given: ReadPlan, inquiry: Inquiry, now_ns: int) -> bool:
        """Take in what the bisection of one scan found; whether there are holes that were not known."""
        followed = self._follow(given)
        found = [_hole_of(parting) for parting in inquiry.clean_partings if self._is_believed(parting)]
        found += [
            Hole(
                sort=HoleSort.PARAMETER,
                kind=block.kind,
                first=block.address,
                last=block.address + block.count - 1,
                asked_first=block.address,
                asked_last=block.address + block.count - 1,
            )
            for block in inquiry.bad
        ]
        fresh = [hole for hole in found if hole not in self._waits]
        for hole in fresh:
            self._waits[hole] = _Wait(next_ns=now_ns + round(_FIRST_PROBE_S * 1e9), wait_s=_FIRST_PROBE_S)
        self._version += bool(fresh)
        followed.is_searched = bool(inquiry.under_search)
        followed.current = self._around(given, inquiry.under_search)
        followed.version = self._version
        return bool(fresh)

    def _is_believed(self, parting: Parting) -> bool:
        place = (parting.whole.block.kind, parting.left.last, parting.right.block.address)
        self._seen[place] = self._seen.get(place, 0) + 1
        if self._seen[place] < _TIMES_SEEN:
            return False
        del self._seen[place]
        return True

    def due(self, now_ns: int) -> Sequence[Hole]:
        """The holes that are to be tried again, the one that waits longest first."""
        due = [hole for hole, wait in self._waits.items() if wait.next_ns <= now_ns]
        return sorted(due, key=lambda hole: self._waits[hole].next_ns)

    def probed(self, hole: Hole, outcome: Outcome, now_ns: int) -> bool:
        """Take in what a try brought; whether the hole is gone."""
        wait = self._waits.get(hole)
        if wait is None:
            return False
        if isinstance(outcome, Failure):
            if is_refused(outcome):
                wait.wait_s = min(2 * wait.wait_s, self._probe_interval_s)
            wait.next_ns = now_ns + round(wait.wait_s * 1e9)
            return False
        del self._waits[hole]
        self._version += 1
        for other in self._waits.values():  # a device that was repaired in one place was perhaps in others
            other.next_ns, other.wait_s = now_ns, _FIRST_PROBE_S
        return True


def refusal_of(device: str, plan: ReadPlan) -> LinkError:
    """Why a plan of which every address is known to be refused brings nothing."""
    return RefusedError(operation=f"read {len(plan.parameters)} parameters", device=device, exception_code=2)


def _hole_of(parting: Parting) -> Hole:
    """What lies between two halves that can be read, though not at once."""
    whole, left, right = parting.whole.block, parting.left.last, parting.right.block.address
    is_gap = right > left + 1
    return Hole(
        sort=HoleSort.GAP if is_gap else HoleSort.BOUNDARY,
        kind=whole.kind,
        first=left + 1,
        last=right - 1 if is_gap else left + 1,
        asked_first=whole.address,
        asked_last=whole.address + whole.count - 1,
    )
