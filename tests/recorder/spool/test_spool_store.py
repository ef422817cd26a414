"""The spool's file: order, durability, shedding, and what it does when it is damaged."""

import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from recorder.errors import SpoolError
from recorder.spool.entry import Entry, EntryKind, Outcome
from recorder.spool.store import FILE_FORMAT, EncodedEntry, SpooledEntry, SpoolStore
from tests.recorder.entries import event, points, run_started

ROOMY = 10_000_000
SMALL = 1 << 20
"""The least that the configuration allows; about nine entries of `LARGE` rows."""
LARGE = 1000


@contextmanager
def opened(path: Path, *, max_bytes: int = ROOMY) -> Iterator[SpoolStore]:
    """A store for as long as the block runs."""
    store = SpoolStore(path, max_bytes=max_bytes)
    try:
        yield store
    finally:
        store.close()


def append(
    store: SpoolStore,
    *entries: Entry,
    state: str | None = None,
    acknowledge: int = 0,
    merge_above: int | None = None,
    unhanded: int | None = None,
) -> list[int]:
    """Append entries in one transaction."""
    encoded = [EncodedEntry.of(entry) for entry in entries]
    return store.append(encoded, state=state, acknowledge=acknowledge, merge_above=merge_above, unhanded=unhanded)


def on_disk(path: Path) -> int:
    """What the file takes, its log and the log's index included."""
    return sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))


def everything(store: SpoolStore, after: int = 0) -> list[SpooledEntry]:
    """All that waits."""
    return store.peek(after=after, max_rows=10**9)


