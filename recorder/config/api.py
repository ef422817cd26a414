"""How `config.toml` says where the api listens, whom it answers, and how much at most."""

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from pydantic import Field, SecretStr, model_validator

from recorder.config.section import Seconds, Section
from recorder.errors import ConfigurationError

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")


class ApiConfig(Section):
    """`ald-recorder api`: a process of its own, reached by HTTP."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen at. Elsewhere than on loopback every request needs a token, and TLS must be on."""
    port: int = Field(default=8020, ge=0, le=65_535)
    """TCP port; 0 takes a free one."""
    tls_certificate: Path | None = None
    """PEM file of the certificate, with those between it and its authority; with it, HTTPS is served."""
    tls_key: Path | None = None
    """PEM file of its private key, without a pass phrase."""
    allow_plain_http: bool = False
    """Whether to listen elsewhere than on loopback without TLS, where tokens can be read on the way."""
    allowed_hosts: tuple[str, ...] = ()
    """Names under which the api is asked for, without port, beside the address it listens at and those of loopback."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may use the api from a browser, each as ``https://grafana.example:3000``."""
    tokens: Path | None = None
    """File of the tokens, relative to the configuration file; by default tokens.json in the data directory."""
    dsn: SecretStr = SecretStr("")
    """DSN of a role that only reads, for the history; empty takes that of [database]."""
    pool_max: int = Field(default=5, ge=1, le=50)
    """Connections to the database, at most."""
    statement_timeout_s: Seconds = 30
    """Longest run of one statement."""
    max_connections: int = Field(default=2000, ge=10, le=50_000)
    """Connections of clients at one time; one more is answered 503 and closed."""
    max_requests: int = Field(default=250, ge=1, le=10_000)
    """Requests under way at one time, streams apart; one more is answered 429."""
    max_streams: int = Field(default=1200, ge=0, le=20_000)
    """Clients of /api/stream at one time; one more is answered 429."""
    stream_interval_s: Seconds = 0.25
    """Shortest pause between two pictures to one client; what changes meanwhile is told together."""
    heartbeat_s: Seconds = 2.0
    """Longest silence on a stream: where nothing changes, it says that the values are still live."""
    max_body_bytes: int = Field(default=65_536, ge=1024, le=16_777_216)
    """Size of a request's body, in bytes; a larger one is answered 413."""
    client_timeout_s: Seconds = 20.0
    """How long a client may take to send its request, or to take in a part of the answer, before it is let go."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def require_safe(self) -> None:
        """Refuse to listen where tokens could be read on the way.

        Asked where the api starts, and not where the file is read: the recorder itself must start all the same.

        Raises:
            ConfigurationError: it is not loopback, without TLS, and nobody asked for that by name.
        """
        if not (self.is_loopback or self.is_tls or self.allow_plain_http):
            raise ConfigurationError(
                f"api.host: {self.host} is not loopback, and without TLS tokens can be read on the way: "
                "name tls_certificate and tls_key, or say allow_plain_http = true"
            )

    @property
    def is_tls(self) -> bool:
        """Whether it serves HTTPS."""
        return self.tls_certificate is not None

    @property
    def hosts(self) -> frozenset[str]:
        """All names under which it may be asked for, in small letters."""
        return frozenset(name.lower() for name in (*LOOPBACK_NAMES, self.host, *self.allowed_hosts))

    def placed(self, place: Callable[[Path], Path]) -> Self:
        """The same with its files where `place` says that they are."""
        files = {name: getattr(self, name) for name in ("tls_certificate", "tls_key", "tokens")}
        return self.model_copy(update={name: place(path) for name, path in files.items() if path is not None})

    @model_validator(mode="after")
    def _certificate_has_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: name both or neither")
        return self
