"""From parameters to the fewest requests that read them.

Pure, and worked out once for each change of definitions: one request a parameter cost the first recorder 250 to
570 ms a scan.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.codec import Decoder
from hal.errors import DefinitionError
from hal.link import Block
from hal.parameter import Parameter, RegisterKind

MOST_REGISTERS: Final = 125
"""Registers of one request: MODBUS Application Protocol Specification V1.1b3, sections 6.3 and 6.4."""
MOST_BITS: Final = 2_000
"""Bits of one request: the same, sections 6.1 and 6.2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanLimits:
    """How much one request may span, and how many unused addresses it may bridge.

    The default gaps are 32 bytes of answer. Where a request is dearest to save, on Ethernet, they cost 3 microseconds
    at 100 Mbit/s against 5 to 10 ms of a PLC; where a byte is dearest, at 9,600 baud, 37 ms against the 23 ms of
    another request's frame and silence and the 20 to 150 ms of a device. A wider gap would save the real tool nothing
    (6 requests at 16 and at 125 registers, 13 at 8) and would touch more addresses that a device may refuse.

    Attributes:
        max_registers: most registers of one request, 1…125.
        max_bits: most coils or discrete inputs of one request, 1…2,000.
        max_register_gap: most unused registers between two neighbours; 0 merges only what touches.
        max_bit_gap: most unused bits between two neighbours.

    Raises:
        DefinitionError: on a limit that no request can have.
    """

    max_registers: int = MOST_REGISTERS
    max_bits: int = MOST_BITS
    max_register_gap: int = 16
    max_bit_gap: int = 256

    def __post_init__(self) -> None:
        self._check("max_registers", self.max_registers, "max_register_gap", self.max_register_gap, MOST_REGISTERS)
        self._check("max_bits", self.max_bits, "max_bit_gap", self.max_bit_gap, MOST_BITS)

    @staticmethod
    def _check(span_name: str, span: int, gap_name: str, gap: int, most: int) -> None:
        if not 1 <= span <= most:
            raise DefinitionError(f"{span_name} is {span}, and one request reads 1…{most}")
        if not 0 <= gap <= span:
            raise DefinitionError(f"{gap_name} is {gap}, and must lie within 0…{span}, the {span_name} of one request")

    def span(self, kind: RegisterKind) -> int:
        """Most addresses of one request."""
        return self.max_bits if kind.is_bit else self.max_registers

    def gap(self, kind: RegisterKind) -> int:
        """Most unused addresses between two neighbours of one request."""
        return self.max_bit_gap if kind.is_bit else self.max_register_gap


DEFAULT_LIMITS: Final = PlanLimits()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadPlan:
    """Which blocks to read, and where in them each parameter lies. Made by `plan_reads`.

    A *row* is a parameter that makes a stored value, so every parameter but the ASCII ones; rows keep the order of
    ``parameters``. The *image* of a scan is one uint16 array of all blocks, one after the other.

    Attributes:
        parameters: everything that is read, in the order it was given.
        blocks: the requests, by kind and address.
        block_of: index in ``blocks``, for each parameter.
        offset_of: addresses from the start of that block, for each parameter.
        rows: the parameters that make rows.
        parameter_ids: int32, shape ``(rows,)``.
        row_blocks: index in ``blocks``, shape ``(rows,)``.
        set_value_rows: the row whose value is this row's set-value, else -1; shape ``(rows,)``.
        block_starts: index in the image of the first word of each block, and the length of the image behind it.
        decoder: decodes an image.
    """

    parameters: tuple[Parameter, ...]
    blocks: tuple[Block, ...]
    block_of: tuple[int, ...]
    offset_of: tuple[int, ...]
    rows: tuple[Parameter, ...] = field(init=False, repr=False, compare=False)
    parameter_ids: npt.NDArray[np.int32] = field(init=False, repr=False, compare=False)
    row_blocks: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    set_value_rows: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    block_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    decoder: Decoder = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = tuple(accumulate((block.count for block in self.blocks), initial=0))
        positions = [starts[block] + at for block, at in zip(self.block_of, self.offset_of, strict=True)]
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

    def explain(self) -> str:
        """Say in words what is read: one line of sums, then one line a block."""
        requests = f"{len(self.blocks)} request{'' if len(self.blocks) == 1 else 's'}"
        parameters = f"{len(self.parameters)} parameter{'' if len(self.parameters) == 1 else 's'}"
        return "\n".join([f"{parameters}: {requests}", *(self._explain_block(i) for i in range(len(self.blocks)))])

    def _explain_block(self, index: int) -> str:
        block = self.blocks[index]
        members = [i for i, own in enumerate(self.block_of) if own == index]
        used = {self.offset_of[i] + word for i in members for word in range(self.parameters[i].words)}
        unit = "bits" if block.kind.is_bit else "registers"
        return f"  {block}: {block.count} {unit}, {block.count - len(used)} of them unused, {len(members)} parameters"


