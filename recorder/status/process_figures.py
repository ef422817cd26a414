"""What this process takes of its machine, read only when somebody asks."""

import os
import sys
import time
from pathlib import Path
from typing import Any


def process_figures() -> dict[str, Any]:
    """Resident memory, CPU seconds since the start, and the memory of the machine; None where the system hides it."""
    return {
        "resident_bytes": _resident_bytes(),
        "cpu_s": time.process_time(),
        "machine_memory_bytes": _machine_memory_bytes(),
        "python": sys.version.split()[0],
    }


def _resident_bytes() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _machine_memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return None
