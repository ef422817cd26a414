"""Entry point: ``ald-recorder`` and ``python -m recorder``.

Only the wanted command is imported: with the libraries of the console and of the api each command, the daemon among
them, takes two and a half times the processor's time to start.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from itertools import chain
from typing import Final

from recorder.cli import app

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "alarms": ("alarms",),
    "api": ("api",),
    "bench": ("bench",),
    "check": ("check",),
    "console": ("console",),
    "database": ("database", "database_care", "quarantine"),
    "definitions": ("definitions",),
    "demo": ("demo",),
    "discover": ("discover",),
    "faults": ("faults",),
    "reload": ("reload",),
    "run": ("run",),
    "runs": ("runs", "recipe_statistics"),
    "service": ("service",),
    "set": ("set_values",),
    "simulate": ("simulate",),
    "status": ("status",),
    "token": ("token",),
}
"""The modules of `recorder.cli` in which each command registers itself."""


def register(command: str | None = None) -> None:
    """Make a command known to the command line; all of them where it is none of ours, for the help and the errors."""
    wanted = COMMANDS.get(command or "") or chain.from_iterable(COMMANDS.values())
    for module in wanted:
        import_module(f"recorder.cli.{module}")


def main() -> None:
    """Run the command line."""
    register(next((word for word in sys.argv[1:] if not word.startswith("-")), None))
    app.main()


if __name__ == "__main__":
    main()
