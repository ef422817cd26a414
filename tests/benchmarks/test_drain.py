"""The rows of backlog, spool and far database, each at work for a moment; their figures are not judged here."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import drain, far_database, spool_append
from benchmarks.backlog import INTERVAL_MS, Backlog
from benchmarks.figure import QUICK
from benchmarks.rig import Server, server
from recorder.spool.spool import Spool

pytestmark = pytest.mark.alone

SHORT = dataclasses.replace(QUICK, drain_points=250_000, far_s=1.0)


@pytest.fixture
def place(short_directory: Path) -> Iterator[Server]:
    """A PostgreSQL as the benchmarks have it."""
    with server(short_directory) as place:
        yield place


async def test_a_backlog_is_what_the_daemon_would_have_spooled(tmp_path: Path) -> None:
    """So many entries without a shed, one slot each, in order and up to now."""
    backlog = Backlog(scans=600, parameters=110)
    last = await backlog.spool(tmp_path / "spool.sqlite3", max_bytes=100_000_000)
    async with Spool(tmp_path / "spool.sqlite3", max_bytes=100_000_000) as spool:
        found = [spooled.entry for spooled in await spool.peek(after=0, max_rows=1_000_000)]
    assert last == len(found) == 600
    assert sum(entry.row_count for entry in found) == backlog.points == 66_000
    slots = [count.slots_at[0][0] for entry in found for count in entry.accounting]
    assert slots == list(range(slots[0], slots[0] + 600))
    assert [entry.first_us for entry in found] == [slot * INTERVAL_MS * 1000 for slot in slots]


async def test_a_drain_is_measured_with_all_of_it_stored(place: Server) -> None:
    """A real daemon upon a backlog; that each point is stored once is asserted by the row itself."""
    rate, share, memory_mb, missed = await drain.measure(place, SHORT)
    assert all(figure.value is not None and figure.value > 0 for figure in (rate, share, memory_mb))
    assert missed.value is not None
    assert "completed" in missed.note


async def test_recording_is_measured_with_the_database_far_away_and_with_none(place: Server) -> None:
    """Two daemons: a commit takes a round trip at least, and without a database scans are spooled as well."""
    far, away, commit = await far_database.measure(place, SHORT)
    assert far.value is not None
    assert away.value is not None
    assert commit.value is not None
    assert commit.value >= far_database.ROUND_TRIP_MS


async def test_appends_are_measured_beside_a_bare_file(tmp_path: Path) -> None:
    """Two percentiles, and what the disk alone takes."""
    p50, p99 = await spool_append.measure(tmp_path, seconds=0.5)
    assert p50.value is not None
    assert p99.value is not None
    assert 0 < p50.value <= p99.value
    assert "fdatasync" in p50.note
