"""Tokens: made once, kept as hashes, refused as soon as they are revoked; by the command and by the store."""

import json
import os
from pathlib import Path

import pytest

from recorder.api.tokens import Identity, Role, Tokens
from recorder.errors import OutsideError, UsageError
from tests.recorder.cli.command import Commands


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    """The file never holds the token, and only its owner may read it."""
    tokens = Tokens(tmp_path / "data" / "tokens.json")
    secret = tokens.create("Ada", Role.OPERATOR)
    content = tokens.path.read_text()
    assert secret.startswith("ald_")
    assert len(secret) > 40
    assert secret not in content
    assert secret.removeprefix("ald_") not in content
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    assert tokens.identify(secret) == Identity(name="Ada", role=Role.OPERATOR)


@pytest.mark.parametrize("given", ["", "ald_", "Ada", "ald_" + "A" * 43, "é\udcff", "x" * 100_000])
def test_what_is_no_token_is_nobodys(tmp_path: Path, given: str) -> None:
    """Whatever it looks like."""
    tokens = Tokens(tmp_path / "tokens.json")
    assert tokens.identify(given) is None
    tokens.create("Ada", Role.OPERATOR)
    assert tokens.identify(given) is None


def test_a_running_api_sees_what_a_command_changes(tmp_path: Path) -> None:
    """Another process makes and revokes; whoever has the file open already knows at once."""
    path = tmp_path / "tokens.json"
    running, command = Tokens(path), Tokens(path)
    assert running.all() == ()
    first, second = command.create("Ada", Role.OPERATOR), command.create("Rex", Role.READER)
    assert running.identify(first) is not None
    assert running.identify(second) == Identity(name="Rex", role=Role.READER)
    command.revoke("Ada")
    assert running.identify(first) is None
    assert running.identify(second) is not None


def test_a_name_is_taken_once_and_may_be_used_again_after_it_is_revoked(tmp_path: Path) -> None:
    """Two people of one name would be one in the change log."""
    tokens = Tokens(tmp_path / "tokens.json")
    old = tokens.create("Ada", Role.READER)
    with pytest.raises(UsageError, match="there is a token 'Ada' already"):
        tokens.create("Ada", Role.OPERATOR)
    tokens.revoke("Ada")
    assert tokens.identify(tokens.create("Ada", Role.OPERATOR)) == Identity(name="Ada", role=Role.OPERATOR)
    assert tokens.identify(old) is None
    with pytest.raises(UsageError, match="there is no token 'Bob'; see ald-recorder token list"):
        tokens.revoke("Bob")


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\nb", "a/b", "<script>"])
def test_a_name_that_would_spoil_a_log_is_refused(tmp_path: Path, name: str) -> None:
    """Letters, digits, spaces and a few signs."""
    with pytest.raises(UsageError, match="is no name for a token"):
        Tokens(tmp_path / "tokens.json").create(name, Role.READER)


def test_a_file_that_others_may_read_is_not_trusted(tmp_path: Path) -> None:
    """Whoever can write it can make tokens; the line says what to do."""
    tokens = Tokens(tmp_path / "tokens.json")
    secret = tokens.create("Ada", Role.OPERATOR)
    tokens.path.chmod(0o640)
    with pytest.raises(OutsideError, match="others may read or change it; run: chmod 600"):
        tokens.identify(secret)


def test_rubbish_in_the_file_is_said_and_left_alone(tmp_path: Path) -> None:
    """Nobody has a token then, and nothing is overwritten."""
    path = tmp_path / "tokens.json"
    path.write_text("{")
    path.chmod(0o600)
    for act in (lambda: Tokens(path).identify("x"), lambda: Tokens(path).create("Ada", Role.READER)):
        with pytest.raises(OutsideError, match="not a file of tokens"):
            act()
    assert path.read_text() == "{"


def test_a_full_folder_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token is there or is not; half a file is never read."""
    tokens = Tokens(tmp_path / "tokens.json")
    secret = tokens.create("Ada", Role.OPERATOR)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutsideError, match="cannot be written: No space left"):
        tokens.create("Rex", Role.READER)
    assert tokens.identify(secret) is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokens.json", "tokens.json.lock"]


def test_the_command_shows_a_token_once(commands: Commands) -> None:
    """Create prints it alone, list never does, revoke ends it; all with --json too."""
    secret = commands.run("token", "create", "Ada").stdout.strip()
    told = json.loads(commands.run("token", "create", "Rex", "--role", "reader", "--json").stdout)
    listed = commands.run("token", "list").stdout
    assert (told["name"], told["role"]) == ("Rex", "reader")
    assert [row["role"] for row in json.loads(commands.run("token", "list", "--json").stdout)] == ["operator", "reader"]
    assert "Ada" in listed
    assert secret not in listed
    tokens = Tokens(commands.folder / "var" / "tokens.json")
    assert tokens.identify(secret) is not None
    assert commands.run("token", "revoke", "Ada").stdout == "token Ada is revoked\n"
    assert tokens.identify(secret) is None
    assert commands.refused("token", "revoke", "Ada", status=2) == (
        "error: there is no token 'Ada'; see ald-recorder token list"
    )
