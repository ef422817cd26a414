"""An upgrade with a full spool: the file of the release before is read, and one that this release wrote still by it."""

import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from recorder.spool.entry import Entry, EntryKind
from recorder.spool.spool import Spool
from recorder.spool.store import SpoolStore
from recorder.spool.stored_entry import EncodedEntry
from tests.recorder.entries import event, points, run_started
from tests.recorder.writing import desk

DUMP: Final = Path(__file__).with_name("spool_of_0049b40.sql")
ROOMY = 100_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of the older release."""
    path = tmp_path / "spool.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(DUMP.read_text())
    return path


def without_slots(entry: Entry) -> Entry:
    """As that release would have written it: it did not say which slots a count counts."""
    return replace(entry, accounting=tuple(replace(count, slots_at=()) for count in entry.accounting))


OLD: Final = {
    2: without_slots(points(1)),
    3: without_slots(points(2, is_idle=True)),
    4: without_slots(points(3)),
    5: event(reason="x"),
    6: run_started(2),
    7: without_slots(points(4).tombstone("spool_full")),
}


async def test_the_entries_of_the_release_before_are_read(path: Path) -> None:
    """Every one, equal, in its place, with state and stream; new ones come behind them."""
    async with Spool(path, max_bytes=ROOMY) as spool:
        assert str(spool.stream_id) == "863a14fb-29f3-4fc4-8b3f-b973ed64879e"
        assert spool.state == {"last_slots": {"plc/100": 2}}
        assert (spool.acknowledged, spool.last_sequence, spool.set_aside) == (1, 7, None)
        assert {s.sequence: s.entry for s in await spool.peek(after=1, max_rows=10**9)} == OLD
        assert await spool.append([points(5)]) == 8


async def test_the_entries_of_the_release_before_are_written_to_the_database(
    tmp_path: Path, path: Path, database_url: str
) -> None:
    """Rows once, and every slot counted."""
    assert path.parent == tmp_path
    async with desk(tmp_path, database_url) as d:
        # what it had acknowledged is in a database that this test does not have
        d.start()
        await d.drained()
        assert await d.values() == [1, 2, 3]
        assert await d.sql.fetchval("SELECT sum(slots) FROM acquisition_minutes") == 4


def test_what_the_release_before_shed_and_kept_can_be_merged_and_shed(path: Path) -> None:
    """Starts of runs that it wrote stay, and no count moves past them."""
    store = SpoolStore(path, max_bytes=1 << 20)
    for number in range(5, 50):
        store.append(
            [EncodedEntry.of(points(number, rows=500))],
            state=None,
            acknowledge=0,
            merge_above=1 if number > 30 else None,
        )
    found = {s.sequence: s.entry for s in store.peek(after=1, max_rows=10**9)}
    store.close()
    assert found[6] == run_started(2)
    assert found[5] == event(reason="x")
    before = sum(count.slots for number, entry in found.items() if number < 6 for count in entry.accounting)
    after = sum(count.slots for number, entry in found.items() if number > 6 for count in entry.accounting)
    assert (before, after) == (3, 46)


def test_the_release_before_reads_a_file_of_this_one(tmp_path: Path) -> None:
    """Same file format, same columns, and each row by its checksums, merged tombstones too."""
    path = tmp_path / "new.sqlite3"
    store = SpoolStore(path, max_bytes=1 << 20)
    for number in range(60):
        entry = EncodedEntry.of(points(number, rows=500))
        store.append([entry], state="{}", acknowledge=0, merge_above=0, unhanded=0)
    newest = store.last_sequence
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        kept = dict(connection.execute("SELECT key, value FROM spool"))
        assert {"stream_id", "acknowledged", "state"} <= kept.keys()
        rows = connection.execute(
            "SELECT sequence, row_count, header_checksum, rows_checksum, header, rows FROM entries ORDER BY sequence"
        ).fetchall()
    assert rows[-1][0] == newest
    for _, row_count, header_checksum, rows_checksum, header, body in rows:
        assert zlib.crc32(header) == header_checksum
        assert zlib.crc32(body) == rows_checksum
        assert Entry.decode(header, body).row_count == row_count
    assert Entry.decode(rows[0][4], b"").kind is EntryKind.ACCOUNTING