def crash_copy(path: Path, folder: Path) -> Path:
    """The files as a crash of the process leaves them now."""
    folder.mkdir()
    for part in path.parent.glob(f"{path.name}*"):
        shutil.copy(part, folder / part.name)
    return folder / path.name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is to be made."""
    return tmp_path / "var" / "spool.sqlite3"


def test_entries_come_back_in_order_and_equal(path: Path) -> None:
    """Numbered from 1 without holes, over several appends."""
    entries = [run_started(), points(1), points(2), event()]
    with opened(path) as store:
        assert append(store, *entries[:2]) == [1, 2]
        assert append(store, *entries[2:]) == [3, 4]
        assert append(store) == []
        assert everything(store) == [SpooledEntry(sequence=n, entry=e) for n, e in enumerate(entries, start=1)]
        assert everything(store, after=2) == [SpooledEntry(sequence=3, entry=entries[2]), everything(store)[3]]


def test_an_append_that_returned_survives_a_crash(path: Path, tmp_path: Path) -> None:
    """Opened from a copy of the files, never closed: entries, state, stream and acknowledgement are there."""
    with opened(path) as store:
        append(store, points(1), points(2), state='{"a": 1}')
        append(store, points(3), state='{"a": 2}', acknowledge=1)
        with opened(crash_copy(path, tmp_path / "crash")) as after:
            assert everything(after) == everything(store)
            assert after.state == {"a": 2}
            assert (after.stream_id, after.acknowledged, after.last_sequence) == (store.stream_id, 1, 3)
            assert after.depth == store.depth
            assert append(after, points(4)) == [4]


def test_sequences_go_on_after_everything_was_acknowledged(path: Path) -> None:
    """An empty file still knows its last number, or two entries of a stream would share one."""
    with opened(path) as store:
        append(store, points(1), points(2))
        append(store, acknowledge=2)
        assert store.depth.entries == 0
    with opened(path) as store:
        assert (store.last_sequence, store.acknowledged) == (2, 2)
        assert append(store, points(3)) == [3]


def test_an_acknowledgement_forgets_only_with_an_append(path: Path) -> None:
    """It costs no transaction of its own; a smaller one later changes nothing."""
    with opened(path) as store:
        append(store, *(points(n) for n in range(5)))
        append(store, points(5), acknowledge=3)
        append(store, points(6), acknowledge=1)
        assert [spooled.sequence for spooled in everything(store)] == [4, 5, 6, 7]
        assert (store.acknowledged, store.depth.entries) == (3, 4)


def test_a_reading_is_bounded_by_rows_but_brings_at_least_one_entry(path: Path) -> None:
    """A transaction of the writer has a size; an entry larger than that still gets through."""
    with opened(path) as store:
        append(store, points(1, rows=50), points(2, rows=5), points(3, rows=5), event())
        assert [s.sequence for s in store.peek(after=0, max_rows=10)] == [1]
        assert [s.sequence for s in store.peek(after=1, max_rows=10)] == [2, 3, 4]
        assert [s.sequence for s in store.peek(after=1, max_rows=10, max_entries=1)] == [2]
        assert store.peek(after=4, max_rows=10) == []


def test_a_failed_append_changes_nothing(path: Path) -> None:
    """Neither entries nor state nor what is acknowledged, on disk and in memory; the next one gets the same number."""
    with opened(path) as store:
        append(store, points(1), points(2), state='{"a": 1}')
        before = (everything(store), store.depth, store.state, store.acknowledged, store.last_sequence)
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(sqlite3.OperationalError, match="full"):
            append(store, points(3, rows=5000), state='{"a": 2}', acknowledge=1)
        assert (everything(store), store.depth, store.state, store.acknowledged, store.last_sequence) == before
        store._writer.execute("PRAGMA max_page_count = 1000000")
        assert append(store, points(3, rows=5000)) == [3]


def shed_of(spooled: Sequence[SpooledEntry]) -> list[int]:
    """Sequences of entries that were given up."""
    return [s.sequence for s in spooled if s.entry.header.get("shed") == "spool_full"]


def test_a_full_spool_gives_up_idle_entries_first_and_the_oldest_first(path: Path) -> None:
    """Each leaves a tombstone in its place, with its slots and the rows that are lost."""
    entries = [points(n, rows=LARGE, is_idle=n in {3, 4, 5}) for n in range(1, 11)]
    with opened(path, max_bytes=SMALL) as store:
        append(store, run_started())
        for entry in entries:
            append(store, entry)
        shed = shed_of(everything(store))
        assert shed == [4, 5][: len(shed)], "idle ones"
        assert shed
        for number in range(11, 24):
            append(store, points(number, rows=LARGE))
        found = everything(store)
        shed = shed_of(found)
        run = [sequence for sequence in shed if sequence not in {4, 5, 6}]
        assert set(shed) >= {4, 5, 6}
        assert run == [n for n in range(2, 24) if n not in {4, 5, 6}][: len(run)], "then the oldest"
        assert run
        assert [s.sequence for s in found] == list(range(1, 25))
        assert store.shed_entries == len(shed)
        tombstone = found[3].entry
        assert (tombstone.kind, tombstone.rows, tombstone.is_idle) == (EntryKind.ACCOUNTING, b"", True)
        assert tombstone.header["lost_rows"] == LARGE
        assert [(c.outcome, c.cause, c.slots, c.rows) for c in tombstone.accounting] == [
            (Outcome.SHED, "spool_full", 1, 0)
        ]
        assert on_disk(path) <= SMALL
        assert found[0].entry == run_started()


def test_what_was_shed_is_known_after_a_crash(path: Path, tmp_path: Path) -> None:
    """Size and tombstones are those of the file."""
    with opened(path, max_bytes=SMALL) as store:
        for number in range(20):
            append(store, points(number, rows=LARGE), merge_above=10)
        assert store.shed_entries
        with opened(crash_copy(path, tmp_path / "crash"), max_bytes=SMALL) as after:
            assert everything(after) == everything(store)
            assert after.depth == store.depth


def test_shedding_that_is_rolled_back_is_not_counted(path: Path) -> None:
    """A full disk under a full spool gives up nothing twice."""
    with opened(path, max_bytes=SMALL) as store:
        append(store, *(points(number, rows=LARGE) for number in range(7)))
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        before = everything(store)
        with pytest.raises(sqlite3.OperationalError):
            append(store, event(text="x" * 2_000_000))
        assert store.shed_entries == 0
        assert everything(store) == before


def damage(path: Path, statement: str, *arguments: object) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, arguments)


def test_an_entry_whose_rows_are_damaged_is_counted_as_shed(path: Path) -> None:
    """Its header is whole, so its slots are known."""
    with opened(path) as store:
        append(store, points(1), points(2))
        rows = bytearray(points(1).rows)
        rows[20] ^= 1
        damage(path, "UPDATE entries SET rows = ? WHERE sequence = 1", bytes(rows))
        first, second = everything(store)
        assert [(c.outcome, c.cause, c.slots, c.rows) for c in first.entry.accounting] == [
            (Outcome.SHED, "damaged", 1, 0)
        ]
        assert first.entry.header["lost_rows"] == 2
        assert second.entry == points(2)


def damaged_header(header: bytes) -> bytes:
    """Another process id: still JSON, still an entry, and wrong."""
    return header.replace(b"123456789012", b"123456789013", 1)


def newer_header(header: bytes) -> bytes:
    """What a release to come may write."""
    return header.replace(b'"version":1', b'"version":3')


@pytest.mark.parametrize("entry", [points(1), run_started()])
def test_an_entry_whose_header_is_damaged_becomes_the_account_of_its_loss(path: Path, entry: Entry) -> None:
    """It names sequence, reason and rows, never acts as if it were whole, and the next entries go on."""
    with opened(path) as store:
        append(store, entry, points(2))
        damage(path, "UPDATE entries SET header = ? WHERE sequence = 1", damaged_header(entry.encode_header()))
        first, second = everything(store)
        assert first.entry.kind is EntryKind.EVENT
        assert first.entry.header["event"] == "entry_lost"
        assert first.entry.header["lost_rows"] == entry.row_count
        assert first.entry.header["detail"]["sequence"] == 1
        assert first.entry.header["detail"]["rows"] == entry.row_count
        assert "its header is damaged" in first.entry.header["detail"]["reason"]
        assert second.entry == points(2)


@pytest.mark.parametrize("entry", [points(1), run_started()])
def test_an_entry_of_a_newer_release_stays_as_it_is(path: Path, entry: Entry) -> None:
    """The writer keeps it with its reason for the release that can read it; the next entries go on."""
    with opened(path) as store:
        append(store, entry, points(2))
        header = newer_header(entry.encode_header())
        damage(
            path, "UPDATE entries SET header = ?, header_checksum = ? WHERE sequence = 1", header, zlib.crc32(header)
        )
        first, second = everything(store)
        assert first.entry.kind is EntryKind.UNKNOWN
        assert bytes.fromhex(first.entry.header["spooled"]) == header
        assert "entry format 3 is newer" in first.entry.header["reason"]
        assert (first.entry.rows, first.entry.row_count) == (entry.rows, entry.row_count)
        assert second.entry == points(2)


@pytest.mark.parametrize("is_newer", [False, True])
def test_an_entry_that_cannot_be_read_can_be_shed(path: Path, is_newer: bool) -> None:
    """A full spool does not stumble over it, and its loss stays told."""
    with opened(path, max_bytes=SMALL) as store:
        append(store, *(points(n, rows=LARGE) for n in range(7)))
        header = newer_header(points(0, rows=LARGE).encode_header()) if is_newer else b"\0"
        damage(path, "UPDATE entries SET header = ? WHERE sequence = 1", header)
        if is_newer:
            damage(path, "UPDATE entries SET header_checksum = ? WHERE sequence = 1", zlib.crc32(header))
        append(store, *(points(n, rows=LARGE) for n in range(10, 20)), merge_above=0)
        found = everything(store)
        assert found[0].entry.header["event"] == "entry_lost"
        assert found[0].entry.header["lost_rows"] == LARGE
        assert found[0].sequence == 1


@pytest.mark.parametrize(
    "content",
    [b"this is not a database" * 100, b"SQLite format 3\x00" + b"\xff" * 8000],
    ids=["other", "torn"],
)
def test_a_damaged_file_is_set_aside_and_a_new_stream_begun(path: Path, content: bytes) -> None:
    """Nothing of it is deleted, and recording goes on."""
    path.parent.mkdir()
    path.write_bytes(content)
    with opened(path) as store:
        assert store.set_aside is not None
        assert store.set_aside.read_bytes() == content
        assert append(store, points(1)) == [1]
    with opened(path) as store:
        assert store.set_aside is None
        assert len(everything(store)) == 1


def test_a_file_damaged_in_the_middle_is_set_aside_with_its_log(path: Path) -> None:
    """A page of zeros among the entries is found as it is opened; the new stream is another one."""
    with opened(path) as store:
        append(store, *(points(n, rows=100) for n in range(100)))
        stream = store.stream_id
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2 // 4096 * 4096)
        file.write(bytes(8192))
    with opened(path) as store:
        assert store.set_aside is not None
        assert store.set_aside.stat().st_size == size
        assert store.stream_id != stream
        assert everything(store) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM spool WHERE key = 'state'",
        "DELETE FROM spool WHERE key = 'stream_id'",
        "UPDATE spool SET value = 'x' WHERE key = 'stream_id'",
        "UPDATE spool SET value = 'x' WHERE key = 'acknowledged'",
        "UPDATE spool SET value = '{' WHERE key = 'state'",
        "UPDATE spool SET value = '[]' WHERE key = 'state'",
    ],
)
def test_a_file_that_no_longer_says_what_it_is_counts_as_damaged(path: Path, statement: str) -> None:
    """SQLite finds it sound, but its stream or its state cannot be trusted."""
    with opened(path) as store:
        append(store, points(1))
    damage(path, statement)
    with opened(path) as store:
        assert store.set_aside is not None
        assert everything(store) == []


def test_an_empty_file_is_a_new_spool(path: Path) -> None:
    """A power cut right after it was made leaves one."""
    path.parent.mkdir()
    path.touch()
    with opened(path) as store:
        assert store.set_aside is None
        assert append(store, points(1)) == [1]


def test_a_file_of_a_newer_release_is_left_alone(path: Path) -> None:
    """It is neither damaged nor ours: one line says what to do."""
    with opened(path) as store:
        append(store, points(1))
    damage(path, f"PRAGMA user_version = {FILE_FORMAT + 1}")
    with pytest.raises(SpoolError, match="made by a newer release"):
        SpoolStore(path, max_bytes=ROOMY)
    assert [part.name for part in path.parent.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    """It names the place and the field of the configuration."""
    (tmp_path / "file").touch()
    with pytest.raises(SpoolError, match=r"file/var: cannot be used.*data_directory"):
        SpoolStore(tmp_path / "file" / "var" / "spool.sqlite3", max_bytes=ROOMY)
    (tmp_path / "spool.sqlite3").mkdir()
    with pytest.raises(SpoolError, match="check disk and rights"):
        SpoolStore(tmp_path / "spool.sqlite3", max_bytes=ROOMY)


def test_the_file_is_written_through_to_the_disk(path: Path) -> None:
    """WAL with synchronous=FULL: what makes an append durable against a power cut."""
    with opened(path) as store:
        assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,)


def test_the_state_is_a_copy(path: Path) -> None:
    """Whoever reads it cannot change what is kept."""
    with opened(path) as store:
        append(store, state=json.dumps({"a": [1]}))
        store.state["a"].append(2)
        assert store.state == {"a": [1]}


def test_what_was_drained_is_not_written_over(tmp_path: Path) -> None:
    """Forgetting a hundred large entries writes a few pages of the tree to the log, and none of their content."""
    with opened(tmp_path / "spool.sqlite3") as store:
        append(store, *(points(number, rows=500) for number in range(100)))
        store._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        append(store, acknowledge=100)
        assert (tmp_path / "spool.sqlite3-wal").stat().st_size < 20 * 4096


def test_the_limit_holds_although_it_is_not_asked_for_far_from_it(tmp_path: Path) -> None:
    """From an empty file on, in appends of a quarter of a megabyte: the pages in use never pass what they may."""
    with opened(tmp_path / "spool.sqlite3", max_bytes=2 * ROOMY) as store:
        used = []
        for first in range(0, 1_000, 10):
            append(store, *(points(number, rows=500) for number in range(first, first + 10)))
            used.append(store.used_bytes if first % 200 == 0 else 0)
        assert store.used_bytes <= store.limit_bytes
        assert max(used) <= store.limit_bytes
        assert store.shed_entries > 0
