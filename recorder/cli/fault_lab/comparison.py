"""What was sent against what is stored: every answer, once, equal; and what is not stored, by cause."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from recorder.cli.fault_lab.sent import Content, SentScan
from recorder.cli.fault_lab.stored import StoredScan

ALTERED: Final = "the tool's own answer was broken by the injected fault"
MEASURED: Final = "read at a start to measure the round trip, before the first slot"
IN_FLIGHT: Final = "was being read, or was on its way to the disk, as the recorder was killed"
PROBED: Final = "asked for less than a scan: an address that was refused, or a set-value that was written"
UNEXPLAINED: Final = "UNEXPLAINED"
MEASURED_SCANS: Final = 3
"""Scans of each plan that the recorder makes before its first slot; see `recorder.acquisition.overload`."""

FOREVER_NS: Final = 1 << 62
_TOLD: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One process of the recorder; monotonic nanoseconds.

    Attributes:
        ended_ns: or when the next began, as the tool may answer one who has gone.
        plans: read plans, each of one request.
        is_killed: whether it ended without notice.
    """

    began_ns: int
    ended_ns: int
    plans: int
    is_killed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Answers that may be missing, since the scenario took them.

    Attributes:
        from_ns: from when on, monotonic.
        until_ns: up to when.
        exactly: how many must be missing, where the recorder's accounting says so.
        most: how many may be missing; None where `exactly` says it.
    """

    cause: str
    from_ns: int
    until_ns: int
    exactly: int | None = None
    most: int | None = None


@dataclass(kw_only=True, slots=True)
class Comparison:
    """The result.

    Attributes:
        sent: answers with values that the tool sent.
        stored: scans with values in the database.
        equal: pairs of them.
        duplicates: stored again though sent once.
        foreign: stored though never sent.
        lost: answers that are not stored, by cause.
        problems: what must not be, in words.
    """

    sent: int = 0
    stored: int = 0
    equal: int = 0
    duplicates: int = 0
    foreign: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def compare(
    sent: Iterable[SentScan],
    stored: Sequence[StoredScan],
    *,
    lives: Sequence[Life],
    explanations: Sequence[Explanation] = (),
) -> Comparison:
    """Pair every stored scan with an answer of the same values, and sort out what is left over.

    Values are the key, not time: the tool's clock and its noise make answers differ from each other, and a fault that
    moves clocks must not hide a loss. Of answers that are alike the nearest in time is taken.
    """
    result = Comparison()
    waiting: defaultdict[Content, list[SentScan]] = defaultdict(list)
    without_values: list[SentScan] = []
    for scan in sent:
        if scan.content is None:
            without_values.append(scan)
        else:
            result.sent += 1
            waiting[scan.content].append(scan)
    known = set(waiting)
    paired: list[SentScan] = []
    for found in stored:
        if not found.has_values:
            continue  # a slot that failed
        result.stored += 1
        alike = waiting[found.content]
        if alike:
            nearest = _nearest(alike, found.timestamp_us)
            alike.remove(nearest)
            paired.append(nearest)
        elif found.content in known:
            result.duplicates += 1
        else:
            result.foreign += 1
    result.equal = len(paired)
    left = [scan for scans in waiting.values() for scan in scans]
    _explain(result, sorted(left, key=lambda scan: scan.sent_ns), paired, lives, explanations)
    if result.duplicates:
        result.problems.append(f"{result.duplicates} scans are stored more often than they were sent")
    if result.foreign:
        result.problems.append(f"{result.foreign} scans are stored that the tool never sent like this")
    return result


def _nearest(scans: Sequence[SentScan], timestamp_us: int) -> SentScan:
    return min(scans, key=lambda scan: abs(scan.sent_us - timestamp_us))


def _explain(
    result: Comparison,
    left: Sequence[SentScan],
    paired: Sequence[SentScan],
    lives: Sequence[Life],
    explanations: Sequence[Explanation],
) -> None:
    causes = _Causes(left, paired, lives, explanations)
    unexplained = []
    for scan in left:
        cause = causes.of(scan)
        result.lost[cause] = result.lost.get(cause, 0) + 1
        if cause == UNEXPLAINED:
            unexplained.append(scan)
    if unexplained:
        told = _examples(unexplained, lives[0].began_ns)
        result.problems.append(f"{len(unexplained)} answers are missing without a cause: {told}")
    for explanation, count in zip(explanations, causes.taken, strict=True):
        found = f"{count} answers are missing ({explanation.cause})"
        if explanation.exactly is not None and count != explanation.exactly:
            result.problems.append(f"{found}, and the accounting says {explanation.exactly}")
        if explanation.most is not None and count > explanation.most:
            result.problems.append(f"{found}, {explanation.most} at most may be")


class _Causes:
    """Finds the cause of each missing answer; to be asked in the order in which they were sent.

    Attributes:
        taken: how many each explanation was given as the cause of.
    """

    def __init__(
        self,
        left: Sequence[SentScan],
        paired: Sequence[SentScan],
        lives: Sequence[Life],
        explanations: Sequence[Explanation],
    ) -> None:
        self._lives = lives
        self._explanations = explanations
        self.taken = [0] * len(explanations)
        self._of_life: dict[tuple[int, str], int] = {}
        self._firsts = [min((s.sent_ns for s in paired if _within(life, s)), default=life.ended_ns) for life in lives]
        self._lasts = _lasts(paired, lives)
        self._whole = _whole_blocks([*paired, *left])

    def of(self, scan: SentScan) -> str:
        """The cause of one."""
        if scan.is_altered:
            return ALTERED
        if scan.span[-1] < self._whole[scan.span[0]]:
            return PROBED
        for number, life in enumerate(self._lives):
            if _within(life, scan) and (cause := self._by_its_life(scan, number, life)):
                return cause
        for number, explanation in enumerate(self._explanations):
            if explanation.from_ns <= scan.sent_ns <= explanation.until_ns:
                self.taken[number] += 1
                return explanation.cause
        return UNEXPLAINED

    def _by_its_life(self, scan: SentScan, number: int, life: Life) -> str:
        """What comes of every start and every kill; empty where it was neither."""
        is_early = scan.sent_ns < self._firsts[number]
        if is_early and self._count(number, MEASURED, most=MEASURED_SCANS * life.plans):
            return MEASURED
        is_last = life.is_killed and scan.sent_ns > self._lasts.get((number, scan.span), life.began_ns)
        if is_last and self._count(number, IN_FLIGHT, most=life.plans):
            return IN_FLIGHT
        return ""

    def _count(self, number: int, cause: str, *, most: int) -> bool:
        """Count one more of a life, unless that would be too many."""
        count = self._of_life.get((number, cause), 0)
        if count >= most:
            return False
        self._of_life[number, cause] = count + 1
        return True


def _examples(scans: Sequence[SentScan], began_ns: int) -> str:
    told = []
    for scan in scans[:_TOLD]:
        unit, kind, address, count = scan.span
        told.append(f"unit {unit} {kind} {address}+{count} at {(scan.sent_ns - began_ns) / 1e9:.3f} s")
    return ", ".join([*told, *(["…"] if len(scans) > _TOLD else [])])


def _whole_blocks(scans: Sequence[SentScan]) -> dict[int, int]:
    """How many addresses the one block of each unit has; whatever asks for fewer is a probe."""
    whole: dict[int, int] = {}
    for scan in scans:
        unit, _, _, count = scan.span
        whole[unit] = max(whole.get(unit, 0), count)
    return whole


def _within(life: Life, scan: SentScan) -> bool:
    return life.began_ns <= scan.sent_ns <= life.ended_ns


def _lasts(paired: Sequence[SentScan], lives: Sequence[Life]) -> dict[tuple[int, object], int]:
    """When the last answer of each span was sent that is stored, in each life."""
    lasts: dict[tuple[int, object], int] = {}
    for scan in paired:
        for number, life in enumerate(lives):
            if _within(life, scan):
                key = (number, scan.span)
                lasts[key] = max(lasts.get(key, 0), scan.sent_ns)
    return lasts
