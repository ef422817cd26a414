"""The machine that a table of figures holds for: without it no figure can be compared with another."""

import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_BLOCK: Final = bytes(4096)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What ran the benchmarks.

    Attributes:
        fsyncs_per_s: appends of 4 KiB, each followed by fdatasync, one after the other, in the folder of all data.
        load: load average of the last minute before the first benchmark.
    """

    cpu: str
    cores: int
    system: str
    python: str
    postgresql: str
    folder: str
    fsyncs_per_s: float
    load: float

    def lines(self) -> list[str]:
        """For people."""
        disk = f"{self.fsyncs_per_s:,.0f} fsync a second in {self.folder}"
        return [
            f"{self.cpu}, {self.cores} cores, {self.system}, load {self.load:.2f} before the start",
            f"Python {self.python}, PostgreSQL {self.postgresql} with fsync on, {disk}",
        ]


def look_at(folder: Path, *, postgresql: str, fsync_s: float) -> Machine:
    """Ask the system, and measure its disk for a moment."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        postgresql=postgresql,
        folder=str(folder),
        fsyncs_per_s=fsync_rate(folder, seconds=fsync_s),
        load=os.getloadavg()[0],
    )


def fsync_rate(folder: Path, *, seconds: float) -> float:
    """Durable appends of 4 KiB a second, one after the other."""
    path = folder / "fsync"
    sync = getattr(os, "fdatasync", os.fsync)
    with path.open("wb", buffering=0) as file:
        count, started = 0, time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            file.write(_BLOCK)
            sync(file.fileno())
            count += 1
    path.unlink()
    return count / passed


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.machine()
