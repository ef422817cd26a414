"""A wall clock for one process alone, which a test may set: libfaketime, told by a file. The machine's stays as it is.

The monotonic clock stays the machine's, and so does the kernel's word on whether its clock is synchronised.
"""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


def library() -> Path:
    """The library for programs with threads; the test is skipped where there is none."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if found is None:
        pytest.skip("no libfaketime on this machine (on Debian 12: apt-get install libfaketime)")
    return found


class WallClock:
    """What a process that is given `environment` takes for the time of day.

    Args:
        folder: for the file that says how far it is from the machine's.
    """

    def __init__(self, folder: Path) -> None:
        self._library = library()
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "wall_clock"
        self.offset_s = 0.0
        self.set(0.0)

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables of the process."""
        return {
            "LD_PRELOAD": os.fspath(self._library),
            "FAKETIME_TIMESTAMP_FILE": os.fspath(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, offset_s: float, *, rate: float = 1.0) -> None:
        """Set it so far ahead of the machine's; `rate` is how many of its seconds pass in one, from its start on."""
        self.offset_s = offset_s
        written = self._file.with_suffix(".new")
        written.write_text(f"{offset_s:+.6f}{'' if rate == 1 else f' x{rate:g}'}\n", encoding="ascii")
        written.replace(self._file)

    def set_to_before_midnight(self, seconds: float) -> datetime:
        """Set it so many seconds before the next UTC midnight by the machine's clock, and return that midnight."""
        now = datetime.now(UTC)
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        self.set((midnight - now).total_seconds() - seconds)
        return midnight

    def now_us(self) -> int:
        """What it shows, where its rate is 1: UTC microseconds since 1970."""
        return time.time_ns() // 1000 + round(self.offset_s * 1e6)
