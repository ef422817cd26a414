"""Where a start gets its definitions: from the database, else from the last good copy, else it waits."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final

import structlog

from recorder.control import serve
from recorder.database import single_session
from recorder.definitions.definitions import DefinitionSet, load_definitions, load_last_good, save_last_good
from recorder.errors import DatabaseError, DefinitionsError

DATABASE_WAIT_S: Final = 3.0
"""How long a start waits for the database before it takes the last good definitions."""
_RETRY_S: Final = 2.0

log = structlog.get_logger()


class DefinitionSource:
    """Obtains the definitions of one machine.

    Args:
        dsn: of the database.
        prepared_statements: false where that is a pooler in transaction mode.
        is_bulk: false loads each component by a query of its own.
        last_good: file of the last good copy.
        socket: control socket, on which `status` answers while there is nothing to record yet.

    Attributes:
        used: where the definitions came from; empty before.
    """

    def __init__(
        self,
        *,
        machine: str,
        dsn: str,
        schema: str,
        last_good: Path,
        socket: Path,
        prepared_statements: bool = True,
        is_bulk: bool = True,
    ) -> None:
        self._machine = machine
        self._dsn = dsn
        self._prepared_statements = prepared_statements
        self._is_bulk = is_bulk
        self._schema = schema
        self._last_good = last_good
        self._socket = socket
        self._reason = ""
        self.used = ""

    async def obtain(self, stop: asyncio.Event) -> DefinitionSet | None:
        """The definitions, as soon as there are any; None when asked to stop meanwhile."""
        async with AsyncExitStack() as stack:
            while not stop.is_set():
                found = await self._try()
                if found is not None:
                    return found
                if not self.used:
                    self.used = "none yet"
                    await stack.enter_async_context(serve(self._socket, {"status": self._status}))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_RETRY_S):
                        await stop.wait()
        return None

    async def load(self) -> DefinitionSet:
        """The definitions of the database, and of nowhere else; in whatever event loop this is called.

        Raises:
            DatabaseError: it is away.
            DefinitionsError: it has none, or none that can be used.
        """
        try:
            async with (
                asyncio.timeout(DATABASE_WAIT_S),
                single_session(self._dsn, self._schema, prepared_statements=self._prepared_statements) as session,
            ):
                return await load_definitions(session, self._machine, is_bulk=self._is_bulk)
        except TimeoutError as error:
            raise DatabaseError(f"the database did not answer within {DATABASE_WAIT_S:g} s") from error

    def keep(self, definitions: DefinitionSet) -> None:
        """Let the next start find these where the database is away."""
        self.used = "database"
        save_last_good(definitions, self._last_good)

    async def _try(self) -> DefinitionSet | None:
        try:
            loaded = await self.load()
        except (DatabaseError, DefinitionsError) as error:
            reason = str(error)
        else:
            self.keep(loaded)
            return loaded
        kept = load_last_good(self._last_good, self._machine)
        if kept is not None:
            log.warning("definitions_from_last_good_copy", file=str(self._last_good), reason=reason)
            self.used = "last good copy"
        elif reason != self._reason:
            log.warning("waiting_for_definitions", reason=reason)
        self._reason = reason
        return kept

    async def _status(self, _request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "state": "waiting for definitions",
            "pid": os.getpid(),
            "machine": self._machine,
            "reason": self._reason,
            "process": None,
        }
