"""The recorder with a wall clock of its own, which the fault lab steps: OFFSET_FILE ARGUMENT...

The machine's clock is never set, and libfaketime is not used here: it also shifts the time-outs of condition variables,
and an interpreter with threads then stands still after a step back. So the clock is exchanged where the recorder asks
for it, before anything of the recorder is imported.
"""

import runpy
import sys
import time
from pathlib import Path
from typing import Final

_SECOND_NS: Final = 1_000_000_000


def main() -> None:
    """Exchange the wall clock, then be ``ald-recorder``."""
    file = Path(sys.argv.pop(1))
    true_ns = time.time_ns

    def stepped_ns() -> int:
        return true_ns() + round(float(file.read_text(encoding="ascii")) * _SECOND_NS)

    time.time_ns = stepped_ns
    time.time = lambda: stepped_ns() / _SECOND_NS

    runpy.run_module("recorder", run_name="__main__")


if __name__ == "__main__":
    main()
