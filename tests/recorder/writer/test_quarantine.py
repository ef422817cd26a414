"""What PostgreSQL refuses for its content is set apart with the reason; all the rest is stored, in order and once."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from recorder.database import connect_once
from recorder.errors import ContentRefusedError
from recorder.spool.batch import RowEncoder, split_rows
from recorder.spool.entry import COLUMNS, Entry, EntryKind
from recorder.writer.quarantine import MOST_ROWS_SINGLY
from recorder.writer.writer import WriterState
from tests.recorder.entries import NOON_US, PROCESS, event, points, run_started
from tests.recorder.writing import Desk, desk

FAR_US = 9_000_000_000_000_000_000
"""In the year 287,168: PostgreSQL has such a time, no calendar of Python has."""
KEPT = "SELECT kind, sequence, row_index, row_count, sqlstate FROM recorder_quarantine ORDER BY id"
NO_NAN = "ALTER TABLE process_data_points ADD CONSTRAINT no_nan CHECK (value IS NULL OR value <> 'NaN')"
"""As a site's administrator may add it."""


def with_values(number: int, values: Sequence[float], *, timestamps_us: Sequence[int] | None = None) -> Entry:
    """The entry of a slot whose rows have these values; NaN is a value here, as a foreign release might spool it."""
    entry = points(number, rows=len(values))
    array = np.array(values)
    rows = RowEncoder(np.arange(1, len(values) + 1, dtype=np.int32)).encode(
        process_id=PROCESS,
        timestamps_us=np.array(timestamps_us or [entry.first_us + row for row in range(len(values))]),
        values=np.where(np.isnan(array), 4711.0, array),
        set_values=np.full(len(values), np.nan),
        quality=np.full(len(values), 192, np.int16),
    )
    a, b = np.float64(4711.0).byteswap().tobytes(), np.float64(np.nan).byteswap().tobytes()
    return replace(entry, rows=rows.replace(a, b))


async def kept(d: Desk) -> list[tuple[Any, ...]]:
    """What is in quarantine: kind, sequence, row, rows, SQLSTATE."""
    return [tuple(row) for row in await d.sql.fetch(KEPT)]


async def stored_and_counted(d: Desk) -> tuple[int, int, int]:
    """Rows stored, rows that the accounting expects, and slots; the first two must agree."""
    return (
        await d.sql.fetchval("SELECT count(*) FROM process_data_points"),
        int(await d.sql.fetchval("SELECT coalesce(sum(rows), 0) FROM acquisition_minutes")),
        int(await d.sql.fetchval("SELECT coalesce(sum(slots), 0) FROM acquisition_minutes")),
    )


async def test_a_row_that_a_constraint_forbids_goes_into_quarantine_and_the_rest_is_stored(
    tmp_path: Path, database_url: str
) -> None:
    """Among good entries and good rows; with its bytes, its columns, the reason and where it came from."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute(NO_NAN)
        await d.spool.append([points(0), with_values(1, [1.0, np.nan, 1.0]), points(2)])
        d.start()
        await d.drained()
        assert await d.values() == [0, 1, 2]
        assert await kept(d) == [("row", 2, 1, 1, "23514")]
        [row] = await d.sql.fetch("SELECT * FROM recorder_quarantine")
        assert (row["stream_id"], tuple(row["columns"])) == (d.spool.stream_id, COLUMNS)
        assert (row["process_id"], row["device"]) == (PROCESS, "plc")
        assert row["occurred_at"].timestamp() * 1_000_000 == pytest.approx(NOON_US + 100_001)
        assert "no_nan" in row["error"]
        [again] = split_rows(row["content"])
        assert (again.parameter_id, again.quality) == (2, 192)
        assert again.value is not None
        assert np.isnan(again.value)
        assert await stored_and_counted(d) == (6, 6, 3)
        assert await d.watermark() == d.spool.acknowledged == 3
        assert (d.writer.totals.rows, d.writer.totals.quarantined_rows) == (6, 1)
        assert d.writer.state is WriterState.WRITING


async def test_every_row_of_every_entry_may_be_refused(tmp_path: Path, database_url: str) -> None:
    """Nothing is stored, everything is kept, each row once, and the writer goes on with what comes after."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute("ALTER TABLE process_data_points ADD CHECK (value > 49)")
        await d.spool.append([points(number, rows=110) for number in range(50)])
        d.start()
        await d.drained()
        assert await d.values() == []
        assert len(set(await kept(d))) == 5500
        await d.spool.append([points(50, rows=110)])
        await d.drained()
        assert await stored_and_counted(d) == (110, 110, 51)


