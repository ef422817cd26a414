"""What each block of a pass came to, and the rows made of it.

Apart from the device, so that what a failure does to values and quality is decided without a socket or a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from hal.errors import LinkError, NotConnectedError, RefusedError
from hal.link import Reading
from hal.plan import ReadPlan
from hal.quality import Quality

_OF_THE_ADDRESS: Final = frozenset({1, 2, 3})
"""Modbus exceptions that say that this cannot be read here; any other (busy, failure, gateway) may pass."""
_READ: Final = -1
"""Stands where a block was read, since no quality is negative."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A block that brought nothing.

    Attributes:
        at_ns: monotonic nanoseconds, the midpoint of the attempt.
        sent: whether a request was made for this very block.
    """

    error: LinkError
    at_ns: int
    sent: bool

    @property
    def quality(self) -> Quality:
        """The quality of every parameter of the block."""
        if isinstance(self.error, RefusedError) and self.error.exception_code in _OF_THE_ADDRESS:
            return Quality.REFUSED
        if isinstance(self.error, NotConnectedError):
            return Quality.NOT_CONNECTED
        return Quality.COMMUNICATION_FAILURE


Outcome = Reading | Failure


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """The arrays of a `hal.scan.Scan`, all of shape ``(rows,)``, and its texts."""

    monotonic_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    set_values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.int16]
    texts: dict[int, str]


def make_rows(plan: ReadPlan, outcomes: Sequence[Outcome], *, unread: Quality, unread_ns: int) -> Rows:
    """Decode what was read, and mark what was not.

    Args:
        plan: what was to be read.
        outcomes: one for each block of the plan, in its order.
        unread: quality of the parameters that the plan does not ask for.
        unread_ns: their time.
    """
    image = np.zeros(plan.block_starts[-1], np.uint16)
    # Index -1, where a parameter has no block, is the one behind the last block.
    at_ns = np.full(len(outcomes) + 1, unread_ns, np.int64)
    failed = np.full(len(outcomes) + 1, _READ, np.int16)
    failed[-1] = unread
    flushed = np.zeros(len(outcomes) + 1, np.bool_)
    for index, (start, outcome) in enumerate(zip(plan.block_starts, outcomes, strict=False)):
        if isinstance(outcome, Failure):
            failed[index] = outcome.quality
            at_ns[index] = outcome.at_ns
        else:
            image[start : start + len(outcome.data)] = outcome.data
            at_ns[index] = (outcome.requested_ns + outcome.responded_ns) // 2
            flushed[index] = outcome.is_after_flush
    decoded = plan.decoder.decode(image)
    texts = decoded.texts
    if flushed.any():
        decoded.quality[flushed[plan.row_blocks] & (decoded.quality == Quality.GOOD)] = Quality.UNCERTAIN
    if (failed[:-1] != _READ).any() or plan.leaves_out:
        row_failed = failed[plan.row_blocks]
        bad = row_failed != _READ
        decoded.quality[bad] = row_failed[bad]
        decoded.values[bad] = np.nan
        read_ids = {p.parameter_id for p, b in zip(plan.parameters, plan.block_of, strict=True) if failed[b] == _READ}
        texts = {parameter_id: text for parameter_id, text in texts.items() if parameter_id in read_ids}
    return Rows(
        monotonic_ns=at_ns[plan.row_blocks],
        values=decoded.values,
        # Row -1 stands for "no set-value", and is the NaN behind the last value.
        set_values=np.append(decoded.values, np.nan)[plan.set_value_rows],
        quality=decoded.quality,
        texts=texts,
    )
