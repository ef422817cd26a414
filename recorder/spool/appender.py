"""What the append thread of a spool does: transactions, shedding, and the replacement of a file that is damaged.

Nothing here may be called from another thread; what the event loop sets is a number, a set or a flag.
"""

import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recorder.errors import SpoolError
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.file import DamagedFile, is_damage, raw
from recorder.spool.handing import Handing
from recorder.spool.kept import KeptEntries
from recorder.spool.recent import RecentEntries
from recorder.spool.rescue import Rescue
from recorder.spool.reserve import Reserve
from recorder.spool.store import SpoolStore
from recorder.spool.stored_entry import EncodedEntry
from recorder.spool.waiting import Pending

if TYPE_CHECKING:
    import uuid

_REPLACE_S: Final = 10.0
"""A file is not set aside sooner than this after the one before: a disk that dies would fill up with them."""
_GROWTH_SHARE: Final = 4
"""This part of the reserve is for entries, once it is given back; the rest for the log, without which nothing goes."""
_LOOK_S: Final = 5.0
"""Between two looks whether a disk that was full has room again."""
_FORGOTTEN_AT_ONCE: Final = 8
_FORGETTING_S: Final = 1.0
"""Entries of the first step, and how long steps go on, where the disk has no room to forget everything at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """What one transaction came to.

    Attributes:
        kept: how many of the sequences are of entries that were kept in memory before.
        sheds: sheds up to now; see `Handing.saw`.
    """

    batch: Sequence[Pending]
    kept: int
    sequences: Sequence[int]
    sheds: int
    failure: SpoolError | None


class Appender:
    """Writes one spool file, and its successors.

    Args:
        recent: copied when the file must be replaced.
        tell: called where a file was set aside or the disk is full, with a line for the log.
        replaced: called where a file was set aside, so that `rescue` is to be called.

    Attributes:
        acknowledged: entries up to this sequence may be forgotten; the event loop sets it.
        claimed: streams whose watermark the present one has taken over; the event loop adds them.
        used_bytes: of the file, as of the last transaction.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        keep_bytes: int,
        recent: RecentEntries,
        tell: Callable[[str], object],
        replaced: Callable[[], object],
    ) -> None:
        self._path = path
        self._recent = recent
        self._tell = tell
        self._replaced = replaced
        self._kept = KeptEntries()
        self._last_batch: list[tuple[int, EncodedEntry]] = []
        self._replaced_s: float | None = None
        self._looked_s = -math.inf
        self._is_short_of_disk = False
        self._reserve = Reserve(path, max_bytes=max_bytes)
        self.claimed: set[uuid.UUID] = set()
        self.store = store = self._open(max_bytes, keep_bytes)
        self._take_reserve()
        self.acknowledged = store.acknowledged
        self.used_bytes = store.used_bytes
        handed = store.last_sequence if store.unhanded is None else store.unhanded
        self.handing = Handing(handed, is_marked=store.unhanded is not None)

    def _open(self, max_bytes: int, keep_bytes: int) -> SpoolStore:
        """Open the file; on a full disk with the space of the reserve."""
        try:
            return SpoolStore(self._path, max_bytes=max_bytes, keep_bytes=keep_bytes)
        except SpoolError as error:
            if not self._reserve.is_needed(error.__cause__) or not (given := self._reserve.give_back()):
                raise
        store = SpoolStore(self._path, max_bytes=max_bytes, keep_bytes=keep_bytes)
        self._make_do(store, given)
        return store

    def _make_do(self, store: SpoolStore, given_bytes: int) -> None:
        """The disk is full and the reserve is given back: from now on the file hardly grows."""
        self._is_short_of_disk = True
        self._looked_s = time.monotonic()
        store.stay_within(given_bytes // _GROWTH_SHARE)
        self._tell(
            f"{self._path}: the disk is full; {given_bytes // 1024} KiB of {self._reserve.path.name} were given back, "
            "and the spool grows no more: when it is full, idle data goes first, then the oldest; free space"
        )

    def _take_reserve(self) -> None:
        """Make the reserve, where it is not there and the disk has room for it; then the file may grow again."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            if self._reserve.make() and self._is_short_of_disk:
                self._is_short_of_disk = False
                self.store.may_grow()

    def close(self) -> str | None:
        """Write what is still kept in memory and forget what is acknowledged; says what failed."""
        kept = self._kept
        try:
            self._append(kept.entries(), kept.state)
        except (sqlite3.Error, OSError) as error:
            # what is acknowledged is only forgotten later: the database knows the watermark
            return f"{self._path}: {error}; {len(kept)} entries that were kept in memory are lost"
        finally:
            self.store.close()
        return None

    def write(self, batch: Sequence[Pending]) -> Written:
        """Write what is kept in memory and then a batch, in one transaction."""
        kept = self._kept
        states = [pending.state for pending in batch if pending.state is not None]
        state = states[-1] if states else kept.state
        failure: SpoolError | None = None
        sequences: list[int] = []
        before = kept.entries()
        try:
            encoded = [*before, *(entry for pending in batch for entry in pending.encoded)]
            sheds = self.handing.sheds_begun
            sequences = self._append(encoded, state)
            kept.clear()
            is_whole = sheds == self.handing.sheds_begun
            self._last_batch = list(zip(sequences, encoded, strict=True)) if is_whole else []
        except Exception as error:  # noqa: BLE001  (whatever it is, appending must go on, and be told)
            kept.add((entry for pending in batch for entry in pending.entries), state)
            failure = SpoolError(
                f"{self._path}: {error}; free space or check the disk, rows are being lost and counted"
            )
            failure.__cause__ = error
        return Written(
            batch=batch, kept=len(before), sequences=sequences, sheds=self.handing.sheds_begun, failure=failure
        )

    def settle(self) -> None:
        """What follows a transaction and need not be waited for: the figures, and the log brought into the file."""
        with suppress(sqlite3.Error):
            self.used_bytes = self.store.used_bytes
        self.store.checkpoint_if_due()

    def _append(self, encoded: Sequence[EncodedEntry], state: str | None) -> list[int]:
        if self._is_short_of_disk:
            self._take_reserve()
        try:
            return self._append_to_file(encoded, state, self.acknowledged)
        except sqlite3.DatabaseError as error:
            if self._reserve.is_needed(error):
                if given := self._reserve.give_back():
                    self._make_do(self.store, given)
                else:
                    self._forget_in_steps()
            elif not is_damage(error) or not self.replace(self.store, str(error)):
                raise
        acknowledge = self.store.acknowledged if self._is_short_of_disk else self.acknowledged
        return self._append_to_file(encoded, state, acknowledge)

    def _forget_in_steps(self) -> None:
        """Write over the log, and forget what is acknowledged a little at a time, for which it may be large enough."""
        store = self.store
        store.bring_in_log()
        entries = _FORGOTTEN_AT_ONCE
        end_s = time.monotonic() + _FORGETTING_S
        with suppress(sqlite3.Error):
            while store.acknowledged < self.acknowledged and time.monotonic() < end_s:
                store.append([], state=None, acknowledge=min(self.acknowledged, store.acknowledged + entries))
                store.bring_in_log()
                entries *= 2

    def _append_to_file(self, encoded: Sequence[EncodedEntry], state: str | None, acknowledge: int) -> list[int]:
        store = self.store
        unhanded = self.handing.mark()
        if encoded and store.is_short(encoded):
            with self.handing.shedding() as merge_above:
                # below the last of a damaged file entries are still to come, and must not come twice
                lowest = max((item.to for item in store.damaged), default=0)
                sequences = store.append(
                    encoded,
                    state=state,
                    acknowledge=acknowledge,
                    merge_above=None if merge_above is None else max(merge_above, lowest),
                    unhanded=unhanded,
                )
        else:
            sequences = store.append(encoded, state=state, acknowledge=acknowledge, unhanded=unhanded)
        if self.claimed.intersection(store.predecessors):
            store.forget_predecessors(self.claimed)
        return sequences

    def keep_claim(self) -> None:
        """See `SpoolStore.keep_claim`."""
        self.store.keep_claim()

    def follow(self, stream_id: "uuid.UUID") -> None:
        """See `SpoolStore.follow`."""
        self.store.follow(stream_id)

    def hand_out(self) -> None:
        """Let the file say no more up to where entries were handed out; durable when this returns.

        Raises:
            sqlite3.Error: the disk refused, and nothing may be handed out.
        """
        self.store.hand_out()
        self.handing.unmark()

    def replace(self, store: SpoolStore, reason: str) -> bool:
        """Set the file aside and go on in a new one; false where that was done just now, and did not help.

        Args:
            store: the one that was found damaged; where it is replaced already, nothing more is done.
            reason: what SQLite said.
        """
        if store is not self.store:
            return True
        now_s = time.monotonic()
        if self._replaced_s is not None and now_s - self._replaced_s < _REPLACE_S:
            return False
        self._replaced_s = now_s
        # memory that does not know of a shed yet would bring back what was counted as given up
        recent = self._recent.copy() if self.handing.is_memory_true else []
        known = {sequence: raw(sequence, entry) for sequence, entry in (*recent, *self._last_batch)}
        with self.handing.standing_still():
            self.store = store.begin_anew(reason, acknowledged=self.acknowledged, known=list(known.values()))
        self.used_bytes = self.store.used_bytes
        aside = self.store.damaged[-1]
        self._tell(
            f"{self._path}: damaged ({reason}), set aside as {aside.file}; recording goes on in a new file, entries "
            f"{aside.after + 1} to {aside.to} are being recovered; check the disk"
        )
        self._replaced()
        return True

    def rescue(self) -> Written | None:
        """Take over the next entries of a file that was set aside; what came of it where that file is done.

        Raises:
            sqlite3.Error: the disk refused; call it again later.
        """
        store = self.store
        shed_before = store.shed_entries
        damaged, *others = store.damaged
        if damaged.after < damaged.to:
            with Rescue(self._path.parent, damaged, store.has) as rescue:
                found, damaged = rescue.step()
            store.take_over(found, [damaged, *others])
            if damaged.after < damaged.to:
                return None
        sequences = self._append([EncodedEntry.of(_account(damaged))], None)
        if self.store.shed_entries != shed_before:
            # as in `write`: an entry of them that came back whole would take the place of the tombstone of others
            self._last_batch = []
        self.store.take_over([], [item for item in self.store.damaged if item.file != damaged.file])
        return Written(batch=(), kept=1, sequences=sequences, sheds=self.handing.sheds_begun, failure=None)


def _account(damaged: DamagedFile) -> Entry:
    """The event that tells of a file that was set aside."""
    detail = {
        "file": damaged.file,
        "reason": damaged.reason,
        "stream_id": damaged.stream_id,
        "recovered_entries": damaged.recovered,
        "lost_entries": sum(last - first + 1 for first, last in damaged.lost) if damaged.stream_id else None,
        "lost_sequences": [list(both) for both in damaged.lost],
    }
    header = {"event": "spool_set_aside", "occurred_us": damaged.occurred_us, "detail": detail}
    return Entry(kind=EntryKind.EVENT, header=header)