async def test_one_bad_row_in_a_large_backlog_is_found_by_halving(tmp_path: Path, database_url: str) -> None:
    """The good halves go in transactions of their own; order and watermark are those of the spool."""
    entries = [points(number, rows=100) for number in range(300)]
    entries[211] = with_values(211, [211.0] * 70 + [np.nan] + [211.0] * 29)
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute(NO_NAN)
        await d.spool.append(entries)
        assert sum(entry.row_count for entry in entries) > 4 * MOST_ROWS_SINGLY
        d.start()
        await d.drained()
        assert await kept(d) == [("row", 212, 70, 1, "23514")]
        assert await d.values() == [float(number) for number in range(300)]
        assert await stored_and_counted(d) == (29_999, 29_999, 300)
        assert 4 <= d.writer.totals.transactions <= 8


async def test_a_time_that_no_calendar_holds_stops_nothing(tmp_path: Path, database_url: str) -> None:
    """Neither one beyond PostgreSQL's range, nor one only beyond any partition, nor an entry that spans ages."""
    entry = with_values(1, [1.0, 1.0, 1.0, 1.0], timestamps_us=[NOON_US, FAR_US, 2**63 - 1, -(2**62)])
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0), replace(entry, first_us=-(2**62), last_us=2**63 - 1), points(2)])
        await d.spool.append([replace(points(3), first_us=FAR_US, last_us=FAR_US)])
        d.start()
        await d.drained()
        assert [row[:4] for row in await kept(d)] == [("row", 2, 1, 1), ("row", 2, 2, 1), ("row", 2, 3, 1)]
        assert sorted(await d.values()) == [0, 1, 2, 3]
        assert await d.sql.fetchval("SELECT count(*) FROM recorder_quarantine WHERE occurred_at IS NULL") == 3
        assert await stored_and_counted(d) == (7, 7, 4)
        days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'process_data_points'::regclass"
        assert await d.sql.fetchval(days) == 1


@pytest.mark.parametrize(
    ("bad", "sqlstate"),
    [
        (run_started(process_id=2**63), "22003"),
        (run_started(kind="nonsense"), "23514"),
        (run_started(started_us=FAR_US * 10), "22003"),
        (Entry(kind=EntryKind.PROCESS, header={"event": "run_started", "process_id": PROCESS}), "ALQ01"),
        (Entry(kind=EntryKind.EVENT, header={"detail": {}}), "ALQ01"),
        (event("x" * 5, weight=float("nan")), "22P02"),
        (replace(event(), header={"event": "moved", "process_id": 2**70, "device": "a\0b"}), "22003"),
    ],
    ids=["process id", "kind of run", "time", "run without fields", "event without name", "NaN in JSON", "event's id"],
)
async def test_an_event_that_is_refused_goes_into_quarantine(
    tmp_path: Path, database_url: str, bad: Entry, sqlstate: str
) -> None:
    """Between others, which are stored; its header is kept as it was spooled."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([event("before"), points(0), bad, event("after"), points(1)])
        d.start()
        await d.drained()
        assert await kept(d) == [("event", 3, None, 0, sqlstate)]
        assert await d.sql.fetchval("SELECT header FROM recorder_quarantine") == bad.encode_header()
        assert await d.sql.fetchval("SELECT string_agg(kind, ' ' ORDER BY id) FROM recorder_events") == "before after"
        assert await d.values() == [0, 1]
        assert await stored_and_counted(d) == (4, 4, 2)
        assert d.writer.totals.quarantined_entries == 1


async def test_an_entry_of_a_newer_release_is_kept_as_it_is(tmp_path: Path, database_url: str) -> None:
    """A kind that this release cannot write, a format that it cannot read: header and rows, byte for byte."""
    foreign = [
        json.dumps({**json.loads(points(1).encode_header()), **changes}).encode()
        for changes in ({"kind": "spectrum"}, {"version": 99}, {"columns": ["timestamp", "counts"]})
    ]
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0), points(1), points(2), points(3), points(4)])
        for sequence, header in enumerate(foreign, start=2):
            await replace_header(d, sequence, header)
        d.start()
        await d.drained()
        assert await kept(d) == [("entry", sequence, None, 2, "ALQ01") for sequence in (2, 3, 4)]
        found = await d.sql.fetch("SELECT header, content FROM recorder_quarantine ORDER BY sequence")
        assert [row["header"] for row in found] == foreign
        assert [row["content"] for row in found] == [points(number).rows for number in (1, 2, 3)]
        assert await d.values() == [0, 4]


async def replace_header(d: Desk, sequence: int, header: bytes) -> None:
    """Let the file hold another header, and the spool read it from there."""
    store = d.spool._store._writer
    store.execute(
        "UPDATE entries SET header = ?, header_checksum = ? WHERE sequence = ?", (header, zlib.crc32(header), sequence)
    )
    store.commit()
    d.spool._recent.clear()


@pytest.mark.parametrize("rows", [b"\x00\x06\x00\x00", b"nonsense", points(1).rows[:-1]])
async def test_rows_that_are_none_are_kept_whole(tmp_path: Path, database_url: str, rows: bytes) -> None:
    """As one entry; its slot is counted, with no row to be stored."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0), replace(points(1), rows=rows), points(2)])
        d.start()
        await d.drained()
        assert await kept(d) == [("entry", 2, None, 2, "ALQ01")]
        assert await d.sql.fetchval("SELECT content FROM recorder_quarantine") == rows
        assert await d.values() == [0, 2]
        assert await stored_and_counted(d) == (4, 4, 3)
        assert await d.watermark() == 3


