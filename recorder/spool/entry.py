"""What goes through the spool: a header that explains itself, and rows as PostgreSQL's binary COPY bytes.

An entry written by one release is understood by the next and by the one before (docs/decisions/0012): the header is
JSON with a format version, rows carry their column list, and what a release adds stands beside what the others read.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from recorder.spool.slot_packing import pack, summed, unpack

FORMAT_VERSION: Final = 1
"""What is written: release 0.1 reads it, and passes over the fields that came later, `slots_at` and `packed`."""
NEWEST_READ: Final = 2
"""In 2, of no release, each count ended with its slots, and packed counts stood nowhere else."""
MOST_PLAIN_COUNTS: Final = 128
"""Counts of an entry beyond which they are packed; the tombstone of an outage has thousands."""
COLUMNS: Final = ("timestamp", "process_id", "value", "set_value", "parameter_id", "quality")
_as_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Made once: `json.dumps` makes one at each call that asks for anything else than its defaults."""


class EntryKind(StrEnum):
    """What an entry tells."""

    POINTS = "points"
    PROCESS = "process"
    """A run, step or cycle started or ended."""
    EVENT = "event"
    """A clock, device, spool or recorder event."""
    ACCOUNTING = "accounting"
    """Outcomes of slots that made no rows, or the tombstone of rows that were shed."""
    UNKNOWN = "unknown"
    """What this release cannot read; its header is kept as ``spooled``, in hex, beside the ``reason``."""


class Outcome(StrEnum):
    """How a slot ended; each slot ends in exactly one."""

    COMPLETED = "completed"
    LATE = "late"
    """Completed, but begun more than half an interval after it was due."""
    FAILED = "failed"
    """No block brought anything; its rows say why."""
    SKIPPED = "skipped"
    """It could not start, because the scan before it still ran."""
    SHED = "shed"
    """Its rows were given up: the spool was full or could not be written."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotCount:
    """Slots of one process, device and interval that ended alike within one minute.

    Attributes:
        minute: UTC seconds since 1970 of the start of the minute.
        cause: short cause of a failure or a loss; empty where there is nothing to say.
        rows: rows that these slots store.
        slots_at: the numbers of these slots as half-open ranges; empty where an older release did not say.
    """

    process_id: int
    device: str
    interval_ms: int
    minute: int
    outcome: Outcome
    cause: str = ""
    slots: int
    rows: int
    slots_at: Sequence[tuple[int, int]] = ()

    @classmethod
    def from_plain(cls, fields: Sequence[Any]) -> Self:
        """Build a count from what `Entry.encode_header` wrote, and the numbers of its slots where they are known."""
        process_id, device, interval_ms, minute, outcome, cause, slots, rows, *slots_at = fields
        return cls(
            process_id=process_id,
            device=device,
            interval_ms=interval_ms,
            minute=minute,
            outcome=Outcome(outcome),
            cause=cause,
            slots=slots,
            rows=rows,
            slots_at=tuple((first, end) for ranges in slots_at for first, end in ranges),
        )

    @property
    def key(self) -> tuple[int, str, int, int, Outcome, str]:
        """What counts must have in common to be summed."""
        return self.process_id, self.device, self.interval_ms, self.minute, self.outcome, self.cause

    def plus(self, later: "SlotCount") -> "SlotCount":
        """The sum with a count of the same key, of later slots."""
        slots_at: Sequence[tuple[int, int]] = ()
        if self.slots_at and later.slots_at:
            (first, end), (next_first, next_end) = self.slots_at[-1], later.slots_at[0]
            joint = [(first, next_end)] if end == next_first else [(first, end), (next_first, next_end)]
            slots_at = (*self.slots_at[:-1], *joint, *later.slots_at[1:])
        # written out: of a backlog this is done for each entry, and `replace` takes three times as long
        return SlotCount(
            process_id=self.process_id,
            device=self.device,
            interval_ms=self.interval_ms,
            minute=self.minute,
            outcome=self.outcome,
            cause=self.cause,
            slots=self.slots + later.slots,
            rows=self.rows + later.rows,
            slots_at=slots_at,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One unit of the spool.

    Attributes:
        header: everything but the rows; see `encode_header` for what is added to it.
        rows: rows in binary COPY format without signature and trailer; empty where there are none.
        accounting: outcomes of slots that this entry carries.
        first_us: earliest time stamp of its rows, UTC microseconds since 1970; 0 where there are none.
        last_us: latest time stamp of its rows.
        is_idle: whether its rows belong to an idle process, and so are shed first.
    """

    kind: EntryKind
    header: Mapping[str, Any] = field(default_factory=dict)
    rows: bytes = b""
    row_count: int = 0
    accounting: Sequence[SlotCount] = ()
    first_us: int = 0
    last_us: int = 0
    is_idle: bool = False

    def encode_header(self) -> bytes:
        """The header as JSON bytes, with format version, column list, row count and accounting.

        Text that is no Unicode (a lone surrogate in what somebody typed) is stored with question marks.
        """
        counts: list[Sequence[Any]] = [
            (s.process_id, s.device, s.interval_ms, s.minute, s.outcome, s.cause, s.slots, s.rows, s.slots_at)
            for s in self.accounting
        ]
        packed: list[list[Any]] = []
        if len(counts) > MOST_PLAIN_COUNTS:
            counts, packed = pack(counts)
        numbers = [slots_at for *_, slots_at in counts]
        return _as_json(
            {
                "version": FORMAT_VERSION,
                "kind": self.kind,
                "columns": COLUMNS if self.rows else (),
                "row_count": self.row_count,
                "first_us": self.first_us,
                "last_us": self.last_us,
                "is_idle": self.is_idle,
                "accounting": [*(count for *count, _ in counts), *map(summed, packed)],
                **({"slots_at": numbers} if packed or any(numbers) else {}),
                **({"packed": packed} if packed else {}),
                "header": dict(self.header),
            }
        ).encode(errors="replace")

    @classmethod
    def decode(cls, header: bytes, rows: bytes) -> Self:
        """Build an entry from what the spool kept.

        Raises:
            ValueError: the header is not one that this release understands.
        """
        content = json.loads(header)
        if content["version"] > NEWEST_READ:
            raise ValueError(f"entry format {content['version']} is newer than this release reads ({NEWEST_READ})")
        if content["columns"] and tuple(content["columns"]) != COLUMNS:
            raise ValueError(f"entry with columns {content['columns']} instead of {list(COLUMNS)}")
        return cls(
            kind=EntryKind(content["kind"]),
            header=content["header"],
            rows=rows,
            row_count=content["row_count"],
            accounting=tuple(SlotCount.from_plain(fields) for fields in _counts_of(content)),
            first_us=content["first_us"],
            last_us=content["last_us"],
            is_idle=content["is_idle"],
        )

    def tombstone(self, cause: str) -> "Entry":
        """What is left when the rows are given up: the same slots, counted as shed."""
        return Entry(
            kind=EntryKind.ACCOUNTING,
            header={**self.header, "shed": cause, "lost_rows": self.row_count},
            accounting=tuple(
                replace(s, outcome=Outcome.SHED, cause=cause, rows=0) if s.rows else s for s in self.accounting
            ),
            is_idle=self.is_idle,
        )


def _counts_of(content: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """The counts of a header, each with the numbers of its slots where the header says them."""
    counts, numbers = content["accounting"], content.get("slots_at")
    if numbers is None:
        yield from counts
    else:
        # what stands behind them is the packed counts once more, for who cannot unpack them
        yield from ([*count, slots_at] for count, slots_at in zip(counts, numbers, strict=False))
    yield from unpack(content.get("packed", ()))
