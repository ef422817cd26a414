"""A DSN in words that show nothing of its password."""

from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from recorder.errors import ConfigurationError

_FILES: Final = ("sslrootcert", "sslcert", "sslkey")


def describe_dsn(dsn: str) -> str:
    """Name a database for an error message: host, port and database, never the password."""
    try:
        parts = urlsplit(dsn)
        if "@" in parts.path:
            return "the configured DSN"  # a password with a slash that is not percent-encoded ends up here
        query = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
        host = parts.hostname or unquote(query.get("host", "the local socket"))
        port = parts.port or query.get("port", "5432")
    except ValueError:
        return "the configured DSN"
    database = parts.path.lstrip("/") or parts.username or "postgres"
    return f"database {database} at {host}:{port}"


def wrong_dsn(error: Exception) -> ConfigurationError:
    """Say that a DSN cannot be parsed; what exactly is left out, since it may quote a part of the password."""
    reason = "its scheme is not postgresql" if "scheme" in str(error) else "it cannot be understood"
    return ConfigurationError(
        f"[database] dsn: {reason}; expected postgresql://user:password@host/name, special characters of the password "
        "percent-encoded"
    )


def check_files(dsn: str) -> None:
    """See that the files that a DSN names are there: what connects says only that some file is not.

    Raises:
        ConfigurationError: naming the first that is not.
    """
    try:
        query = parse_qs(urlsplit(dsn).query)
    except ValueError:
        return  # whoever connects says so
    for name in _FILES:
        for path in query.get(name, ()):
            if not Path(path).expanduser().is_file():
                raise ConfigurationError(f"[database] dsn: {name}: {path}: no such file; give the path of a PEM file")
