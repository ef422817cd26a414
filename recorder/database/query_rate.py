"""How many statements went to the database within the last minute: those of the set-values, and all others."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

OF_SET_VALUES: Final = frozenset({"set_values_of_machine", "set_values_by_id"})
_SPAN_S: Final = 60


class QueryRate:
    """Counts statements by the second, so that a minute at any rate takes the same memory.

    Args:
        monotonic_s: seconds that only grow.
    """

    def __init__(self, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._seconds: deque[list[int]] = deque()
        """Second, statements of set-values, others."""

    def add(self, name: str) -> None:
        """Count one statement, done or failed."""
        second = int(self._monotonic_s())
        if not self._seconds or self._seconds[-1][0] != second:
            self._forget(second)
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1 if name in OF_SET_VALUES else 2] += 1

    def picture(self) -> dict[str, Any]:
        """Statements of the last minute, by what they are for."""
        self._forget(int(self._monotonic_s()))
        set_values = sum(count for _, count, _ in self._seconds)
        others = sum(count for _, _, count in self._seconds)
        return {"all": set_values + others, "set_values": set_values, "other": others}

    def _forget(self, second: int) -> None:
        while self._seconds and self._seconds[0][0] <= second - _SPAN_S:
            self._seconds.popleft()
