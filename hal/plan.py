"""From parameters to the fewest requests that read them.

Pure, and worked out once for each change of definitions: one request a parameter cost the first recorder 250 to
570 ms a scan.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from hal.codec import Decoder
from hal.errors import DefinitionError
from hal.limits import DEFAULT_LIMITS, PlanLimits
from hal.link import Block
from hal.packing import PlanWarning, pack
from hal.parameter import Parameter

__all__ = ["PlanLimits", "ReadPlan", "plan_reads", "plans_by_interval"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPlan:
    """Which blocks to read, and where in them each parameter lies. Made by `plan_reads`.

    A *row* is a parameter that makes a stored value, so every parameter but the ASCII ones; rows keep the order of
    ``parameters``. The *image* of a scan is one uint16 array of all blocks, one after the other.

    Attributes:
        parameters: everything that is read, in the order it was given.
        blocks: the requests, by kind and address.
        block_of: index in ``blocks``, for each parameter; -1 where it must not be read.
        offset_of: addresses from the start of that block, for each parameter; 0 where it is not read.
        limits: what the plan was made within.
        warnings: what it could not do.
        rows: the parameters that make rows.
        parameter_ids: int32, shape ``(rows,)``.
        row_blocks: index in ``blocks``, -1 for a row that is not read; shape ``(rows,)``.
        set_value_rows: the row whose value is this row's set-value, else -1; shape ``(rows,)``.
        block_starts: index in the image of the first word of each block, and then the length of the image.
        decoder: decodes an image.
    """

    parameters: tuple[Parameter, ...]
    blocks: tuple[Block, ...]
    block_of: tuple[int, ...]
    offset_of: tuple[int, ...]
    limits: PlanLimits = DEFAULT_LIMITS
    warnings: tuple[PlanWarning, ...] = ()
    rows: tuple[Parameter, ...] = field(init=False, repr=False, compare=False)
    parameter_ids: npt.NDArray[np.int32] = field(init=False, repr=False, compare=False)
    row_blocks: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    set_value_rows: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    block_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    decoder: Decoder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = tuple(accumulate((block.count for block in self.blocks), initial=0))
        # What is not read decodes the zeros behind the last block; its rows are then marked bad.
        unread = max((p.words for p, block in zip(self.parameters, self.block_of, strict=True) if block < 0), default=0)
        positions = [
            starts[-1] if block < 0 else starts[block] + at
            for block, at in zip(self.block_of, self.offset_of, strict=True)
        ]
        starts = (*starts[:-1], starts[-1] + unread)
        decoder = Decoder(self.parameters, positions, starts[-1])
        block_of_id = {p.parameter_id: block for p, block in zip(self.parameters, self.block_of, strict=True)}
        row_of_id = {p.parameter_id: row for row, p in enumerate(decoder.rows)}
        set_value_ids = [p.set_value_parameter_id for p in decoder.rows]
        derived: dict[str, object] = {
            "rows": decoder.rows,
            "parameter_ids": np.array([p.parameter_id for p in decoder.rows], np.int32),
            "row_blocks": np.array([block_of_id[p.parameter_id] for p in decoder.rows], np.intp),
            "set_value_rows": np.array([-1 if i is None else row_of_id.get(i, -1) for i in set_value_ids], np.intp),
            "block_starts": starts,
            "decoder": decoder,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    @property
    def leaves_out(self) -> bool:
        """Whether some parameter is not read."""
        return -1 in self.block_of

    def explain(self) -> str:
        """Say in words what is read: one line of sums, then one line a block."""
        requests = f"{len(self.blocks)} request{'' if len(self.blocks) == 1 else 's'}"
        parameters = f"{len(self.parameters)} parameter{'' if len(self.parameters) == 1 else 's'}"
        blocks = [self._explain_block(i) for i in range(len(self.blocks))]
        return "\n".join([f"{parameters}: {requests}", *blocks, *(f"  {w.code}: {w.message}" for w in self.warnings)])

    def _explain_block(self, index: int) -> str:
        block = self.blocks[index]
        members = [i for i, own in enumerate(self.block_of) if own == index]
        used = {self.offset_of[i] + word for i in members for word in range(self.parameters[i].words)}
        unit = "bits" if block.kind.is_bit else "registers"
        return f"  {block}: {block.count} {unit}, {block.count - len(used)} of them unused, {len(members)} parameters"


def plan_reads(parameters: Sequence[Parameter], *, limits: PlanLimits = DEFAULT_LIMITS) -> ReadPlan:
    """Plan the reads of one device at one scan interval.

    Neighbours of one kind share a request as far as the limits go; no value is split over two; names that share an
    address are read once. Parameters of one `Parameter.coherence_group`, and a value and its set-value, come in one
    request too; where the limits part them, or forbid a parameter, `ReadPlan.warnings` says so.

    Raises:
        DefinitionError: a parameter is longer than one request, or an id comes twice.
    """
    _check_ids(parameters)
    packing = pack(parameters, limits)
    return ReadPlan(
        parameters=tuple(parameters),
        blocks=packing.blocks,
        block_of=packing.block_of,
        offset_of=tuple(
            0 if b < 0 else p.address - packing.blocks[b].address
            for p, b in zip(parameters, packing.block_of, strict=True)
        ),
        limits=limits,
        warnings=packing.warnings,
    )


def plans_by_interval(parameters: Iterable[Parameter], *, limits: PlanLimits = DEFAULT_LIMITS) -> dict[int, ReadPlan]:
    """Plan the reads of one device: one plan for each scan interval, by milliseconds, the shortest first."""
    intervals: dict[int, list[Parameter]] = {}
    for parameter in parameters:
        intervals.setdefault(parameter.scan_interval_ms, []).append(parameter)
    return {interval_ms: plan_reads(intervals[interval_ms], limits=limits) for interval_ms in sorted(intervals)}


def _check_ids(parameters: Sequence[Parameter]) -> None:
    names: dict[int, str] = {}
    for parameter in parameters:
        if parameter.parameter_id in names:
            first = names[parameter.parameter_id]
            raise DefinitionError(f"{parameter.name}: has the id {parameter.parameter_id} of {first}")
        names[parameter.parameter_id] = parameter.name
