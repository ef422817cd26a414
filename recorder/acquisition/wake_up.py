"""How fast an idle processor wakes: the kernel's promise, held for as long as the recorder runs.

A processor that has nothing to do falls asleep, and on many controllers and most virtual machines it takes milliseconds
to wake: more than the whole jitter that a grid of 100 Hz may have. Linux keeps a processor awake enough for whoever
asks: as long as a file is held open, no idle state is entered that takes longer to leave than what was written to it
(Documentation/power/pm_qos_interface.rst of the kernel, "From user space").
"""

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FILE: Final = Path("/dev/cpu_dma_latency")
_REQUEST: Final = struct.Struct("=i")


@contextmanager
def wake_up_within(microseconds: int | None, *, file: Path = FILE) -> Iterator[str | None]:
    """Ask the kernel for wake-ups within so many microseconds for as long as the block runs; None asks for nothing.

    Yields:
        Why it was not granted, in one line; None where it was, or nothing was asked.
    """
    if microseconds is None:
        yield None
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CLOEXEC)
    except OSError as error:
        yield _reason(file, error)
        return
    try:
        os.write(descriptor, _REQUEST.pack(microseconds))
        yield None
    finally:
        os.close(descriptor)


def _reason(file: Path, error: OSError) -> str:
    if not sys.platform.startswith("linux") or isinstance(error, FileNotFoundError):
        return f"cpu_wake_up_us: this system has no {file}; leave the setting out"
    return (
        f"cpu_wake_up_us: {file}: {error.strerror}; give the recorder's user the right to write it (docs/commission.md)"
    )
