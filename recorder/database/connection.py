"""Connections as the recorder opens them, alone or in the pool."""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress

import asyncpg

from recorder.database.dsn import check_files, wrong_dsn
from recorder.database.translation import FOREIGN_ERRORS, translate


async def connect_once(
    dsn: str,
    *,
    schema: str | None = None,
    application_name: str = "ald-recorder",
    timeout_s: float = 10,
    prepared_statements: bool = True,
) -> asyncpg.Connection:
    """Open one connection outside the pool, for migrations and commands.

    Args:
        dsn: of the server, or of a pooler.
        schema: looked at by what is run, unless the server keeps no settings: see `recorder.database.session`.
        application_name: as the server shows the connection.
        timeout_s: longest wait for it.
        prepared_statements: false behind a pooler in transaction mode.

    Raises:
        ConfigurationError: the DSN cannot be parsed.
        DatabaseError: no connection; the message names host, port and database.
    """
    check_files(dsn)
    settings = {"application_name": application_name}
    if schema is not None and prepared_statements:
        settings["search_path"] = quote_identifier(schema)
    try:
        return await asyncpg.connect(
            dsn,
            timeout=timeout_s,
            server_settings=settings,
            connection_class=Connection,
            statement_cache_size=cache_size(prepared_statements=prepared_statements),
        )
    except ssl.SSLError as error:  # one of a certificate is a ValueError too, and says nothing of the DSN
        raise translate(error, operation="connect", dsn=dsn) from error
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise wrong_dsn(error) from error
    except FOREIGN_ERRORS as error:
        raise translate(error, operation="connect", dsn=dsn) from error


def cache_size(*, prepared_statements: bool) -> int:
    """Statements that a connection keeps prepared."""
    return 200 if prepared_statements else 0


def quote_identifier(name: str) -> str:
    """Quote a name for use as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Connection(asyncpg.Connection):
    """What asyncpg can do but does not offer."""

    def get_reset_query(self) -> str:
        """What goes to the server as a connection is released to the pool: nothing.

        It would cost each use of the pool a round trip. Nothing that a `Session` runs outlives its transaction, which a
        test holds; a transaction that was left open is rolled back all the same.
        """
        return ""

    @property
    def wire(self) -> socket.socket:
        """What the connection goes over."""
        found: socket.socket = self._transport.get_extra_info("socket")  # type: ignore[attr-defined]
        return found

    async def warm(self, texts: Iterable[str]) -> None:
        """Put statements into the cache before anyone asks for them.

        `Connection.prepare` makes statements that end with the next release to the pool; the cache stays. What an older
        schema does not know is left out: whoever asks it is told, and nobody else.
        """
        for text in texts:
            with suppress(asyncpg.SyntaxOrAccessError):
                await self._prepare(text, use_cache=True)  # type: ignore[attr-defined]

    async def query_and_copy(self, text: str, payload: bytearray) -> None:
        """Send statements without parameters, of which the last is a COPY, and its payload, all at once."""
        await self._copy_in(text, payload, None)  # type: ignore[attr-defined]
