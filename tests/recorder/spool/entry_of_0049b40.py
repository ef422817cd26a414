"""recorder/entry.py of release 0.1 (commit 0049b40), as it was, without tombstones: what goes on reading.

Not to be changed: whoever goes back a release has this one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

FORMAT_VERSION: Final = 1
COLUMNS: Final = ("timestamp", "process_id", "value", "set_value", "parameter_id", "quality")


class EntryKind(StrEnum):
    """What an entry tells."""

    POINTS = "points"
    PROCESS = "process"
    """A run, step or cycle started or ended."""
    EVENT = "event"
    """A clock, device, spool or recorder event."""
    ACCOUNTING = "accounting"
    """Outcomes of slots that made no rows, or the tombstone of rows that were shed."""


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
    """

    process_id: int
    device: str
    interval_ms: int
    minute: int
    outcome: Outcome
    cause: str = ""
    slots: int
    rows: int


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
        return json.dumps(
            {
                "version": FORMAT_VERSION,
                "kind": self.kind,
                "columns": COLUMNS if self.rows else (),
                "row_count": self.row_count,
                "first_us": self.first_us,
                "last_us": self.last_us,
                "is_idle": self.is_idle,
                "accounting": [
                    (s.process_id, s.device, s.interval_ms, s.minute, s.outcome, s.cause, s.slots, s.rows)
                    for s in self.accounting
                ],
                "header": dict(self.header),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode(errors="replace")

    @classmethod
    def decode(cls, header: bytes, rows: bytes) -> Self:
        """Build an entry from what the spool kept.

        Raises:
            ValueError: the header is not one that this release understands.
        """
        content = json.loads(header)
        if content["version"] > FORMAT_VERSION:
            raise ValueError(f"entry format {content['version']} is newer than this release reads ({FORMAT_VERSION})")
        if content["columns"] and tuple(content["columns"]) != COLUMNS:
            raise ValueError(f"entry with columns {content['columns']} instead of {list(COLUMNS)}")
        return cls(
            kind=EntryKind(content["kind"]),
            header=content["header"],
            rows=rows,
            row_count=content["row_count"],
            accounting=tuple(
                SlotCount(
                    process_id=process_id,
                    device=device,
                    interval_ms=interval_ms,
                    minute=minute,
                    outcome=Outcome(outcome),
                    cause=cause,
                    slots=slots,
                    rows=row_count,
                )
                for process_id, device, interval_ms, minute, outcome, cause, slots, row_count in content["accounting"]
            ),
            first_us=content["first_us"],
            last_us=content["last_us"],
            is_idle=content["is_idle"],
        )
