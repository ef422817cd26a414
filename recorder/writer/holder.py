"""The process that writes for a recorder, as its sessions in PostgreSQL and the rows of its streams show it."""

import os
import socket
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

_MOST_OF_HOST: Final = 24
"""PostgreSQL cuts application names at 63 bytes, and the end is what tells two processes apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """One process of one recorder; two that run after each other on the same host differ in their token.

    Attributes:
        recorder: recorder number.
        host: name of the host.
        token: what no other process has.
        description: for people: process, host and when it began.
    """

    recorder: int
    host: str
    token: str
    description: str = field(compare=False)

    @classmethod
    def here(cls, recorder: int) -> Self:
        """This process, as the holder of a recorder number."""
        host, token = socket.gethostname(), uuid.uuid4().hex[:12]
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        return cls(
            recorder=recorder,
            host=host,
            token=token,
            description=f"process {os.getpid()} on host {host}, since {since} UTC ({token})",
        )

    @property
    def session_prefix(self) -> str:
        """What the application names of this recorder's processes on this host begin with, and no other's."""
        host = "".join(c if c.isascii() and c.isprintable() else "_" for c in self.host)[:_MOST_OF_HOST]
        return f"ald-recorder/{self.recorder}@{host}/"

    @property
    def application_name(self) -> str:
        """What PostgreSQL shows of the sessions of this process."""
        return self.session_prefix + self.token
