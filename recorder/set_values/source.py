"""Desired set-values as the database has them: each question is one query."""

from collections.abc import Mapping, Sequence
from typing import Any

from recorder.database import Database
from recorder.set_values.cache import SetValue


class DatabaseSetValues:
    """Asks for the set-values of one machine.

    Args:
        database: its pool; opened where it is not.
        machine: name of the machine.
    """

    def __init__(self, database: Database, *, machine: str) -> None:
        self._database = database
        self._machine = machine

    async def all(self) -> Sequence[SetValue]:
        """Those of all parameters in service.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        return await self._fetch("set_values_of_machine", self._machine)

    async def some(self, parameter_ids: Sequence[int]) -> Sequence[SetValue]:
        """Those of some parameters; one that is not in service is left out.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        return await self._fetch("set_values_by_id", list(parameter_ids))

    async def _fetch(self, query: str, argument: object) -> list[SetValue]:
        await self._database.ensure_open()
        async with self._database.session() as session:
            return [_set_value(row) for row in await session.fetch(query, argument)]


def _set_value(row: Mapping[str, Any]) -> SetValue:
    return SetValue(**row)
