"""Putting in once more what is in quarantine, and reading it for people and programs."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from recorder.database import Session
from recorder.errors import ContentRefusedError
from recorder.spool.batch import POSTGRES_EPOCH_US, Row, split_rows
from recorder.spool.entry import Entry, EntryKind
from recorder.writer.quarantine import spooled_header, store_rows
from recorder.writer.statements import accounting_of, days_of_rows, event_statement, unwritable

_AT_ONCE: Final = 2_000
Refusal = Mapping[str, Any]
"""A row of ``recorder_quarantine`` with the number of its recorder."""


@dataclass(kw_only=True, slots=True)
class Retried:
    """What became of a retry.

    Attributes:
        rows: rows of points that are stored now.
        events: events that are stored now.
        refused: what was refused again, and stays.
    """

    rows: int = 0
    events: int = 0
    refused: int = 0


async def read_quarantine(session: Session, ids: Sequence[int] | None) -> AsyncIterator[Sequence[Refusal]]:
    """All that is in quarantine, or of certain ids, in the order in which it came, a part at a time."""
    after = 0
    while part := await session.fetch("read_quarantine", after, ids, _AT_ONCE):
        after = part[-1]["id"]
        yield part


async def retry(session: Session, ids: Sequence[int] | None = None) -> Retried:
    """Put in once more what is in quarantine, all or certain ids, in one transaction; what goes in leaves it.

    Raises:
        DatabaseError: of the database, not of the content; then nothing has changed.
    """
    retried = Retried()
    async with session.transaction():
        await session.execute("lock_quarantine")
        await session.execute("check_constraints_now")
        async for part in read_quarantine(session, ids):
            await _retry_part(session, part, retried)
    return retried


async def _retry_part(session: Session, part: Sequence[Refusal], retried: Retried) -> None:
    stored: list[int] = []
    again: dict[int, ContentRefusedError] = {}
    for refusal in part:
        if refusal["kind"] != "row":
            try:
                async with session.transaction():
                    await _store_whole(session, refusal)
            except ContentRefusedError as error:
                again[refusal["id"]] = error
            else:
                stored.append(refusal["id"])
                retried.events += refusal["kind"] == "event"
                retried.rows += refusal["row_count"]
    rows = [(refusal["id"], refusal["content"]) for refusal in part if refusal["kind"] == "row"]
    again |= await _store_single_rows(session, rows)
    stored += [number for number, _ in rows if number not in again]
    retried.rows += sum(number not in again for number, _ in rows)
    retried.refused += len(again)
    await session.execute("count_rows_again", stored)
    await session.execute("leave_quarantine", stored)
    for number, reason in again.items():
        await session.execute("stay_in_quarantine", number, reason.sqlstate, " ".join(reason.said.split()))


async def _store_single_rows(session: Session, rows: Sequence[tuple[int, bytes]]) -> dict[int, ContentRefusedError]:
    single: list[Row] = [next(split_rows(content)) for _, content in rows]
    for _, content in rows:
        await _ensure_days(session, content)
    refused = await store_rows(session, single)
    return {
        rows[answer["row_index"]][0]: ContentRefusedError(answer["message"], sqlstate=answer["state"])
        for answer in refused
    }


async def _store_whole(session: Session, refusal: Refusal) -> None:
    """Store an event, or an entry, in a transaction of its own; any refused row refuses it all."""
    try:
        entry = Entry.decode(refusal["header"], refusal["content"])
    except (ValueError, KeyError, TypeError) as error:
        raise unwritable(f"an entry that this release cannot read: {error}") from error
    if entry.kind in {EntryKind.PROCESS, EntryKind.EVENT}:
        occurred_at = refusal["occurred_at"] or refusal["quarantined_at"]
        now_us = round(occurred_at.timestamp() * 1_000_000)
        statement = event_statement(entry, recorder=refusal["recorder"] or 0, now_us=now_us)
        await session.commit([statement], None)
    if entry.rows:
        try:
            rows = list(split_rows(entry.rows))
        except ValueError as error:
            raise unwritable(str(error)) from error
        await _ensure_days(session, entry.rows)
        for answer in await store_rows(session, rows):
            raise ContentRefusedError(answer["message"], sqlstate=answer["state"])
    if refusal["slot_counts"] is None:
        await session.execute("add_accounting", accounting_of([entry]))


async def _ensure_days(session: Session, rows: bytes) -> None:
    for day in sorted(days_of_rows(rows)):
        with suppress(ContentRefusedError):  # then its rows are refused, and say why
            async with session.transaction():
                await session.execute("ensure_day_partition", day)


def readable(refusal: Refusal) -> dict[str, Any]:
    """One refusal with everything that can be read of it, as plain data."""
    said = {name: refusal[name] for name in LISTED}
    said["header"] = spooled_header(refusal["header"]) if refusal["header"] else None
    try:
        said["rows"] = [_plain(row) for row in split_rows(refusal["content"])]
    except ValueError:
        said["rows"] = None
    return said | {"columns": list(refusal["columns"]), "content": refusal["content"].hex()}


LISTED: Final = (
    *("id", "stream_id", "sequence", "row_index", "kind", "row_count", "sqlstate", "error", "process_id", "device"),
    *("occurred_at", "quarantined_at", "retried_at"),
)
"""What a list shows of each refusal."""


def _plain(row: Row) -> dict[str, Any]:
    def number(value: float | None) -> float | str | None:
        # JSON has neither NaN nor an infinity
        return value if value is None or math.isfinite(value) else str(value)

    return {
        "timestamp_us": row.timestamp_us + POSTGRES_EPOCH_US,
        "process_id": row.process_id,
        "value": number(row.value),
        "set_value": number(row.set_value),
        "parameter_id": row.parameter_id,
        "quality": row.quality,
    }
