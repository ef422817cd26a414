"""Entry point: ``ald-recorder`` and ``python -m recorder``."""

from recorder.cli import database, definitions, demo, faults, run, runs, simulate, status  # noqa: F401  (they register)
from recorder.cli.app import main

if __name__ == "__main__":
    main()
