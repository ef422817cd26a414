"""A commit waits for the database once, however far away it is."""

import time
from pathlib import Path

import pytest

from benchmarks.commit_round_trips import costs
from recorder.cli.fault_lab.proxy import Proxy
from recorder.spool.entry import Entry
from tests.recorder.entries import event, points, run_started
from tests.recorder.writing import desk

pytestmark = pytest.mark.alone

FAR_MS = 200.0


@pytest.mark.parametrize(
    "entries",
    [[points(1, rows=110)], [event()], [run_started(), event(), points(1, rows=110), points(2)]],
    ids=["points", "event", "both"],
)
async def test_a_commit_of_the_writer_is_one_round_trip(
    tmp_path: Path, database_url: str, entries: list[Entry]
) -> None:
    """Counted on the wire, and by the clock: less than two of them."""
    async with (
        Proxy(database_url).listening() as line,
        desk(tmp_path, line.url, sql_url=database_url) as d,
    ):
        d.start()
        await d.spool.append([points(0)])
        await d.drained()
        line.round_trip_ms = FAR_MS
        before, began = line.round_trips, time.monotonic()
        await d.spool.append(entries)
        await d.drained()
        assert line.round_trips - before == 1
        assert FAR_MS <= (time.monotonic() - began) * 1000 < 2 * FAR_MS


async def test_the_benchmark_sets_one_message_against_four(database_url: str) -> None:
    """Both ways over the same line."""
    one, several = await costs(database_url, round_trip_ms=20, commits=3)
    assert (one.round_trips, several.round_trips) == (1, 4)
    assert 20 <= one.milliseconds < several.milliseconds
    assert several.milliseconds >= 80
