"""Whether the read plans of a device can be kept: its round trip times its requests, against its intervals.

Pure: it is told measured round trips. Whether an impossible plan is refused or made slower is for the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from hal.limits import PlanLimits
from hal.plan import ReadPlan, plans_by_interval

FULL: Final = 1.0
"""Share of its time that a connection can be asked at most."""
ROOM: Final = 0.8
"""Share that degraded plans may take, so that a slow answer now and then costs no slot."""
LONGEST_INTERVAL_MS: Final = 3_600_000


class Verdict(StrEnum):
    """Whether plans can be kept."""

    FITS = "fits"
    TIGHT = "tight"
    """They can, but a slow answer now and then costs a slot."""
    IMPOSSIBLE = "impossible"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLoad:
    """What one plan asks of the connection.

    Attributes:
        requests: of one scan.
        scan_ms: expected time of a scan that is alone on the connection.
        share: of the connection's time.
    """

    interval_ms: int
    requests: int
    scan_ms: float
    share: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DeviceLoad:
    """What all plans of a device ask of its connections.

    Attributes:
        plans: the shortest interval first.
        share: of the connections' time; more than 1 cannot be kept.
    """

    device: str
    round_trip_ms: float
    plans: tuple[PlanLoad, ...]
    share: float
    verdict: Verdict

    def explain(self) -> str:
        """Say it in one line."""
        parts = [
            f"{plan.requests} requests of {self.round_trip_ms:.1f} ms take {plan.scan_ms:.0f} of {plan.interval_ms} ms"
            for plan in self.plans
        ]
        return f"{self.device}: {self.verdict}: {'; '.join(parts)}; {self.share:.0%} of the connection's time"


def load_of(device: str, plans: Mapping[int, ReadPlan], *, round_trip_ms: float, parallel: int = 1) -> DeviceLoad:
    """Set the measured round trip of one request against the intervals of a device's plans.

    Args:
        device: its name.
        plans: by scan interval in milliseconds.
        round_trip_ms: measured from request to answer, what comes in between on the line included.
        parallel: requests that the device takes at once.
    """
    loads = []
    for interval_ms, plan in sorted(plans.items()):
        requests = len(plan.blocks)
        # requests go out side by side, so a scan takes as many turns as the fullest of its connections
        scan_ms = -(-requests // parallel) * round_trip_ms
        share = requests * round_trip_ms / parallel / interval_ms
        loads.append(PlanLoad(interval_ms=interval_ms, requests=requests, scan_ms=scan_ms, share=share))
    share = sum(plan.share for plan in loads)
    worst = max([share, *(plan.scan_ms / plan.interval_ms for plan in loads)])
    verdict = Verdict.IMPOSSIBLE if worst > FULL else Verdict.TIGHT if worst > ROOM else Verdict.FITS
    return DeviceLoad(device=device, round_trip_ms=round_trip_ms, plans=tuple(loads), share=share, verdict=verdict)


def degraded(plans: Mapping[int, ReadPlan], *, round_trip_ms: float, parallel: int = 1) -> dict[int, ReadPlan]:
    """Make the intervals of a device's plans longer until they can be kept with some room.

    Again and again the plan that asks for most of the time gets a longer interval, a whole multiple of the one that was
    asked for; so the new grid lies on the old, and slow parameters stay as they are. Plans that come to one interval
    become one plan.
    """
    multiples = dict.fromkeys(plans, 1)
    requests = {interval_ms: len(plan.blocks) for interval_ms, plan in plans.items()}
    while True:
        slower: dict[int, ReadPlan] = {}
        # plans are made only where they may fit: their requests as they are do, or two plans have become one
        worst = sum(n * round_trip_ms / parallel / (i * multiples[i]) for i, n in requests.items())
        if worst <= ROOM or len({i * multiple for i, multiple in multiples.items()}) < len(multiples):
            slower = _regrouped(plans, multiples)
            load = load_of("", slower, round_trip_ms=round_trip_ms, parallel=parallel)
            worst = max([load.share, *(plan.scan_ms / plan.interval_ms for plan in load.plans)])
        candidates = {i for i, k in multiples.items() if i * _next(k) <= LONGEST_INTERVAL_MS}
        if worst <= ROOM or not candidates:
            return slower or _regrouped(plans, multiples)
        chosen = max(candidates, key=lambda i: requests[i] / (i * multiples[i]))
        multiples[chosen] = _next(multiples[chosen])


def _next(multiple: int) -> int:
    """A longer interval: the next whole multiple, far up by a quarter, so that few steps are enough."""
    return max(multiple + 1, multiple * 5 // 4)


def _regrouped(plans: Mapping[int, ReadPlan], multiples: Mapping[int, int]) -> dict[int, ReadPlan]:
    if all(multiple == 1 for multiple in multiples.values()):
        return dict(sorted(plans.items()))
    parameters = [
        replace(parameter, scan_interval_ms=interval_ms * multiples[interval_ms])
        for interval_ms, plan in plans.items()
        for parameter in plan.parameters
    ]
    limits = next((plan.limits for plan in plans.values()), PlanLimits())
    return plans_by_interval(parameters, limits=limits)
