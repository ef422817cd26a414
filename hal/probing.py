"""The requests that a scan makes beyond its plan: bisection of what was refused, and new tries of old holes.

They come after the planned ones and are few, so that the grid holds; what is left goes on in the next scan.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hal.inquiry import is_refused
from hal.link import Block
from hal.outcome import Failure, Outcome
from hal.plan import ReadPlan
from hal.refusals import Refusals

MOST_EXTRA: Final = 16
"""Requests of one scan beyond its plan: enough to find one bad address among 125."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probed:
    """What a scan came to after the extra requests.

    Attributes:
        plan: as it was really read.
        outcomes: one for each of its blocks.
        extra: requests beyond the first pass.
        has_changed: whether holes were found or are gone.
    """

    plan: ReadPlan
    outcomes: Sequence[Outcome]
    extra: int
    has_changed: bool


async def probe(
    refusals: Refusals,
    given: ReadPlan,
    plan: ReadPlan,
    outcomes: Sequence[Outcome],
    *,
    read: Callable[[Block], Awaitable[Outcome]],
    now_ns: Callable[[], int],
    until_ns: int,
) -> Probed:
    """Bisect what was refused, then try holes that are due.

    Args:
        refusals: what is known of the device; it learns.
        given: the plan that the scan was asked for.
        plan: what was read for it: what ``refusals.plan_now(given)`` was at the start of the scan.
        outcomes: one for each block of that.
        read: makes one request.
        now_ns: monotonic nanoseconds.
        until_ns: begin no further request after this time, but for one bisection a scan, so that it ends some day.
    """
    extra, has_changed, is_usable = 0, False, True
    inquiry = refusals.inquire(given, plan, outcomes)
    if inquiry is not None:
        while is_usable and (block := inquiry.next_block()) is not None:
            if not inquiry.is_between_halves and extra > 0 and (extra >= MOST_EXTRA or now_ns() >= until_ns):
                break
            outcome = await read(block)
            inquiry.take(outcome)
            extra += 1
            is_usable = _is_usable(outcome)
        plan, outcomes = inquiry.result()
        has_changed = refusals.learn(given, inquiry, now_ns())
    for hole in refusals.due(now_ns()):
        if not is_usable or extra >= MOST_EXTRA or now_ns() >= until_ns:
            break
        outcome = await read(hole.probe)
        extra += 1
        is_usable = _is_usable(outcome)
        has_changed |= refusals.probed(hole, outcome, now_ns())
    return Probed(plan=plan, outcomes=outcomes, extra=extra, has_changed=has_changed)


def _is_usable(outcome: Outcome) -> bool:
    """Whether the connection can be asked again: after anything but an answer it is closed."""
    return not isinstance(outcome, Failure) or is_refused(outcome)
