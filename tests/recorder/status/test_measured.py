"""What the daemon counts for `/metrics`."""

import time
from collections.abc import Mapping
from typing import Any

from recorder.acquisition.slot_counters import MOST_COUNTS, OTHER, SlotCounters
from recorder.database import Database, DatabaseSettings
from recorder.database.statement_times import BOUNDS_S, MOST_NAMES, OTHERS, StatementTimes
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.status.latency import BOUNDS_US, LatencyRecorder
from recorder.status.measured import metrics_handler

CALLS = 20_000


def slots_of(outcome: Outcome, cause: str, slots: int) -> Entry:
    """An entry that accounts for so many slots of one device."""
    count = SlotCount(
        process_id=1, device="plc", interval_ms=100, minute=0, outcome=outcome, cause=cause, slots=slots, rows=0
    )
    return Entry(kind=EntryKind.ACCOUNTING, accounting=(count,))


def test_a_duration_is_counted_in_the_bucket_that_ends_at_or_above_it() -> None:
    """The end of a bucket belongs to it, as Prometheus has it; what is above all has the last one."""
    times = StatementTimes()
    for seconds in (0.0, 0.0005, 0.0006, 2.0, 2.1, 1e6):
        times.add("advance_stream", seconds)
    picture = times.picture()["advance_stream"]
    counted = dict(zip((*BOUNDS_S, float("inf")), picture["counts"], strict=True))
    assert {bound: count for bound, count in counted.items() if count} == {
        0.0005: 2,
        0.001: 1,
        2.0: 1,
        5.0: 1,
        float("inf"): 1,
    }
    assert picture["sum_s"] == 0.0 + 0.0005 + 0.0006 + 2.0 + 2.1 + 1e6


def test_more_names_than_there_are_statements_cost_no_more_memory() -> None:
    """They are counted together."""
    times = StatementTimes()
    for number in range(MOST_NAMES + 10):
        times.add(f"statement_{number}", 0.1)
    assert len(times.picture()) == MOST_NAMES + 1
    assert sum(times.picture()[OTHERS]["counts"]) == 10


def test_counting_a_statement_costs_next_to_nothing() -> None:
    """Two microseconds were allowed; the best of five turns, since the machine does other things too."""
    times = StatementTimes()
    turns = []
    for _ in range(5):
        begun = time.process_time()
        for _ in range(CALLS):
            times.add("advance_stream", 0.0123)
        turns.append((time.process_time() - begun) / CALLS)
    assert min(turns) < 2e-6


async def test_statements_of_the_pool_are_counted_by_name(database_url: str) -> None:
    """Also those that are streamed, a batch at a time."""
    async with Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=1)) as database:
        await database.read("server_version")
        async with database.session() as session:
            await session.fetch("server_version")
            async with session.transaction():
                batches = [len(rows) async for rows in session.stream("old_day_partitions", None, batch_rows=10)]
        counted = {name: sum(figures["counts"]) for name, figures in database.times.picture().items()}
    assert batches == []
    assert counted == {"server_version": 2, "old_day_partitions": 2}


def test_slots_are_counted_by_device_outcome_and_cause() -> None:
    """They only grow; a flood of causes is counted together."""
    counters = SlotCounters()
    counters.see([slots_of(Outcome.COMPLETED, "", 10), slots_of(Outcome.FAILED, "timeout", 2)])
    counters.see([slots_of(Outcome.COMPLETED, "", 5)])
    assert counters.picture == [["plc", "completed", "", 15], ["plc", "failed", "timeout", 2]]
    for number in range(2 * MOST_COUNTS):
        counters.see([slots_of(Outcome.FAILED, f"cause {number}", 1)])
    assert len(counters.picture) == MOST_COUNTS + 1
    assert sum(slots for *_, slots in counters.picture) == 17 + 2 * MOST_COUNTS
    assert ["plc", "failed", OTHER, MOST_COUNTS + 2] in counters.picture


async def test_one_answer_has_everything(database_url: str) -> None:
    """The status, the histograms, and what the process takes."""
    latency = LatencyRecorder()
    for milliseconds in (1, 2, 3, 1000):
        latency.record("commit", milliseconds * 1_000_000)

    async def status(_request: Mapping[str, Any]) -> dict[str, Any]:
        return {"state": "recording"}

    async with Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=1)) as database:
        await database.read("server_version")
        handlers = metrics_handler(status, latency=latency, database=database, slots=SlotCounters())
        answer = await handlers["metrics"]({"command": "metrics"})
    assert answer["status"] == {"state": "recording"}
    commit = answer["stages"]["of"]["commit"]
    up_to = dict(zip(BOUNDS_US, commit["counts_up_to"], strict=True))
    assert (up_to[500], up_to[1_000], up_to[2_500], up_to[500_000], up_to[1_000_000]) == (0, 1, 2, 3, 4)
    assert (commit["count"], commit["sum_s"]) == (4, 1.006)
    assert answer["statements"]["of"].keys() == {"server_version"}
    assert answer["process"]["resident_bytes"] > 1_000_000
    assert answer["process"]["machine_memory_bytes"] > answer["process"]["resident_bytes"]
    assert answer["process"]["cpu_s"] > 0
