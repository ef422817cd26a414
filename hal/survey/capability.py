"""How much one request may read, and whether input and holding registers are one memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hal.errors import RefusedError
from hal.limits import DEFAULT_LIMITS, PlanLimits
from hal.link import Block
from hal.parameter import RegisterKind
from hal.survey.reader import BlockReader, attempt


@dataclass(frozen=True, kw_only=True, slots=True)
class LargestBlock:
    """The longest request that a device answered.

    Attributes:
        count: its addresses; 0 where none was answered.
        address: its first address.
        exception_code: how the device refused a longer one; None where it took the longest that the limits allow.
    """

    kind: RegisterKind
    count: int
    address: int
    exception_code: int | None


async def largest_block(
    reader: BlockReader, kind: RegisterKind, starts: Sequence[int], *, limits: PlanLimits = DEFAULT_LIMITS
) -> LargestBlock:
    """Find the longest request that a device takes, by halving.

    Args:
        reader: makes the requests.
        kind: what to read.
        starts: first addresses to try, each known to be readable; the longest of all counts.
        limits: longest request to try, and what must not be asked for.

    Raises:
        LinkError: the device gave no answer at all.
    """
    best = LargestBlock(kind=kind, count=0, address=starts[0] if starts else 0, exception_code=None)
    for start in starts:
        high = min(limits.span(kind), 65_536 - start)
        code = await _refusal(reader, Block(kind=kind, address=start, count=high), limits)
        if code is None:
            return LargestBlock(kind=kind, count=high, address=start, exception_code=None)
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            refused = await _refusal(reader, Block(kind=kind, address=start, count=middle), limits)
            low, high = (middle, high) if refused is None else (low, middle)
        if low > best.count or best.exception_code is None:
            best = LargestBlock(kind=kind, count=low, address=start, exception_code=code)
    return best


async def _refusal(reader: BlockReader, block: Block, limits: PlanLimits) -> int | None:
    """The exception code with which a block is refused; None where it is read, 0 where it is forbidden to ask."""
    if limits.forbidden_within(block.kind, block.address, block.address + block.count - 1) is not None:
        return 0
    try:
        await reader.read(block)
    except RefusedError as error:
        return error.exception_code
    return None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageComparison:
    """Whether input and holding registers hold the same.

    Attributes:
        compared: addresses that both kinds answered and that stood still meanwhile.
        not_zero: how many of them held something: zeros prove nothing.
        differing: addresses at which they differ.
        refused: addresses that one of the two kinds refuses.
    """

    compared: int
    not_zero: int
    differing: tuple[int, ...]
    refused: int

    @property
    def agree(self) -> bool | None:
        """Whether they are one memory; None where nothing shows it."""
        if self.differing or self.refused:
            return False
        return True if self.not_zero else None


async def compare_images(
    reader: BlockReader, blocks: Iterable[Block], *, limits: PlanLimits = DEFAULT_LIMITS
) -> ImageComparison:
    """Read blocks as input registers, as holding registers and as input registers again.

    What moved between the two input readings is left out, as it proves nothing.

    Raises:
        LinkError: the device gave no answer at all.
    """
    compared = not_zero = refused = 0
    differing: list[int] = []
    for place in sorted({(block.address, block.count) for block in blocks if not block.kind.is_bit}):
        readings = [
            await attempt(reader, Block(kind=kind, address=place[0], count=place[1]), limits=limits)
            for kind in (RegisterKind.INPUT_REGISTER, RegisterKind.HOLDING_REGISTER, RegisterKind.INPUT_REGISTER)
        ]
        before, other, after = (None if reading is None else reading.data for reading in readings)
        if before is None or other is None or after is None:
            refused += place[1]
            continue
        still = before == after
        compared += int(still.sum())
        not_zero += int((still & (before != 0) & (other != 0)).sum())
        differing += (place[0] + np.flatnonzero(still & (before != other))).tolist()
    return ImageComparison(compared=compared, not_zero=not_zero, differing=tuple(differing), refused=refused)
