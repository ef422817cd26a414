"""The readers of the load test: they read what is there, and an error of theirs is counted."""

import pytest

from benchmarks.owner_complaint import Measured, figures, table
from benchmarks.readers import read_together
from recorder.check.spread import Spread
from recorder.measure import ways
from recorder.measure.record_time import RecordTimes

pytestmark = pytest.mark.alone


async def test_readers_keep_their_pace_and_have_no_error(database_url: str) -> None:
    """Four of them for half a second, each ten times a second."""
    reading = await read_together(database_url, 1, readers=4, seconds=0.5)
    assert reading.errors == 0
    assert 4 <= reading.reads <= 4 * 6
    assert reading.p50_ms <= reading.p95_ms <= reading.longest_ms


async def test_reads_that_fail_are_counted(database_url: str) -> None:
    """A database without our tables answers none."""
    reading = await read_together(database_url, 2**70, readers=2, seconds=0.2)
    assert reading.errors > 0


def test_the_complaint_is_set_against_its_goals() -> None:
    """From the same run: the table for people, and the figures with their verdicts."""
    costs = [
        ways.Cost(way=way, definitions_ms=200.0, definitions_round_trips=6, set_value_ms=32.0, queries_a_minute=60)
        for way in ways.WAYS[:-1]
    ]
    costs.append(
        ways.Cost(
            way=ways.PREPARED,
            definitions_ms=33.0,
            definitions_round_trips=1,
            set_value_ms=0.06,
            queries_a_minute=1,
        )
    )
    spread = Spread.of([1.0])
    measured = Measured(
        map_name="a map",
        parameters=9,
        costs=costs,
        record=RecordTimes(spooled=spread, committed=spread),
        step=Spread.of([11.0]),
        fsync=spread,
    )
    verdicts = {figure.what: figure.verdict for figure in figures(measured)}
    assert verdicts.pop("µs, set-value of the cache") == "MISSED"
    assert verdicts.pop("ms, parameter step") == "MISSED"
    assert verdicts.pop("ms, one fsync by itself") == ""
    assert set(verdicts.values()) == {"reached"}
    assert "| and prepared statements: all of it | 33.0 ms | 1 | 6.1 | 60.0 µs | 1 |" in table(measured)
