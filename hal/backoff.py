"""How long to wait before the next attempt to connect."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hal.errors import DefinitionError

_MOST_STEPS: Final = 64  # a device may be away for years


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Exponential waiting with jitter, so that recorders cut off together do not come back together.

    Attributes:
        first_s: the longest first wait.
        longest_s: no wait is longer.
        factor: each wait may be so many times the one before.
        chance: returns a number in 0…1; a wait lies between half of its longest and its longest.

    Raises:
        DefinitionError: on waits that cannot be.
    """

    first_s: float = 0.1
    longest_s: float = 5.0
    factor: float = 2.0
    chance: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.longest_s:
            raise DefinitionError(f"a back-off from {self.first_s:g} s to {self.longest_s:g} s cannot be")
        if self.factor < 1:
            raise DefinitionError(f"a back-off factor of {self.factor:g} would make each wait shorter")

    def wait_s(self, failures: int) -> float:
        """Say how long to wait after so many failures in a row, counted from 1."""
        longest_s = self.first_s
        for _ in range(min(failures - 1, _MOST_STEPS)):
            longest_s = min(longest_s * self.factor, self.longest_s)
        return longest_s * (0.5 + 0.5 * self.chance())
