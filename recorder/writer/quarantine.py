"""What PostgreSQL refuses for its content is taken out of what it accepts, and kept with the reason.

The writer halves a refused transaction until few entries are left, and then stores those here: events one by one, rows
by bisection in the database (`store_points_singly`), so that a bad row costs no round trip of its own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from recorder.database import Session
from recorder.database.jsonb import to_json
from recorder.errors import ContentRefusedError
from recorder.spool.batch import POSTGRES_EPOCH_US, Row, split_rows
from recorder.spool.entry import COLUMNS, Entry, EntryKind, SlotCount
from recorder.spool.store import SpooledEntry
from recorder.writer.statements import event_statement, moment, slot_key, unwritable

MOST_ROWS_SINGLY: Final = 5_000
"""Rows of one transaction that is looked through; what was refused with more is halved before."""
MOST_ENTRIES_SINGLY: Final = 200
_INT8: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """What is kept of one refusal; see the table ``recorder_quarantine``.

    Attributes:
        counts: what the accounting no longer counts because of it; None where it does not count the slots at all.
    """

    sequence: int
    kind: str
    row_index: int | None = None
    header: bytes = b""
    content: bytes = b""
    row_count: int = 0
    sqlstate: str
    error: str
    process_id: int | None = None
    device: str = ""
    occurred_at: datetime | None = None
    counts: Sequence[SlotCount] | None = ()

    @property
    def columns(self) -> Sequence[str]:
        """Columns of its content."""
        return COLUMNS if self.content else ()


def is_to_halve(entries: Sequence[SpooledEntry]) -> bool:
    """Whether a refused transaction is too large to be looked through at once."""
    rows = sum(spooled.entry.row_count for spooled in entries)
    return len(entries) > 1 and (rows > MOST_ROWS_SINGLY or len(entries) > MOST_ENTRIES_SINGLY)


async def store_singly(
    session: Session, entries: Sequence[SpooledEntry], *, recorder: int, now_us: int
) -> tuple[list[Entry], list[Refused]]:
    """Store what can be stored of entries, in the transaction that is open.

    Returns:
        The entries with the accounting of what is stored, and what is not.

    Raises:
        DatabaseError: of the database, not of the content.
    """
    refused: list[Refused] = []
    rows: list[tuple[SpooledEntry, int, Row]] = []
    for spooled in entries:
        try:
            await _store_event(session, spooled.entry, recorder=recorder, now_us=now_us)
            rows += [(spooled, index, row) for index, row in enumerate(_rows_of(spooled.entry))]
        except ContentRefusedError as error:
            refused.append(whole(spooled, error))
    refused += await _store_rows(session, rows)
    stored = []
    for spooled in entries:
        entry, own = _counted(spooled.entry, [one for one in refused if one.sequence == spooled.sequence])
        stored.append(entry)
        refused = [one for one in refused if one.sequence != spooled.sequence] + own
    return stored, refused


async def _store_event(session: Session, entry: Entry, *, recorder: int, now_us: int) -> None:
    if entry.kind in {EntryKind.PROCESS, EntryKind.EVENT}:
        statement = event_statement(entry, recorder=recorder, now_us=now_us)
        async with session.transaction():
            await session.commit([statement], None)


def _rows_of(entry: Entry) -> list[Row]:
    if entry.kind is EntryKind.UNKNOWN:
        raise unwritable(f"an entry that this release cannot read: {entry.header['reason']}")
    try:
        rows = list(split_rows(entry.rows))
    except ValueError as error:
        raise unwritable(str(error)) from error
    if len(rows) != entry.row_count:
        raise unwritable(f"{len(rows)} rows in an entry of {entry.row_count}")
    return rows


async def _store_rows(session: Session, rows: Sequence[tuple[SpooledEntry, int, Row]]) -> list[Refused]:
    refused = []
    for answer in await store_rows(session, [row for _, _, row in rows]):
        spooled, index, row = rows[answer["row_index"]]
        refused.append(
            Refused(
                sequence=spooled.sequence,
                kind="row",
                row_index=index,
                content=row.content,
                row_count=1,
                sqlstate=answer["state"],
                error=_line(answer["message"]),
                process_id=row.process_id,
                device=_text(spooled.entry.header.get("device", "")),
                occurred_at=moment(row.timestamp_us + POSTGRES_EPOCH_US),
            )
        )
    return refused


async def store_rows(session: Session, rows: Sequence[Row]) -> Sequence[Any]:
    """Store rows in the transaction that is open; returns ``row_index``, ``state``, ``message`` of what is refused."""
    if not rows:
        return []
    return await session.fetch(
        "store_points_singly",
        [row.timestamp_us for row in rows],
        [row.process_id for row in rows],
        [row.value for row in rows],
        [row.set_value for row in rows],
        [row.parameter_id for row in rows],
        [row.quality for row in rows],
    )


def whole(spooled: SpooledEntry, error: ContentRefusedError, *, is_counted: bool = True) -> Refused:
    """An entry that is kept as it is: an event, or rows that cannot be told apart.

    Unless it `is_counted`, the accounting does not have its slots either.
    """
    entry = spooled.entry
    header = entry.header
    is_unknown = entry.kind is EntryKind.UNKNOWN
    is_event = entry.kind in {EntryKind.PROCESS, EntryKind.EVENT}
    when = header.get("occurred_us", header.get("started_us", header.get("ended_us", entry.first_us or None)))
    process_id = header.get("process_id")
    return Refused(
        sequence=spooled.sequence,
        kind="event" if is_event else "entry",
        header=bytes.fromhex(header["spooled"]) if is_unknown else entry.encode_header(),
        content=entry.rows,
        row_count=entry.row_count,
        sqlstate=error.sqlstate,
        error=_line(error.said),
        process_id=process_id if isinstance(process_id, int) and process_id in _INT8 else None,
        device=_text(header.get("device", "")) if is_counted else "",
        occurred_at=moment(when),
        counts=() if is_counted and not is_unknown else None,
    )


def _counted(entry: Entry, refused: Sequence[Refused]) -> tuple[Entry, list[Refused]]:
    """Take refused rows off the accounting of their entry, and note with each where it was counted."""
    left = [count.rows for count in entry.accounting]
    noted = []
    for one in refused:
        counts: list[SlotCount] = []
        missing = one.row_count
        for number, count in enumerate(entry.accounting):
            taken = min(left[number], missing)
            if taken:
                left[number] -= taken
                missing -= taken
                counts.append(replace(count, rows=taken))
        noted.append(replace(one, counts=None if one.counts is None else counts))
    accounting = tuple(replace(count, rows=rows) for count, rows in zip(entry.accounting, left, strict=True))
    return replace(entry, accounting=accounting), noted


async def keep(session: Session, stream_id: UUID, refused: Sequence[Refused]) -> None:
    """Put what was refused into the table, in the transaction that is open."""
    rows = []
    for one in refused:
        counts = None
        if one.counts is not None:
            counts = to_json([slot_key(count) | {"rows": count.rows} for count in one.counts])
        rows.append(
            (
                *(stream_id, one.sequence, one.row_index, one.kind, list(one.columns), one.header, one.content),
                *(one.row_count, one.sqlstate, one.error, one.process_id, one.device, one.occurred_at, counts),
            )
        )
    if rows:
        await session.execute_many("quarantine", rows)


def described(refused: Sequence[Refused]) -> dict[str, object]:
    """For a line of the log: how much, and the first reason."""
    return {
        "rows": sum(one.row_count for one in refused),
        "entries": len({one.sequence for one in refused}),
        "sqlstate": refused[0].sqlstate,
        "error": refused[0].error,
    }


def _line(said: str) -> str:
    return _text(" ".join(said.split()))


def _text(value: object) -> str:
    """Text that PostgreSQL can hold."""
    return str(value).encode(errors="replace").decode().replace("\0", "")


def spooled_header(header: bytes) -> dict[str, Any]:
    """What an entry's header says, for whoever reads it out of quarantine; its bytes in hex where it is no JSON."""
    try:
        content = json.loads(header)
    except ValueError:
        return {"spooled": header.hex()}
    return content if isinstance(content, dict) else {"spooled": content}
