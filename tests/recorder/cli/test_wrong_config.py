"""Faults of the configuration: the line names the file, the field and what to do."""

import pytest

from tests.recorder.cli.command import Commands


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (
            "[database]\nporl_min = 5\n",
            "config.toml: database.porl_min: there is no such field; see the annotated config.toml for all of them",
        ),
        ("[datbase]\n", "config.toml: datbase: there is no such field"),
        ("[database]\npool_min = 50\n", "config.toml: database: pool_min 50 is above pool_max 20; lower one or raise"),
        ('[recorder]\nnumber = "one"\n', "config.toml: recorder.number: Input should be a valid integer"),
        ("[devices.plc]\nport = 99999\n", "config.toml: devices.plc.port: Input should be less than or equal to 65535"),
        (
            '[devices."my plc"]\n',
            "config.toml: devices: 'my plc' is not a device name: use small letters, digits and _",
        ),
        ("[recorder\n", "config.toml: not TOML: Expected ']' at the end of a table declaration (at line 1, column 10)"),
        ("\xff", "config.toml: cannot be read: "),
    ],
)
def test_a_fault_of_the_file_is_one_line(commands: Commands, content: str, line: str) -> None:
    """File, line or field, and what was given there."""
    (commands.folder / "config.toml").write_bytes(content.encode("latin-1"))
    assert commands.refused("status", status=2).startswith(f"error: {line}")


def test_a_file_that_is_not_there_is_named(commands: Commands) -> None:
    """A path that was given must be there; without one the defaults will do."""
    said = commands.refused("status", "--config", "none.toml", status=2)
    assert said == "error: none.toml: no such file; copy config.toml and change it"


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("ALD_DATABASE__POOL_MIN", "x", "environment ALD_DATABASE__POOL_MIN: database.pool_min: Input should be"),
        ("ALD_DATABASE__POLL", "5", "environment ALD_DATABASE__POLL: database.poll: there is no such field"),
        ("ALD_DEVICES", "x", "environment ALD_DEVICES: cannot be understood"),
    ],
)
def test_a_fault_of_the_environment_names_the_variable(
    commands: Commands, variable: str, value: str, line: str
) -> None:
    """A user who looks into config.toml would not find it there."""
    (commands.folder / "config.toml").write_text("[database]\n", encoding="utf-8")
    commands.environment.setenv(variable, value)
    assert commands.refused("status", status=2).startswith(f"error: {line}")


def test_a_password_is_never_printed(commands: Commands) -> None:
    """A DSN that cannot be used is named by host and database alone."""
    for dsn in ("postgresql://me:s3cret@127.0.0.1:1/ald", "postgresql://me:s3cret@127.0.0.1:port/ald"):
        status = 3 if ":1/" in dsn else 2
        commands.environment.setenv("ALD_DATABASE__DSN", dsn)
        said = commands.refused("database", "migrate", status=status)
        assert "s3cret" not in said
