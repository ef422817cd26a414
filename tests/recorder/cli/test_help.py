"""Help and version: every command has them, and they fit a terminal of 80 columns."""

from importlib import metadata

import pytest

from tests.recorder.cli.command import Commands

COMMANDS = (
    *("", "demo", "run", "simulate", "status", "console", "definitions", "definitions import", "definitions list"),
    *("runs", "runs list", "runs show", "runs audit", "runs start", "runs stop", "runs note"),
    *(f"alarms{command}" for command in ("", " list", " acknowledge", " shelve", " unshelve")),
    *("database", "database migrate", "database url", "database serve"),
    *("database roles", "database health", "database maintain"),
    *(f"database quarantine{command}" for command in ("", " list", " retry", " export")),
)


@pytest.mark.parametrize("command", COMMANDS, ids=[command or "none" for command in COMMANDS])
def test_every_command_explains_itself_in_80_columns(commands: Commands, command: str) -> None:
    """Each begins with its usage and ends with 0."""
    said = commands.run(*command.split(), "--help")
    assert (said.status, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert lines[0].startswith(f"Usage: {' '.join(['ald-recorder', *command.split()])} ")
    assert max(map(len, lines)) <= 80


def test_the_version_is_that_of_the_package(commands: Commands) -> None:
    """One line, for a bug report."""
    said = commands.run("--version")
    assert (said.status, said.stdout) == (0, f"ald-recorder {metadata.version('ald-recorder')}\n")
