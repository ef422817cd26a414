"""The newest entries that the database has already, kept for the case that an older backup of it is put back.

Whatever the backup lacks of them is then sent again, in order and from the watermark that it says. They are the first
to go where the spool needs room. All of it happens within the caller's transaction.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Self

from recorder.spool.file import keep

FORGOTTEN: Final = "forgotten"
"""Key of `Tail.forgotten` in the file."""
_PORTION_BYTES: Final = 512 * 1024
"""So much is forgotten at once: entry by entry it would take a third of all pages that are written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tail:
    """Entries above one sequence, up to the last that is acknowledged.

    Attributes:
        forgotten: the file has nothing up to this sequence, and all that comes after it.
        bytes: what the entries hold.
    """

    forgotten: int
    entries: int
    bytes: int

    @classmethod
    def of(cls, writer: sqlite3.Connection, *, forgotten: int, acknowledged: int) -> Self:
        """What a file has up to the last entry that is acknowledged.

        Args:
            writer: its connection.
            forgotten: the least that this can be; a release that kept no tail has forgotten all without saying so.
            acknowledged: the last entry that the database has.
        """
        entries, size = writer.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM entries NOT INDEXED WHERE sequence <= ?", (acknowledged,)
        ).fetchone()
        return cls(forgotten=min(forgotten, acknowledged) if entries else acknowledged, entries=entries, bytes=size)

    def after(
        self, writer: sqlite3.Connection, *, before: int, acknowledged: int, most_bytes: int
    ) -> tuple["Tail", int, int]:
        """More is acknowledged: the oldest are forgotten, until no more than so many bytes are kept.

        Args:
            writer: connection of the file.
            before: what was acknowledged before.
            acknowledged: what is from now on.
            most_bytes: of the entries that are kept.

        Returns:
            The tail, and how many entries with how many bytes came to it, whether they are kept or not.
        """
        came, came_bytes = writer.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM entries NOT INDEXED WHERE sequence > ? AND sequence <= ?",
            (before, acknowledged),
        ).fetchone()
        left, size, forgotten = self.entries + came, self.bytes + came_bytes, self.forgotten
        writer.execute("UPDATE spool SET value = ? WHERE key = 'acknowledged'", (str(acknowledged),))
        if not most_bytes:
            return self.none(writer, acknowledged), came, came_bytes
        if size > most_bytes + min(_PORTION_BYTES, most_bytes // 8):
            oldest = writer.execute(
                "SELECT sequence, bytes FROM entries NOT INDEXED WHERE sequence <= ? ORDER BY sequence", (acknowledged,)
            )
            with closing(oldest):
                for sequence, entry_bytes in oldest:
                    forgotten, left, size = sequence, left - 1, size - entry_bytes
                    if size <= most_bytes:
                        break
            writer.execute("DELETE FROM entries WHERE sequence <= ?", (forgotten,))
            keep(writer, {FORGOTTEN: str(forgotten)})
        return Tail(forgotten=forgotten, entries=left, bytes=size), came, came_bytes

    @staticmethod
    def none(writer: sqlite3.Connection, acknowledged: int) -> "Tail":
        """Forget all that is acknowledged."""
        writer.execute("DELETE FROM entries WHERE sequence <= ?", (acknowledged,))
        return Tail(forgotten=acknowledged, entries=0, bytes=0)

    def say(self, writer: sqlite3.Connection) -> None:
        """Let the file say up to where it has forgotten: whatever comes to the tail from now on is after that."""
        keep(writer, {FORGOTTEN: str(self.forgotten)})
