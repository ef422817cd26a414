"""Audits runs as they end, in the daemon and on a connection of its own: nothing ever waits for it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog

from recorder.audit.audit import Audit, Verdict, audit, store
from recorder.audit.figures import Span
from recorder.database import Database, Session
from recorder.errors import DatabaseError
from recorder.spool.spool import Spool

POLL_S: Final = 1.0
SETTLE_S: Final = 10.0
"""How long the slots of a slow scan may come after the end of their run."""
POSTPONED_S: Final = 600.0
"""How long an audit that failed is left alone."""
_MOST_WAITING: Final = 50

log = structlog.get_logger()


@dataclass(kw_only=True, slots=True)
class _Waiting:
    """An ended run: when it was first seen, and what was spooled by then."""

    seen_s: float
    goal: int


class Auditor:
    """Audits every ended process of this recorder that has no verdict, idle ones too; run it as one task.

    Args:
        recorder: its number.
        spool: what was spooled when a run was first seen to have ended must be written before it is audited.
        monotonic_s: seconds of a monotonic clock.
    """

    def __init__(
        self,
        *,
        database: Database,
        spool: Spool,
        recorder: int,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._spool = spool
        self._recorder = recorder
        self._monotonic_s = monotonic_s
        self._waiting: dict[int, _Waiting] = {}
        self._postponed: dict[int, float] = {}
        self._told: str | None = None
        self.latest: dict[str, Any] | None = None
        self.failed = 0

    @property
    def picture(self) -> dict[str, Any]:
        """What status shows: the newest verdict since the start, and how many runs did not balance."""
        return {"latest": self.latest, "not_balanced": self.failed}

    async def run(self) -> None:
        """Audit until cancelled; whatever the database says, it is only told and tried again later."""
        while True:
            try:
                await self._database.ensure_open()
                async with self._database.session() as session:
                    waiting = await session.fetch("audit_waiting", self._recorder, _MOST_WAITING)
                self._told = None
            except DatabaseError as error:
                waiting = []
                if self._told != str(error):
                    self._told = str(error)
                    log.warning("audit_postponed", error=str(error))
            ids = {row["id"] for row in waiting}
            self._waiting = {run: seen for run, seen in self._waiting.items() if run in ids}
            for row in waiting:
                await self.look_at(row["id"], row["ended_at"])
            await asyncio.sleep(POLL_S)

    async def look_at(self, run: int, ended_at: datetime) -> Audit | None:
        """Audit one ended run if all of it is in the database; None where it must wait."""
        now_s = self._monotonic_s()
        seen = self._waiting.setdefault(run, _Waiting(seen_s=now_s, goal=self._spool.last_sequence))
        if self._postponed.get(run, 0.0) > now_s or self._spool.acknowledged < seen.goal:
            return None
        try:
            async with self._database.session() as session:
                if now_s - seen.seen_s < SETTLE_S and not await self._is_followed(session, run):
                    return None
                audited = await audit(session, run)
                await store(session, audited)
        except DatabaseError as error:
            self._postponed[run] = now_s + POSTPONED_S
            log.warning("audit_postponed", run=run, ended_at=ended_at.isoformat(), error=str(error))
            return None
        self._postponed.pop(run, None)
        self._tell(run, audited)
        return audited

    @staticmethod
    async def _is_followed(session: Session, run: int) -> bool:
        """Whether every device and interval of a run has slots in the process after it, so that none can come late."""
        head = await session.fetch_one("audit_head", run)
        if head is None or head["after_id"] is None:
            return False
        own, after = [
            {Span(**row).key for row in await session.fetch("audit_spans", process)}
            for process in (run, head["after_id"])
        ]
        return bool(own) and own <= after

    def _tell(self, run: int, audited: Audit) -> None:
        is_balanced = audited.verdict is Verdict.BALANCES
        self.failed += not is_balanced
        self.latest = {"run": run, "kind": audited.figures.head["kind"], "verdict": audited.line}
        level = log.info if is_balanced else log.error
        level("run_audited", run=run, verdict=audited.line, slots=audited.scheduled, rows=audited.figures.rows_stored)
