"""What one pass over a plan returned."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scan:
    """The values of every parameter of one plan, read once; all arrays have shape ``(parameters,)``.

    Text (ASCII) parameters make no rows here: what they said is in ``texts``.

    Attributes:
        device: name of the device.
        parameter_ids: int32, in the order of the plan.
        monotonic_ns: int64, midpoint between request and response of the block that carried the value
            (of the attempt, where it failed).
        values: float64 engineering values; NaN exactly where ``quality`` is bad.
        set_values: float64, what the tool's own set-value register said in this scan; NaN where there is none.
        quality: int16, codes of `hal.quality.Quality`.
        texts: parameter id to text, for the ASCII parameters that were read.
        requests: requests sent.
        failed_blocks: how many blocks brought nothing.
        cause: where every block failed, the short cause of the first (`LinkError.cause`); else None.
        error: where a block failed, the first error in words; else None.
        started_ns: monotonic nanoseconds at the start of the scan.
        ended_ns: monotonic nanoseconds when the last answer was decoded.
        decode_ns: nanoseconds from words to values, within the time of the scan.
    """

    device: str
    parameter_ids: npt.NDArray[np.int32]
    monotonic_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    set_values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.int16]
    texts: Mapping[int, str] = field(default_factory=dict)
    requests: int
    failed_blocks: int
    cause: str | None
    error: str | None
    started_ns: int
    ended_ns: int
    decode_ns: int = 0
