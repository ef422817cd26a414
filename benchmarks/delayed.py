"""The process of `benchmarks.delayed_server`, and float32 parameters that it answers."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hal.parameter import DataType, Parameter, RegisterKind


@contextmanager
def delayed_server(delay_ms: float) -> Iterator[int]:
    """Run the server for as long as the block runs; gives its port."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.delayed_server", str(delay_ms)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def floats(count: int, *, interval_ms: int = 100, first: int = 0) -> list[Parameter]:
    """Float32 parameters of neighbouring holding registers; each reads as its own number."""
    return [
        Parameter(
            parameter_id=number,
            name=f"bench/{number}",
            kind=RegisterKind.HOLDING_REGISTER,
            address=2 * number,
            data_type=DataType.FLOAT32,
            scan_interval_ms=interval_ms,
        )
        for number in range(first, first + count)
    ]
