"""Where spool and database disagree about what was committed: one of them was put back from an older copy.

Which of the two it was is told by what the spool keeps: what the database once confirmed, and the last number that the
file had as it was opened. It is recorded in the database, with the range, in the transaction of the claim.
"""

from collections.abc import Mapping
from uuid import UUID, uuid4

import structlog

from recorder.clock.clock import Clock
from recorder.database import Session
from recorder.database.jsonb import to_json
from recorder.spool.spool import Spool
from recorder.writer.claim import Claim, Claimant

log = structlog.get_logger()


class Doubt:
    """Resolves it, for the writer of one spool."""

    def __init__(self, *, recorder: int, spool: Spool, claimant: Claimant, clock: Clock) -> None:
        self._recorder = recorder
        self._spool = spool
        self._claimant = claimant
        self._clock = clock

    async def database_restored(self, session: Session, stream_id: UUID, claim: Claim, watermark: int) -> int:
        """The database is older than what it once confirmed: send again what the file still has, and say what is lost.

        Args:
            session: in the transaction of the claim.
            stream_id: the stream that is claimed.
            claim: of that stream.
            watermark: the last entry that the database has.

        Returns:
            From where to go on.
        """
        confirmed = self._spool.acknowledged
        kept_after = await self._spool.take_back(watermark)
        detail = {
            "stream_id": str(stream_id),
            "lost_after_sequence": watermark,
            "lost_to_sequence": kept_after,
            "confirmed_to_sequence": confirmed,
        }
        await session.execute("rebase_stream", stream_id, claim.epoch, kept_after)
        await self._tell(session, "database_restored", detail)
        return kept_after

    async def spool_put_back(self, session: Session, stream_id: UUID, *, database_to: int, file_to: int) -> UUID:
        """The spool is older than what the database has of it: its new entries bear numbers that are taken.

        Args:
            session: in the transaction of the claim.
            stream_id: the stream that is claimed.
            database_to: the last entry that the database has of it.
            file_to: the last that the file had as it was opened; the database has it too.

        Returns:
            The stream as which the new entries go on; the database knows that it begins behind `file_to`.
        """
        successor = uuid4()
        claim = await self._claimant.take(session, successor)
        await session.execute("rebase_stream", successor, claim.epoch, file_to)
        detail = {
            "stream_id": str(stream_id),
            "successor": str(successor),
            "file_to_sequence": file_to,
            "database_to_sequence": database_to,
        }
        await self._tell(session, "spool_put_back", detail)
        return successor

    async def _tell(self, session: Session, event: str, detail: Mapping[str, object]) -> None:
        log.error(event, **detail)
        await session.execute(
            "insert_recorder_event", self._recorder, self._clock.now_us(), event, None, "", to_json(detail)
        )
