"""Pages of the run history and of a run's trends, for clients that have no way to the database of their own.

Each is one bounded statement on a connection of the pool that the writer does not need.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from recorder.database import Database
from recorder.errors import DatabaseUnreachableError
from recorder.status.requests import parse_request

MOST_RUNS: Final = 100
MOST_TRENDS: Final = 8
MOST_PARTS: Final = 500
DEADLINE_S: Final = 5.0
"""An operator does not wait longer, and the recorder lends its connection no longer."""


class RunsPageRequest(BaseModel):
    """Which runs are asked for.

    Attributes:
        until_us: runs begun later are left out, so that pages do not move while one scrolls; 0 for now.
    """

    offset: int = Field(default=0, ge=0, le=10_000_000)
    limit: int = Field(default=50, ge=1, le=MOST_RUNS)
    search: str = Field(default="", max_length=200)
    until_us: int = Field(default=0, ge=0, le=1 << 52)


class TrendRequest(BaseModel):
    """Which parameters of which run over which span, UTC microseconds."""

    run: int = Field(ge=0)
    ids: Annotated[list[int], Field(min_length=1, max_length=MOST_TRENDS)]
    from_us: int = Field(ge=0, le=1 << 52)
    to_us: int = Field(ge=0, le=1 << 52)
    parts: int = Field(default=200, ge=2, le=MOST_PARTS)


class RunPages:
    """Answers `runs_page` and `trend`.

    Args:
        machine: whose runs.
    """

    def __init__(self, database: Database, machine: str) -> None:
        self._database = database
        self.machine = machine
        self._one_at_a_time = asyncio.Semaphore(1)

    async def runs_page(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """One page, newest first, and how many there are.

        Raises:
            UsageError: the request cannot be understood.
            DatabaseError: the database cannot be asked.
        """
        asked = parse_request(RunsPageRequest, request)
        until = _moment(asked.until_us) if asked.until_us else datetime.now(UTC)
        # PostgreSQL's text has no NUL
        search = asked.search.replace("\0", "")
        page: list[Mapping[str, Any]] = await self.fetch(
            "console_runs_page", self.machine, until, search, asked.offset, asked.limit
        )
        counted = await self.fetch("console_runs_count", self.machine, until, search)
        return {
            "total": counted[0]["runs"],
            "offset": asked.offset,
            "until_us": _microseconds(until),
            "rows": [
                {
                    **row,
                    "started_at": _microseconds(row["started_at"]),
                    "ended_at": None if row["ended_at"] is None else _microseconds(row["ended_at"]),
                }
                for row in page
            ],
        }

    async def trend(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Lowest and highest value of each part of the span, for each parameter.

        Raises:
            UsageError: the request cannot be understood.
            DatabaseError: the database cannot be asked.
        """
        asked = parse_request(TrendRequest, request)
        span = (_moment(asked.from_us), _moment(max(asked.to_us, asked.from_us + 1000)))
        rows = await self.fetch("console_trend", asked.run, asked.ids, *span, asked.parts)
        series: dict[int, list[Any]] = {parameter_id: [] for parameter_id in asked.ids}
        for row in rows:
            series[row["parameter_id"]].append([row["part"], row["low"], row["high"]])
        return {"from_us": asked.from_us, "to_us": asked.to_us, "parts": asked.parts, "series": series}

    async def fetch(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        """Ask the database, within the deadline and one question at a time.

        Raises:
            DatabaseError: it cannot be asked, or does not answer in time.
        """
        try:
            # many consoles may ask, and the writer needs its connections
            async with asyncio.timeout(DEADLINE_S), self._one_at_a_time:
                await self._database.ensure_open()
                async with self._database.session() as session:
                    return await session.fetch(query, *arguments)
        except TimeoutError as error:
            raise DatabaseUnreachableError(
                f"{query}: the database did not answer within {DEADLINE_S:g} s; what is recorded waits in the spool"
            ) from error


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _microseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
