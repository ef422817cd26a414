"""How fast a spool fills and drains, over the last minute."""

from collections import deque
from typing import Final

_WINDOW_S: Final = 60.0
_BUCKET_S: Final = 2.0


class Rate:
    """Units a second over the last minute.

    Args:
        now_s: monotonic seconds at which the measurement begins.
    """

    def __init__(self, now_s: float) -> None:
        self._began_s = now_s
        self._buckets: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def add(self, units: float, now_s: float) -> None:
        """Count what came now."""
        self._drop(now_s)
        self._sum += units
        if self._buckets and now_s - self._buckets[-1][0] < _BUCKET_S:
            began_s, before = self._buckets.pop()
            self._buckets.append((began_s, before + units))
        else:
            self._buckets.append((now_s, units))

    def per_s(self, now_s: float) -> float:
        """Over the last minute, or as long as it is measured."""
        self._drop(now_s)
        return self._sum / max(_BUCKET_S, min(_WINDOW_S, now_s - self._began_s)) if self._buckets else 0.0

    def _drop(self, now_s: float) -> None:
        while self._buckets and self._buckets[0][0] <= now_s - _WINDOW_S:
            self._sum -= self._buckets.popleft()[1]
        if not self._buckets:
            self._sum = 0.0


class SpoolRates:
    """What comes into the spool and what leaves it.

    Args:
        now_s: monotonic seconds at which the measurement begins.
    """

    def __init__(self, now_s: float) -> None:
        self._bytes_in = Rate(now_s)
        self._entries_in = Rate(now_s)
        self._entries_out = Rate(now_s)

    def came(self, entries: int, file_bytes: int, now_s: float) -> None:
        """Entries were made durable."""
        self._entries_in.add(entries, now_s)
        self._bytes_in.add(file_bytes, now_s)

    def left(self, entries: int, now_s: float) -> None:
        """Entries were acknowledged."""
        self._entries_out.add(entries, now_s)

    def time_to_full_s(self, free_bytes: int, now_s: float) -> float | None:
        """How long there is room for what comes, if nothing leaves from now on; None where nothing comes."""
        rate = self._bytes_in.per_s(now_s)
        return max(0, free_bytes) / rate if rate > 0 else None

    def time_to_drain_s(self, waiting_entries: int, now_s: float) -> float | None:
        """How long until nothing waits, as fast as it went in the last minute; None where it does not get less."""
        if not waiting_entries:
            return 0.0
        rate = self._entries_out.per_s(now_s) - self._entries_in.per_s(now_s)
        return waiting_entries / rate if rate > 0 else None
