"""Wrong arguments and what is not there: one line that says what, where and what to do, and no trace."""

import socket

import pytest

from tests.recorder.cli.command import Commands


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "ald-recorder: No such command 'nonsense'; see ald-recorder --help"),
        (["runs", "nonsense"], "ald-recorder runs: No such command 'nonsense'; see ald-recorder runs --help"),
        (["status", "--nope"], "ald-recorder status: No such option: --nope; see ald-recorder status --help"),
        (["runs", "show"], "ald-recorder runs show: Missing argument 'run'; see ald-recorder runs show --help"),
        (["definitions", "import"], "definitions import: give one of FILE, --device NAME and --from-database DSN"),
        (["runs", "show", "abc"], "Invalid value for 'run'"),
        (["runs", "show", "-1"], "ald-recorder runs show: No such option: -1"),
        (["runs", "show", "9" * 20], "Invalid value for 'run'"),
        (["simulate", "--speed", "1000"], "Invalid value for '--speed'"),
        (["simulate", "--port", "70000"], "Invalid value for '--port'"),
        (["simulate", "--cycles", "0"], "Invalid value for '--cycles'"),
        (["demo", "--speed", "fast"], "Invalid value for '--speed'"),
        (
            ["definitions", "list"],
            "error: database.dsn is empty: set it in config.toml or as ALD_DATABASE__DSN, for example postgres",
        ),
        (["database", "migrate"], "error: database.dsn is empty"),
        (["runs", "list"], "error: database.dsn is empty"),
        (["run"], "error: database.dsn is empty"),
    ],
)
def test_a_wrong_argument_is_one_line_with_status_2(commands: Commands, arguments: list[str], line: str) -> None:
    """It names the command and the argument, and says where help is."""
    said = commands.refused(*arguments, status=2)
    assert line in said
    assert said.startswith("error: ") or said.endswith("--help")
    assert list(commands.folder.iterdir()) == []


@pytest.mark.parametrize("command", [["status"], ["runs", "start"], ["runs", "stop"]], ids=" ".join)
def test_a_command_to_a_recorder_that_does_not_run_says_how_to_start_it(commands: Commands, command: list[str]) -> None:
    """It names the socket where nobody answers."""
    said = commands.refused(*command, status=3)
    assert said.startswith(f"error: no recorder answers at {commands.folder}/var/control.sock")
    assert said.endswith("start it: ald-recorder run")
    assert list(commands.folder.iterdir()) == []


def test_a_port_in_use_is_named(commands: Commands) -> None:
    """The simulated tool says which port, and what else can be done."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = commands.refused("simulate", "--port", port, status=3, apart=True)
    assert said.startswith(f"error: cannot serve on 127.0.0.1:{port}: ")
    assert said.endswith("choose another port, or 0 for any free one")


@pytest.mark.parametrize(
    "group", [[], ["runs"], ["definitions"], ["database"]], ids=["none", "runs", "definitions", "database"]
)
def test_a_group_without_a_command_shows_its_help(commands: Commands, group: list[str]) -> None:
    """What can be done is shown line by line, with the status of wrong use."""
    said = commands.run(*group)
    assert (said.status, said.stdout) == (2, "")
    assert said.stderr == commands.run(*group, "--help").stdout


def test_verbose_shows_the_trace_before_the_line(commands: Commands) -> None:
    """Without it nobody has to read a trace; with it a developer can."""
    said = commands.run("--verbose", "status")
    assert said.status == 3
    assert said.stderr.startswith("Traceback")
    assert said.stderr.splitlines()[-1].startswith("error: no recorder answers at ")


def test_the_demo_has_no_database_before_it_ran(commands: Commands) -> None:
    """Looking into it starts no server and makes no folder."""
    folder = commands.folder / "demo"
    commands.environment.setenv("ALD_DEMO_DIRECTORY", str(folder))
    said = commands.refused("runs", "list", "--demo", status=3)
    assert said == f"error: {folder}/demo: there is no demo database yet; make one: ald-recorder demo"
    assert not folder.exists()