def plan_reads(parameters: Sequence[Parameter], *, limits: PlanLimits = DEFAULT_LIMITS) -> ReadPlan:
    """Plan the reads of one device at one scan interval.

    Neighbours of one kind share a request as far as the limits go; no value is split over two; names that share an
    address are read once.

    Raises:
        DefinitionError: a parameter is longer than one request, or an id comes twice.
    """
    _check(parameters, limits)
    order = sorted(range(len(parameters)), key=lambda i: _place(parameters[i]))
    blocks: list[Block] = []
    block_of = [0] * len(parameters)
    for index in order:
        parameter = parameters[index]
        grown = _grown(blocks[-1], parameter, limits) if blocks else None
        if grown is None:
            blocks.append(Block(kind=parameter.kind, address=parameter.address, count=parameter.words))
        else:
            blocks[-1] = grown
        block_of[index] = len(blocks) - 1
    return ReadPlan(
        parameters=tuple(parameters),
        blocks=tuple(blocks),
        block_of=tuple(block_of),
        offset_of=tuple(p.address - blocks[b].address for p, b in zip(parameters, block_of, strict=True)),
    )


def plans_by_interval(parameters: Iterable[Parameter], *, limits: PlanLimits = DEFAULT_LIMITS) -> dict[int, ReadPlan]:
    """Plan the reads of one device: one plan for each scan interval, by milliseconds, the shortest first."""
    intervals: dict[int, list[Parameter]] = {}
    for parameter in parameters:
        intervals.setdefault(parameter.scan_interval_ms, []).append(parameter)
    return {interval_ms: plan_reads(intervals[interval_ms], limits=limits) for interval_ms in sorted(intervals)}


def _place(parameter: Parameter) -> tuple[int, int, int]:
    """Order by kind and address; of one address the longest first, so that the order given does not matter."""
    return parameter.kind.function_code, parameter.address, -parameter.words


def _check(parameters: Sequence[Parameter], limits: PlanLimits) -> None:
    names: dict[int, str] = {}
    for parameter in parameters:
        if parameter.parameter_id in names:
            first = names[parameter.parameter_id]
            raise DefinitionError(f"{parameter.name}: has the id {parameter.parameter_id} of {first}")
        names[parameter.parameter_id] = parameter.name
        span = limits.span(parameter.kind)
        if parameter.words > span:
            raise DefinitionError(f"{parameter.name}: its {parameter.words} words pass the {span} of one request")


def _grown(block: Block, parameter: Parameter, limits: PlanLimits) -> Block | None:
    """Grow the block over the parameter, which starts at or behind its start; None where it must not."""
    if parameter.kind is not block.kind:
        return None
    unused = parameter.address - (block.address + block.count)
    count = max(block.count, parameter.last_address - block.address + 1)
    if unused > limits.gap(block.kind) or count > limits.span(block.kind):
        return None
    return Block(kind=block.kind, address=block.address, count=count)
