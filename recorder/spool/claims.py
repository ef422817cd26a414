"""What of a spool a database knows by its claim: the streams, and from where on their numbers are new."""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable, Sequence

from recorder.errors import SpoolError
from recorder.spool.appender import Appender
from recorder.spool.thread import SpoolThread


class Claims:
    """The side of a spool that a writer claims.

    Args:
        thread: where appends run.
    """

    def __init__(self, appender: Appender, thread: SpoolThread) -> None:
        self._appender = appender
        self._thread = thread

    @property
    def lineage(self) -> tuple[uuid.UUID, tuple[uuid.UUID, ...]]:
        """The stream, and those that it follows on, the oldest first.

        Sequences go on from one to the next, so whatever any of them has in the database counts for this one.
        """
        store = self._appender.store
        return store.stream_id, tuple(stream for stream in store.predecessors if stream not in self._appender.claimed)

    @property
    def since(self) -> int | None:
        """Nothing above this sequence can be in the database, unless the file was put back from an older copy.

        None once `keep` has returned.
        """
        return self._appender.store.unclaimed_from

    async def keep(self) -> None:
        """The stream is claimed: keep that on disk, before anything of this process is committed.

        Raises:
            SpoolError: the disk refused.
        """
        if self.since is not None:
            await self._change(self._appender.keep_claim)

    def taken(self, watermark: int, predecessors: Sequence[uuid.UUID]) -> None:
        """The database has everything up to the watermark, nothing above it, and nothing is on its way.

        Args:
            watermark: a sequence.
            predecessors: those of `lineage` whose watermarks this one has taken in.
        """
        self._appender.claimed.update(predecessors)
        self._appender.handing.claimed(watermark)

    async def follow(self, stream_id: uuid.UUID) -> None:
        """Go on as another stream, with the same numbers; the database knows already where it begins.

        Raises:
            SpoolError: the disk refused.
        """
        await self._change(lambda: self._appender.follow(stream_id))

    async def _change(self, change: Callable[[], None]) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, change)
        except sqlite3.Error as error:
            path = self._appender.store.path
            raise SpoolError(f"{path}: cannot be written: {error}; free space or check the disk") from error
