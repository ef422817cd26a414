"""Noise that depends on the seed and on simulated time alone, so that no speed and no chunking changes a run."""

from functools import lru_cache
from typing import Final

import numpy as np

_BLOCK: Final = 256
"""Draws made at once: numpy's cost of a call is then shared by many steps."""


@lru_cache(maxsize=256)
def _block(seed: int, stream: int, block: int, width: int) -> tuple[tuple[float, ...], ...]:
    generator = np.random.default_rng([seed, stream, block])
    return tuple(tuple(row) for row in generator.standard_normal((_BLOCK, width)).tolist())


def normals(*, seed: int, stream: int, index: int, width: int) -> tuple[float, ...]:
    """Draw ``width`` independent standard normal numbers: the same ones for the same arguments, always.

    Args:
        seed: of the whole run, not negative.
        stream: which consumer draws; streams are independent of each other.
        index: the consumer's own step number, not negative.
        width: numbers a step; constant for a stream.
    """
    block, row = divmod(index, _BLOCK)
    return _block(seed, stream, block, width)[row]
