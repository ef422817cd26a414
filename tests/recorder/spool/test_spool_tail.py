"""What the spool keeps of entries that the database has, for the case that it has them no longer."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recorder.spool.store import SpoolStore
from recorder.spool.stored_entry import EncodedEntry, SpoolDepth
from tests.recorder.entries import points

ROOMY = 10_000_000
SMALL = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool lies."""
    return tmp_path / "spool.sqlite3"


def test_the_newest_acknowledged_entries_are_kept_within_their_bytes(path: Path) -> None:
    """They are no part of what waits, a reopened file still has them, and an older watermark gets them again."""
    size = EncodedEntry.of(points(40, rows=100)).size_bytes
    store = SpoolStore(path, max_bytes=ROOMY, keep_bytes=10 * size)
    for number in range(50):
        store.append([EncodedEntry.of(points(number, rows=100))], state=None, acknowledge=max(0, number - 1))
    assert store.depth == SpoolDepth(entries=2, bytes=2 * size)
    assert store.kept_bytes == 10 * size
    store.close()
    store = SpoolStore(path, max_bytes=ROOMY, keep_bytes=10 * size)
    assert (store.depth, store.kept_bytes, store.acknowledged) == (SpoolDepth(entries=2, bytes=2 * size), 10 * size, 48)
    assert store.take_back(43) == 43
    assert (store.depth.entries, store.kept_bytes) == (7, 5 * size)
    assert [found.sequence for found in store.peek(after=43, max_rows=10**9)] == list(range(44, 51))
    store.close()
    store = SpoolStore(path, max_bytes=ROOMY, keep_bytes=10 * size)
    assert (store.acknowledged, store.depth.entries) == (43, 7), "a crash does not confirm them again"
    assert store.take_back(5) == 38, "what came before is forgotten"
    assert store.depth.entries == 12
    store.close()
    with closing(sqlite3.connect(path)) as older, older:
        older.execute("DELETE FROM entries WHERE sequence <= 45")
        older.execute("UPDATE spool SET value = '45' WHERE key = 'acknowledged'")
    store = SpoolStore(path, max_bytes=ROOMY, keep_bytes=10 * size)
    assert store.take_back(0) == 45, "the release before forgot them without saying so"
    store.close()


def test_what_is_kept_goes_before_anything_is_shed(path: Path) -> None:
    """A full spool first forgets what the database has."""
    store = SpoolStore(path, max_bytes=SMALL, keep_bytes=SMALL)
    sequence = 0
    for number in range(100):
        [sequence] = store.append([EncodedEntry.of(points(number, rows=100))], state=None, acknowledge=sequence)
    assert store.kept_bytes > 50_000
    entry = EncodedEntry.of(points(1, rows=1000))
    while not store.is_short([entry]):
        store.append([entry], state=None, acknowledge=0)
    assert store.kept_bytes > 50_000
    store.append([entry], state=None, acknowledge=0)
    assert (store.kept_bytes, store.shed_entries) == (0, 0)
    assert store.take_back(0) == sequence - 1
    store.close()
