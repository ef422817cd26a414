"""A few MiB beside the spool that are given back when the disk is full, so that the spool can still forget.

SQLite needs room in its log to delete: on a disk that the spool itself has filled, nothing could ever leave it.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 4 * 1024 * 1024
"""Twice what the log of the largest spool grows to before it is brought into the file."""
_LEAST_BYTES: Final = 256 * 1024
"""Less than this helps nothing: the index of the log alone takes 32 KiB, a shed some 300."""
_SPOOL_SHARE: Final = 8
_FREE_SHARE: Final = 4
"""Only this part of what the disk has left becomes the reserve; the rest is for what is being recorded."""
_FULL_CODES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_FULL_BYTES: Final = 64 * 1024
"""With less than this left a disk that refuses to be written is taken for a full one, whatever it says."""


class Reserve:
    """A file that holds nothing but space.

    Args:
        spool: the file that it lies beside, named alike.
        max_bytes: of the spool; a small one needs little.
    """

    def __init__(self, spool: Path, *, max_bytes: int) -> None:
        self.path = spool.with_suffix(".reserve")
        self._wanted_bytes = min(MOST_BYTES, max(_LEAST_BYTES, max_bytes // _SPOOL_SHARE))
        self._given_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What it holds; 0 where there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def make(self) -> bool:
        """Take the reserve, where the disk has room for several of it; whether there is one now.

        One that was given back is made again when there is more room than that alone can have brought.
        """
        if self.size_bytes:
            return True
        try:
            free = self._free_bytes()
            size = min(self._wanted_bytes, free // _FREE_SHARE)
            if size < _LEAST_BYTES or free < 2 * self._given_bytes:
                return False
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _allocate(file, size)
            except OSError:
                self.path.unlink()
                return False
            finally:
                os.close(file)
        except OSError:
            return False
        self._given_bytes = 0
        return True

    def give_back(self) -> int:
        """Give the space back to the disk; returns how many bytes that were."""
        size = self.size_bytes
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            return 0
        self._given_bytes = max(self._given_bytes, size)
        return size

    def is_needed(self, error: BaseException | None) -> bool:
        """Whether this error says that the disk is full."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return True
        # the file of the log's index, which SQLite cannot make or let grow, says so in other words
        return code in _FULL_CODES and self._free_bytes() < _FULL_BYTES

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize


def _allocate(file: int, size: int) -> None:
    """Have the disk set aside so many bytes: zeros that are not written would be a promise only."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS
        for _ in range(size // _LEAST_BYTES):
            os.write(file, bytes(_LEAST_BYTES))
