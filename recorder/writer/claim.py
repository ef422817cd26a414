"""Taking a stream: who holds it, the end of stale sessions, the next epoch, and where the database stands."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from recorder.database import Session
from recorder.errors import RecorderClaimedError, StreamFencedError
from recorder.writer.holder import Holder

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a claim brought.

    Attributes:
        watermark: the last entry of the stream that the database has.
    """

    epoch: int
    watermark: int


class Claimant:
    """Claims streams for one process of a recorder.

    Args:
        machine: name of the machine, for the claim of the number.
    """

    def __init__(self, holder: Holder, machine: str) -> None:
        self._holder = holder
        self._machine = machine
        self._sessions: set[int] = set()
        """Backends by which this process has claimed, or tried to, since the last claim that was had."""
        self.epoch = 0

    async def prepare(self, session: Session) -> None:
        """Ask for the number, and end whatever stale session could hold what a claim has to lock.

        Raises:
            RecorderClaimedError: the number is another machine's.
            StreamFencedError: another process of this recorder took a newer epoch than ours.
        """
        held = await self._look(session)
        if held["machine"] is not None and (held["machine"], held["host"]) != (self._machine, self._holder.host):
            raise self._claimed(held["machine"], held["host"])
        if self.epoch and (held["epoch"] or 0) > self.epoch and held["holder"] != self._holder.description:
            raise StreamFencedError(
                f"recorder {self._holder.recorder} was fenced off: epoch {held['epoch']} is held by "
                f"{_named(held['holder'])}, this is epoch {self.epoch}"
            )
        await self._end_stale(session, self._sessions - {held["backend"]})
        self._sessions.add(held["backend"])
        claim = await session.fetch_one("claim_recorder", self._holder.recorder, self._machine, self._holder.host)
        assert claim is not None
        if not claim["is_claimed"]:
            raise self._claimed(claim["holder_machine"], claim["holder_host"])

    async def take(self, session: Session, stream_id: UUID) -> Claim:
        """Take the next epoch for a stream, which fences off whoever had it; call it in a transaction.

        A transaction of the stream that is still in flight is waited for.

        Raises:
            StreamFencedError: as for `prepare`.
        """
        row = await session.fetch_one(
            "claim_stream", stream_id, self._holder.recorder, self._holder.description, self.epoch
        )
        assert row is not None
        return Claim(epoch=row["epoch"], watermark=row["last_sequence"])

    async def holder_now(self, session: Session) -> str:
        """Who has the newest epoch of this recorder, for a message."""
        return _named((await self._look(session))["holder"])

    async def _look(self, session: Session) -> Mapping[str, Any]:
        held = await session.fetch_one("look_at_recorder", self._holder.recorder)
        assert held is not None
        return held

    async def _end_stale(self, session: Session, own: Collection[int]) -> None:
        holder = self._holder
        row = await session.fetch_one("end_stale_sessions", holder.session_prefix, holder.application_name, list(own))
        assert row is not None
        if row["ended"]:
            log.warning("stale_sessions_ended", sessions=row["ended"])

    def taken(self, claim: Claim) -> None:
        """The claim is committed: go on with its epoch."""
        self.epoch = claim.epoch

    def _claimed(self, machine: str, host: str) -> RecorderClaimedError:
        return RecorderClaimedError(
            f"recorder number {self._holder.recorder} belongs to machine {machine!r} "
            f"on host {host}; give this one another [recorder] number; spooling goes on"
        )


def _named(holder: str | None) -> str:
    return holder or "a process of an older release"
