"""The tokens of the api: who may read, who may change something, and under which name.

A token is 256 random bits, so what is kept is its plain SHA-256: a slow hash protects what people choose and others can
guess, and here it would only let strangers keep the processor busy. The file is read anew when it has changed, so that
a token that was revoked is refused at once.
"""

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from recorder.errors import OutsideError, UsageError

PREFIX: Final = "ald_"
"""So that scanners of source code know one that was left there."""
_MODE: Final = 0o600
_OTHERS: Final = 0o077
_VERSION: Final = 1
_Stamp = tuple[int, int, int]


class Role(StrEnum):
    """What a token is good for."""

    READER = "reader"
    """Sees everything and changes nothing."""
    OPERATOR = "operator"
    """Also starts and stops runs, writes notes, acknowledges alarms and asks for set-values."""


TokenName = Annotated[str, StringConstraints(pattern=r"^\w[\w .@+-]{0,63}$")]


class Token(BaseModel):
    """A token as it is kept: its hash, and whose it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: TokenName
    role: Role
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created_at: datetime


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Who asks."""

    name: str
    role: Role


class Tokens:
    """The file of tokens.

    Args:
        path: it is made by the first token.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: _Stamp | None = None
        self._known: tuple[Token, ...] = ()

    def all(self) -> tuple[Token, ...]:
        """All tokens, in the order in which they were made.

        Raises:
            OutsideError: the file cannot be read or understood, or others may read it.
        """
        try:
            with self.path.open(encoding="utf-8") as file:
                state = os.fstat(file.fileno())
                stamp = (state.st_ino, state.st_mtime_ns, state.st_size)
                if state.st_mode & _OTHERS:
                    raise OutsideError(f"{self.path}: others may read or change it; run: chmod 600 {self.path}")
                if stamp != self._stamp:
                    self._known = _Content.model_validate_json(file.read()).tokens
                    self._stamp = stamp
        except FileNotFoundError:
            self._stamp, self._known = None, ()
        except (ValidationError, UnicodeDecodeError) as error:
            raise OutsideError(f"{self.path}: not a file of tokens; move it away and make them anew") from error
        except OSError as error:
            raise OutsideError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        return self._known

    def identify(self, given: str) -> Identity | None:
        """Whose token this is; None where it is nobody's. Takes the same time for any.

        Raises:
            OutsideError: the file cannot be read or understood, or others may read it.
        """
        digest = _digest(given)
        found = None
        for token in self.all():
            if hmac.compare_digest(token.sha256, digest):
                found = Identity(name=token.name, role=token.role)
        return found

    def create(self, name: str, role: Role) -> str:
        """Make a token and return it: nobody can tell it afterwards.

        Raises:
            UsageError: the name is taken, or none.
            OutsideError: the file cannot be read or written.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        with self._alone():
            tokens = self.all()
            if any(token.name == name for token in tokens):
                raise UsageError(f"there is a token {name!r} already; revoke it first, or choose another name")
            try:
                token = Token(name=name, role=role, sha256=_digest(secret), created_at=datetime.now(UTC))
            except ValidationError as error:
                raise UsageError(
                    f"{name!r} is no name for a token: up to 64 letters, digits, spaces and . @ + - _"
                ) from error
            self._keep((*tokens, token))
        return secret

    def revoke(self, name: str) -> None:
        """Let a token be good for nothing, from now on.

        Raises:
            UsageError: there is none of this name.
            OutsideError: the file cannot be read or written.
        """
        with self._alone():
            tokens = self.all()
            left = tuple(token for token in tokens if token.name != name)
            if len(left) == len(tokens):
                raise UsageError(f"there is no token {name!r}; see ald-recorder token list")
            self._keep(left)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two commands at the same time take turns."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.path.with_name(f"{self.path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise OutsideError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _keep(self, tokens: tuple[Token, ...]) -> None:
        content = _Content(version=_VERSION, tokens=tokens).model_dump(mode="json")
        folder = self.path.parent
        try:
            # made with mode 600, and in place of the old file at once: nobody reads half of it
            handle, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(content, file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                if self.path.exists():
                    # made by root for the recorder's own user, it stays that user's
                    owner = self.path.stat()
                    os.chown(name, owner.st_uid, owner.st_gid)
                elif os.geteuid() == 0:
                    owner = folder.stat()
                    os.chown(name, owner.st_uid, owner.st_gid)
                Path(name).replace(self.path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise OutsideError(f"{self.path}: cannot be written: {error.strerror or error}") from error


def plain(token: Token) -> dict[str, str]:
    """A token as a list shows it: without its hash."""
    return {"name": token.name, "role": token.role, "created_at": token.created_at.isoformat()}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
