"""What is in quarantine is put in once more: what is accepted now leaves it and is counted, the rest stays."""

import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recorder.care.summaries import summarise_ended_runs
from recorder.database import single_session
from recorder.spool.entry import Entry, EntryKind
from recorder.writer.quarantine_retry import Retried, read_quarantine, readable, retry
from tests.recorder.entries import NOON_US, PROCESS, event, points, run_started
from tests.recorder.writer.test_quarantine import NO_NAN, kept, stored_and_counted, with_values
from tests.recorder.writing import Desk, desk


@pytest.fixture
async def full(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    """Rows, an event and whole entries in quarantine, beside what is stored."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute(NO_NAN)
        await d.sql.execute("ALTER TABLE recorder_events ADD CONSTRAINT calm CHECK (kind <> 'alarm')")
        bad = points(2)
        bad = replace(bad, accounting=(replace(bad.accounting[0], process_id=2**63),))
        await d.spool.append(
            [with_values(0, [0.0, np.nan]), event("alarm", what="door"), points(1), bad, with_values(3, [3.0, np.nan])]
        )
        d.start()
        await d.drained()
        await d.stop()
        assert [row[0] for row in await kept(d)] == ["row", "event", "entry", "row"]
        yield d


async def retried(d: Desk, url: str, ids: list[int] | None = None) -> Retried:
    """Put in again, as the command does."""
    async with single_session(url, "ald") as session:
        return await retry(session, ids)


async def test_what_is_still_refused_stays_and_what_is_accepted_leaves(full: Desk, database_url: str) -> None:
    """In one transaction, with the accounting; a second retry stores nothing twice."""
    assert await retried(full, database_url) == Retried(refused=4)
    assert await full.sql.fetchval("SELECT count(*) FROM recorder_quarantine WHERE retried_at IS NOT NULL") == 4
    assert await stored_and_counted(full) == (4, 4, 3)
    await full.sql.execute("ALTER TABLE process_data_points DROP CONSTRAINT no_nan")
    await full.sql.execute("ALTER TABLE recorder_events DROP CONSTRAINT calm")
    assert await retried(full, database_url) == Retried(rows=2, events=1, refused=1)
    assert await stored_and_counted(full) == (6, 6, 3)
    assert [row[0] for row in await kept(full)] == ["entry"]
    [found] = await full.sql.fetch("SELECT kind, detail ->> 'what' AS what, occurred_at FROM recorder_events")
    assert (found["kind"], found["what"]) == ("alarm", "door")
    assert found["occurred_at"].timestamp() * 1_000_000 == NOON_US
    assert await retried(full, database_url) == Retried(refused=1)
    assert await stored_and_counted(full) == (6, 6, 3)


async def test_a_run_is_audited_and_summarised_again_with_what_came_back(tmp_path: Path, database_url: str) -> None:
    """Else its summary would say for ever that the points are not there."""
    ended = {"event": "run_ended", "process_id": PROCESS, "status": "completed", "ended_us": NOON_US + 1_000_000}
    summary = "SELECT points FROM process_run_summaries WHERE step = -1 AND parameter_id = 2"
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute(NO_NAN)
        entries = [run_started(), with_values(0, [0.0, 1.0]), with_values(1, [0.0, np.nan])]
        await d.spool.append([*entries, Entry(kind=EntryKind.PROCESS, header=ended)])
        d.start()
        await d.drained()
        assert await summarise_ended_runs(database_url, "ald") == [PROCESS]
        await d.sql.execute("UPDATE process_runs SET audited_at = now()")
        assert await d.sql.fetchval(summary) == 1
        await d.sql.execute("ALTER TABLE process_data_points DROP CONSTRAINT no_nan")
        assert await retried(d, database_url) == Retried(rows=1)
        [run] = await d.sql.fetch("SELECT audited_at, summarised_at FROM process_runs WHERE id = $1", PROCESS)
        assert tuple(run) == (None, None)
        assert await summarise_ended_runs(database_url, "ald") == [PROCESS]
        assert await d.sql.fetchval(summary) == 2


async def test_certain_ids_alone_are_tried(full: Desk, database_url: str) -> None:
    """The others are left as they are."""
    await full.sql.execute("ALTER TABLE process_data_points DROP CONSTRAINT no_nan")
    ids = [row["id"] for row in await full.sql.fetch("SELECT id FROM recorder_quarantine WHERE kind = 'row'")]
    assert await retried(full, database_url, ids[:1]) == Retried(rows=1)
    assert len(await kept(full)) == 3
    assert await stored_and_counted(full) == (5, 5, 3)


async def test_an_entry_of_a_newer_release_goes_in_after_an_upgrade(tmp_path: Path, database_url: str) -> None:
    """Rows and slots that were counted nowhere, once this release can read them."""
    header = points(1).encode_header()
    foreign = json.dumps({**json.loads(header), "version": 99}).encode()
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0), points(1)])
        store = d.spool._store._writer
        store.execute(
            "UPDATE entries SET header = ?, header_checksum = ? WHERE sequence = 2", (foreign, zlib.crc32(foreign))
        )
        store.commit()
        d.spool._recent.clear()
        d.start()
        await d.drained()
        assert await retried(d, database_url) == Retried(refused=1)
        assert await stored_and_counted(d) == (2, 2, 1)
        await d.sql.execute("UPDATE recorder_quarantine SET header = $1", header)
        assert await retried(d, database_url) == Retried(rows=2)
        assert await stored_and_counted(d) == (4, 4, 2)
        assert await d.values() == [0, 1]


async def test_everything_that_can_be_read_is_shown(full: Desk, database_url: str) -> None:
    """Rows as values, headers as they were spooled, and their bytes."""
    found: list[dict[str, Any]] = []
    async with single_session(database_url, "ald") as session:
        async for part in read_quarantine(session, None):
            found += map(readable, part)
    first, alarm, entry, _ = found
    assert (len(entry["rows"]), entry["header"]["row_count"]) == (2, 2)
    assert alarm["header"]["header"] == event("alarm", what="door").header
    assert first["rows"] == [
        {
            "timestamp_us": NOON_US + 1,
            "process_id": first["process_id"],
            "value": "nan",
            "set_value": None,
            "parameter_id": 2,
            "quality": 192,
        }
    ]
    assert bytes.fromhex(first["content"]) in with_values(0, [0.0, np.nan]).rows
