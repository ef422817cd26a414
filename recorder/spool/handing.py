"""Which entries may be on their way to the database: only what never was may be merged with others.

The append thread sheds while the read thread or the event loop hands out. Whoever comes second does without: a shed
that finds a reading under way makes single tombstones, a reading that finds a shed under way waits in its own thread.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_QUIET_S: Final = 5.0
"""Nothing read for so long: the writer is away, and the file may say up to where it has read."""


class Handing:
    """How far entries were handed out, shared by the threads of one spool.

    Args:
        handed: sequence up to which they may have been; nothing above it was.
        is_marked: whether the file says so too.
    """

    def __init__(self, handed: int, *, is_marked: bool) -> None:
        self._lock = threading.Lock()
        self._handed = handed
        self._read_s = time.monotonic()
        self._sheds_begun = 0
        self._sheds_seen = 0
        self.is_marked = is_marked

    @contextmanager
    def handing(self, *, wait: bool) -> Iterator[bool]:
        """Hand out entries: the block must call `hand`. Gives whether it may, which is certain where it waits."""
        may = self._lock.acquire(blocking=wait)
        try:
            self._read_s = time.monotonic()
            yield may
        finally:
            if may:
                self._lock.release()

    def hand(self, sequence: int) -> None:
        """Everything up to here is handed out; within `handing`."""
        self._handed = max(self._handed, sequence)

    @property
    def is_memory_true(self) -> bool:
        """Whether what is in memory is what is in the file; in the event loop within `handing`."""
        return self._sheds_begun == self._sheds_seen

    @contextmanager
    def shedding(self) -> Iterator[int | None]:
        """Shed: gives the sequence above which may be merged, None where a reading is under way."""
        may = self._lock.acquire(blocking=False)
        try:
            self._sheds_begun += 1
            yield self._handed if may else None
        finally:
            if may:
                self._lock.release()

    @property
    def sheds_begun(self) -> int:
        """Sheds so far; in the append thread."""
        return self._sheds_begun

    def saw(self, sheds: int) -> bool:
        """In the event loop, whose memory the caller makes true: so many sheds are behind it. Whether any is new."""
        is_new = self._sheds_seen != sheds
        self._sheds_seen = sheds
        return is_new

    def mark(self) -> int | None:
        """The sequence that the file may keep as the one above which nothing was handed out; None while reading lasts.

        Once it did, `is_marked` must be taken back in the file before the next reading.
        """
        if not self._lock.acquire(blocking=False):
            return None
        try:
            if not self.is_marked and time.monotonic() - self._read_s < _QUIET_S:
                return None
            self.is_marked = True
            return self._handed
        finally:
            self._lock.release()

    def unmark(self) -> None:
        """The file says nothing any more."""
        with self._lock:
            self.is_marked = False
            self._read_s = time.monotonic()

    def claimed(self, watermark: int) -> None:
        """The database has everything up to here and nothing above it, and nothing is on its way."""
        with self._lock:
            self._handed = watermark

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Nobody reads for as long as the block lasts: the file is being replaced."""
        with self._lock:
            yield