async def test_an_entry_whose_accounting_is_refused_is_kept_whole(tmp_path: Path, database_url: str) -> None:
    """Its rows could not be balanced; those beside it are stored and counted."""
    bad = points(1)
    bad = replace(bad, accounting=(replace(bad.accounting[0], process_id=2**63),))
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0), bad, points(2)])
        d.start()
        await d.drained()
        assert await kept(d) == [("entry", 2, None, 2, "22003")]
        assert await d.sql.fetchval("SELECT header FROM recorder_quarantine") == bad.encode_header()
        assert await d.values() == [0, 2]
        assert await stored_and_counted(d) == (4, 4, 2)


async def test_a_constraint_that_speaks_only_at_the_end_is_heard_too(tmp_path: Path, database_url: str) -> None:
    """A deferred trigger of the site refuses at COMMIT, where no row could be told apart any more."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.value = 3 THEN RAISE EXCEPTION 'three is not liked here'; END IF; RETURN NULL; END $$"
        )
        await d.sql.execute("SELECT ensure_day_partition('2023-11-15')")
        await d.sql.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON process_data_points_20231115"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        await d.spool.append([points(number) for number in range(6)])
        d.start()
        await d.drained()
        assert await kept(d) == [("row", 4, 0, 1, "P0001"), ("row", 4, 1, 1, "P0001")]
        assert await d.values() == [0, 1, 2, 4, 5]
        assert await stored_and_counted(d) == (10, 10, 6)


async def test_what_is_no_fault_of_the_content_is_waited_for(tmp_path: Path, database_url: str) -> None:
    """A trigger that is broken, a right that is missing: nothing goes into quarantine, and nothing is lost."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute("ALTER TABLE guarded_points RENAME COLUMN quality TO grade")
        await d.spool.append([points(0), points(1)])
        d.start()
        await d.away()
        await d.sql.execute("ALTER TABLE guarded_points RENAME COLUMN grade TO quality")
        await d.drained()
        assert await kept(d) == []
        assert await d.values() == [0, 1]


async def test_the_same_reasons_are_known_on_both_sides(database_url: str) -> None:
    """What this program halves for, the function in the database bisects for."""
    sql = await connect_once(database_url, schema="ald")
    try:
        query = "SELECT is_refusal_of_content($1)"
        classes = [f"{first}{second}" for first in "0123456789ABCDEFHPX" for second in "0123456789ABCFPUVLX"]
        found = {code for code in classes if await sql.fetchval(query, code + "000")}
    finally:
        await sql.close()
    assert found == ContentRefusedError.CLASSES


async def test_a_refusal_that_lasts_is_told_once(tmp_path: Path, database_url: str) -> None:
    """A constraint that meets every scan would fill the log."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute(NO_NAN)
        with capture_logs() as logs:
            d.start()
            for number in range(5):
                await d.spool.append([with_values(number, [float(number), np.nan])])
                await d.drained()
        assert len(await kept(d)) == 5
    assert [line["event"] for line in logs].count("quarantined") == 1
