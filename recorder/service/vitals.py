"""Whether the recorder does what it is there for: slots are begun, and what they brought reaches the disk.

Whether a device or the database is there does not count: a restart would not bring them back, and recording goes on.
"""

import asyncio
import errno
import sqlite3
import time
from collections.abc import Callable

from recorder.errors import SpoolError

_INTERVALS = 2
"""Scan intervals that may pass without a slot before patience begins: one is due, one may be skipped."""


class Vitals:
    """Sees slots begin and appends end; asked by whoever feeds a watchdog.

    Args:
        monotonic_ns: a clock.

    Attributes:
        recorded: set as soon as the first slot begins.
    """

    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._intervals_ns: dict[str, int] = {}
        self._begun_ns: dict[str, int] = {}
        self._appended_ns = 0
        self.recorded = asyncio.Event()

    def expect(self, key: str, interval_ms: int) -> None:
        """From now on slots of a device and interval are due."""
        self._intervals_ns[key] = interval_ms * 1_000_000
        self._begun_ns[key] = self._monotonic_ns()
        if len(self._intervals_ns) == 1:
            self._appended_ns = self._monotonic_ns()

    def forget(self, key: str) -> None:
        """No slots of it are due any more."""
        self._intervals_ns.pop(key, None)
        self._begun_ns.pop(key, None)

    def slot_began(self, key: str) -> None:
        """A slot of it begins."""
        self._begun_ns[key] = self._monotonic_ns()
        self.recorded.set()

    def appended(self) -> None:
        """The spool took what a slot brought."""
        self._appended_ns = self._monotonic_ns()

    def refused(self, error: SpoolError) -> None:
        """The spool did not take it; a full disk is no reason for a restart, which would only lose the counts."""
        if is_disk_full(error.__cause__):
            self._appended_ns = self._monotonic_ns()

    def trouble(self, *, patience_s: float) -> str | None:
        """Why a restart would do it good; None where it records.

        Args:
            patience_s: how much longer than its scan interval something may take.
        """
        if not self._intervals_ns:
            return None
        now_ns, patience_ns = self._monotonic_ns(), round(patience_s * 1e9)
        for key, interval_ns in self._intervals_ns.items():
            since_ns = now_ns - self._begun_ns[key]
            if since_ns > _INTERVALS * interval_ns + patience_ns:
                return f"no slot of {key} for {since_ns / 1e9:.1f} s"
        since_ns = now_ns - self._appended_ns
        if since_ns > _INTERVALS * min(self._intervals_ns.values()) + patience_ns:
            return f"nothing could be appended to the spool for {since_ns / 1e9:.1f} s"
        return None


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an append was refused because there was no room."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_FULL
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
