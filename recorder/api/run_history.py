"""The history of one machine, from the database and from caches in front of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel

from recorder.api.cache import MIB, Answer, Cache
from recorder.api.errors import NotFoundError
from recorder.api.run_cursor import RunCursor
from recorder.api.run_documents import ParameterSummary, RunDocument, RunLine, RunPage, RunSummaries
from recorder.database import Database

LIST_S: Final = 300.0
"""How long a page of the list, or summaries, are given without asking again, unless a notice says otherwise."""
RUNNING_S: Final = 30.0
"""The same of what tells of a run that goes on, or was not audited yet: it changes without a notice."""
CLOSED_S: Final = 3600.0
"""The same of a run that has ended and was audited. It changes with a notice only; this is for what nobody foresaw."""
UNHEARD_S: Final = 30.0
"""How long anything is given while notices are not heard."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunQuestion:
    """Which page of which runs is asked for.

    Attributes:
        after: the last run of the page before.
        search: text in id or labels; capitals do not count.
        begun_from: earliest beginning.
        begun_before: of runs that began before this moment alone.
    """

    limit: int
    after: RunCursor
    kinds: tuple[str, ...]
    statuses: tuple[str, ...] | None
    recipe: str | None
    search: str | None
    begun_from: datetime
    begun_before: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RunHead:
    """That a run is there, and when it ran.

    Attributes:
        version: another one where its content has changed; None while it may change without a notice.
    """

    id: int
    started_at: datetime
    ended_at: datetime | None
    version: str | None


class RunHistory:
    """Pages, documents and summaries of the runs of one machine, as JSON.

    Attributes:
        is_heard: whether a change of a run would be heard of now; `recorder.api.run_listener` says.
    """

    def __init__(self, database: Database, machine: str) -> None:
        self._database = database
        self._machine = machine
        self.is_heard = False

        def longest_s() -> float:
            return CLOSED_S if self.is_heard else UNHEARD_S

        self._pages = Cache("run_list", most_entries=500, most_bytes=8 * MIB, longest_s=longest_s)
        self._runs = Cache("run", most_entries=200, most_bytes=16 * MIB, longest_s=longest_s)
        self._summaries = Cache("summaries", most_entries=200, most_bytes=16 * MIB, longest_s=longest_s)

    @property
    def caches(self) -> Sequence[Cache]:
        """All of them, for `/metrics`."""
        return (self._pages, self._runs, self._summaries)

    def hear(self, is_heard: bool) -> None:
        """Say whether a change would be heard of from now on; what was known until now nobody vouches for."""
        self.is_heard = is_heard
        self.forget()

    def forget(self, runs: Sequence[int] | None = None) -> None:
        """Drop what tells of some runs, or of all for None; a page may tell of any."""
        self._pages.drop()
        for cache in (self._runs, self._summaries):
            if runs is None:
                cache.drop()
            for run in runs or ():
                cache.drop(run)

    async def page(self, question: RunQuestion) -> Answer:
        """One page of the list.

        Raises:
            DatabaseError: the database cannot be asked.
        """

        async def make() -> Answer:
            rows = await self._fetch(
                "api_runs",
                self._machine,
                question.after.started_at,
                question.after.run,
                list(question.kinds),
                None if question.statuses is None else list(question.statuses),
                question.recipe,
                question.search,
                question.begun_from,
                question.begun_before,
                question.limit + 1,
            )
            runs = [RunLine(**row, href=f"/api/runs/{row['id']}") for row in rows[: question.limit]]
            is_more = len(rows) > question.limit
            last = RunCursor(started_at=runs[-1].started_at, run=runs[-1].id).encode() if is_more else None
            goes_on = any(run.ended_at is None for run in runs)
            return _answer(RunPage(runs=runs, next=last), RUNNING_S if goes_on else LIST_S)

        return await self._pages.get(question, make)

    async def document(self, run: int) -> Answer:
        """All about one run but its points.

        Raises:
            NotFoundError: this machine has no such run.
            DatabaseError: the database cannot be asked.
        """

        async def make() -> Answer:
            found = await self._fetch("api_run", run, self._machine)
            if not found or found[0]["document"] is None:
                raise self._no_such(run)
            summaries = await self._fetch("api_run_summaries", run, self._machine, False)
            notes = await self._fetch("run_notes", run)
            document = RunDocument.model_validate(
                {**json.loads(found[0]["document"]), "summaries": summaries, "notes": notes}
            )
            is_closed = document.ended_at is not None and document.audited_at is not None
            return _answer(document, CLOSED_S if is_closed else RUNNING_S)

        return await self._runs.get(run, make)

    async def summaries(self, run: int) -> Answer:
        """What each parameter did in a run, as a whole and by step.

        Raises:
            NotFoundError: this machine has no such run.
            DatabaseError: the database cannot be asked.
        """

        async def make() -> Answer:
            head = await self.head(run)
            rows = await self._fetch("api_run_summaries", run, self._machine, True)
            summaries = RunSummaries(run=run, summaries=[ParameterSummary(**row) for row in rows])
            return _answer(summaries, RUNNING_S if head.version is None else LIST_S)

        return await self._summaries.get(run, make)

    async def head(self, run: int) -> RunHead:
        """That a run is there, and when it ran; always asked for.

        Raises:
            NotFoundError: this machine has no such run.
            DatabaseError: the database cannot be asked.
        """
        found = await self._fetch("api_run_head", run, self._machine)
        if not found:
            raise self._no_such(run)
        head = found[0]
        is_closed = head["ended_at"] is not None and head["audited_at"] is not None
        return RunHead(
            id=run,
            started_at=head["started_at"],
            ended_at=head["ended_at"],
            version=f"{head['status']} {head['ended_at']} {head['audited_at']}" if is_closed else None,
        )

    def _no_such(self, run: int) -> NotFoundError:
        return NotFoundError(f"{self._machine} has no run {run}; /api/runs lists them")

    async def _fetch(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        # not Database.read, which may give an answer that was on its way before a change was told
        await self._database.ensure_open()
        async with self._database.session() as session:
            return await session.fetch(query, *arguments)


def _answer(document: BaseModel, ttl_s: float) -> Answer:
    return Answer(body=document.model_dump_json().encode(), ttl_s=ttl_s)
