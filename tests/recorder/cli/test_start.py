"""What a command imports: a recorder that starts after a power cut waits for no library of the console."""

import os
import subprocess
import sys

import pytest
import typer

from recorder.__main__ import COMMANDS, register
from recorder.cli.app import WATCHER_NICENESS, app
from tests.system.plant import environment

IMPORTED = """
import sys
from recorder.__main__ import main
try:
    main()
finally:
    heavy = {"textual", "textual_serve", "aiohttp", "fastapi", "uvicorn", "matplotlib", "pyarrow"}
    print(*sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_every_command_that_there_is_can_be_wanted_by_its_name() -> None:
    """What registers itself, and what is asked for, have the same names."""
    register()
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    assert set(group.commands) == set(COMMANDS)


@pytest.mark.parametrize("command", ["run", "simulate", "runs", "status", "definitions"])
def test_a_command_imports_no_library_of_another(command: str) -> None:
    """Neither the terminal's nor the web's: they take longer to import than all the rest."""
    said = subprocess.run(
        [sys.executable, "-c", IMPORTED, "--verbose", command, "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.startswith(f"Usage: ald-recorder {command} ")
    assert said.stderr.strip() == ""


def test_who_only_watches_leaves_the_processor_to_the_recorder() -> None:
    """The console yields, and not twice where its service yields already; the recorder itself does not."""
    script = "import os; from recorder.cli.app import yield_to_recorder as y; y(); y(); print(os.nice(0))"
    for given in (0, 9):
        said = subprocess.run(
            ["nice", "-n", str(given), sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        assert int(said.stdout) == max(WATCHER_NICENESS, os.nice(0) + given)
