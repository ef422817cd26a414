"""Bisection of the blocks that a device refused in one scan, until the bad address stands alone.

Pure: it says what to ask next and is told what came of it. Every answer is data of the scan, so a device with one bad
address among 125 loses no other value, not even in the scan that finds it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hal.errors import RefusedError
from hal.link import Block
from hal.outcome import Failure, Outcome
from hal.parameter import Parameter
from hal.plan import ReadPlan

_OF_THE_ADDRESS: Final = frozenset({2, 3})
"""Modbus exceptions that another address or count may escape: illegal data address, illegal data value."""


def is_refused(outcome: Outcome) -> bool:
    """Whether a device refused these addresses (rather than was busy, away or does not know the function)."""
    return (
        isinstance(outcome, Failure)
        and isinstance(outcome.error, RefusedError)
        and outcome.error.exception_code in _OF_THE_ADDRESS
    )


@dataclass(kw_only=True, slots=True, eq=False)
class Piece:
    """Neighbouring parameters that one request reads.

    Attributes:
        clusters: indices of parameters; those of one cluster overlap, so no request parts them.
        outcome: what came of the request; of a piece not asked for yet, of the request that held it.
        is_asked: whether a request was made for this very piece.
    """

    block: Block
    clusters: tuple[tuple[int, ...], ...]
    outcome: Outcome
    is_asked: bool = True

    @property
    def last(self) -> int:
        """Last address."""
        return self.block.address + self.block.count - 1


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parting:
    """A refused request and its two halves."""

    whole: Piece
    left: Piece
    right: Piece


class Inquiry:
    """Parts refused blocks.

    Args:
        plan: what was read.
        outcomes: what came of it, one for each block.
    """

    def __init__(self, plan: ReadPlan, outcomes: Sequence[Outcome]) -> None:
        self._plan = plan
        members: list[list[int]] = [[] for _ in plan.blocks]
        for index, block in enumerate(plan.block_of):
            if block >= 0:
                members[block].append(index)
        self._pieces = [
            Piece(block=block, clusters=_clusters(plan.parameters, own), outcome=outcome)
            for block, own, outcome in zip(plan.blocks, members, outcomes, strict=True)
        ]
        self._partings: list[Parting] = []
        self._waiting: deque[Piece] = deque()

    def next_block(self) -> Block | None:
        """The next request to make; None where each refused piece is as small as can be."""
        if not self._waiting:
            found = next((p for p in self._pieces if len(p.clusters) > 1 and is_refused(p.outcome)), None)
            if found is None:
                return None
            self._part(found)
        return self._waiting[0].block

    @property
    def is_between_halves(self) -> bool:
        """Whether one half was read and its other was not."""
        return len(self._waiting) == 1

    def take(self, outcome: Outcome) -> None:
        """Take in what the request for `next_block` brought."""
        piece = self._waiting.popleft()
        piece.outcome, piece.is_asked = outcome, True

    def _part(self, whole: Piece) -> None:
        half = len(whole.clusters) // 2
        left, right = self._half(whole, whole.clusters[:half]), self._half(whole, whole.clusters[half:])
        at = self._pieces.index(whole)
        self._pieces[at : at + 1] = [left, right]
        self._waiting += [left, right]
        self._partings.append(Parting(whole=whole, left=left, right=right))

    def _half(self, whole: Piece, clusters: tuple[tuple[int, ...], ...]) -> Piece:
        members = [self._plan.parameters[index] for cluster in clusters for index in cluster]
        first, last = min(p.address for p in members), max(p.last_address for p in members)
        block = Block(kind=whole.block.kind, address=first, count=last - first + 1)
        return Piece(block=block, clusters=clusters, outcome=whole.outcome, is_asked=False)

    @property
    def under_search(self) -> list[Block]:
        """The pieces that do not stand alone yet, or were not asked for."""
        return [p.block for p in self._pieces if not p.is_asked or (len(p.clusters) > 1 and is_refused(p.outcome))]

    @property
    def bad(self) -> list[Block]:
        """The refused pieces that stand alone."""
        return [p.block for p in self._pieces if p.is_asked and len(p.clusters) == 1 and is_refused(p.outcome)]

    @property
    def clean_partings(self) -> list[Parting]:
        """Refused requests of which both halves could be read: what lies between them is not to be read."""
        return [
            parting
            for parting in self._partings
            if not isinstance(parting.left.outcome, Failure)
            and not isinstance(parting.right.outcome, Failure)
            and parting.left.is_asked
            and parting.right.is_asked
        ]

    def result(self) -> tuple[ReadPlan, list[Outcome]]:
        """The plan as it was really read, and what came of each of its blocks."""
        if not self._partings:
            return self._plan, [piece.outcome for piece in self._pieces]
        plan = self._plan
        block_of = [-1] * len(plan.parameters)
        for number, piece in enumerate(self._pieces):
            for cluster in piece.clusters:
                for index in cluster:
                    block_of[index] = number
        parted = ReadPlan(
            parameters=plan.parameters,
            blocks=tuple(piece.block for piece in self._pieces),
            block_of=tuple(block_of),
            offset_of=tuple(
                0 if b < 0 else p.address - self._pieces[b].block.address
                for p, b in zip(plan.parameters, block_of, strict=True)
            ),
            limits=plan.limits,
            warnings=plan.warnings,
        )
        return parted, [piece.outcome for piece in self._pieces]


def _clusters(parameters: Sequence[Parameter], members: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Neighbours in order of address, those together that overlap."""
    clusters: list[list[int]] = []
    last = -1
    for index in sorted(members, key=lambda i: (parameters[i].address, -parameters[i].words)):
        if clusters and parameters[index].address <= last:
            clusters[-1].append(index)
        else:
            clusters.append([index])
        last = max(last, parameters[index].last_address)
    return tuple(tuple(cluster) for cluster in clusters)
