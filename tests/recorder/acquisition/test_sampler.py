"""From a slot to durable rows: every slot ends once, is counted once, and belongs to the process in force."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.errors import LinkError, MalformedError, RequestTimeoutError
from hal.memory import MemoryDevice
from hal.parameter import DataType, RegisterKind
from recorder.acquisition.recording import Roles
from recorder.spool.entry import EntryKind, Outcome
from tests.recorder.copy_format import read_rows
from tests.recorder.fake_time import NOON_US, FakeTime
from tests.recorder.sampling import PRESSURE, bench, holding, slots, spread

NOON_SLOT = NOON_US // 100_000


async def until(is_so: Callable[[], bool]) -> None:
    """Let everybody else run until something is so."""
    while not is_so():  # noqa: ASYNC110  (the device in memory has no event for it)
        await asyncio.sleep(0)


async def test_each_slot_makes_a_row_a_parameter_with_the_time_of_its_request(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """UTC of the middle between request and response; quality, process and value of the same scan."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(1.0)
        entries = [entry for entry in await b.entries() if entry.kind is EntryKind.POINTS]
        assert [e.header["first_slot"] for e in entries] == list(range(NOON_SLOT, NOON_SLOT + 10))
        assert all(e.header["first_slot"] == e.header["last_slot"] for e in entries)
        rows = [row for row in await b.rows() if row.parameter_id == PRESSURE.parameter_id]
        assert [row.timestamp_us for row in rows] == [NOON_US + n * 100_000 + 500 for n in range(10)]
        assert b.recording.tracker.current is not None
        assert {row[1:] for row in rows} == {(b.recording.tracker.current.process_id, 0.25, None, 5, 192)}
        assert len(await b.rows()) == 5 * 10, "text makes no rows"
        assert all((e.first_us, e.last_us, e.row_count) == (e.first_us, e.first_us + 1000, 5) for e in entries)
        assert slots(await b.accounting()) == {("completed", ""): 10}
        totals = b.recording.totals
        assert (totals.scheduled, totals.completed, totals.rows, totals.lost_rows) == (10, 10, 50, 0)


async def test_slots_of_any_outcome_are_contiguous(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """A long scan, one that makes the next late, an outage: from first to last no number is missing or twice."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        b.works_s += [0.0] * 2 + [0.35, 0.0] + [0.12, 0.0]
        await b.sample(1.5)
        memory.become_unreachable()
        await b.sample(0.5)
        entries = [entry for entry in await b.entries() if entry.kind is EntryKind.POINTS]
        expected = NOON_SLOT
        for entry in entries:
            assert entry.header["first_slot"] == expected
            expected = entry.header["last_slot"] + 1
        counted = slots(await b.accounting())
        assert sum(counted.values()) == expected - NOON_SLOT == 20
        assert counted["skipped", "overrun"] == 2
        assert counted["late", ""] == 2
        assert counted["failed", "not_connected"] == 5
        totals = b.recording.totals
        assert totals.scheduled == totals.completed + totals.late + totals.failed + totals.skipped == 20


async def test_a_device_that_is_away_still_makes_its_rows(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """Bad ones, without a value: a failed read is a row, not a gap."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        memory.become_unreachable()
        await b.sample(0.3)
        rows = await b.rows()
        assert len(rows) == 5 * 3
        assert {(row.value, row.set_value, row.quality) for row in rows} == {(None, None, 8)}
        memory.become_reachable()
        await b.device.wait_connected()
        await b.sample(0.1)
        assert [row.quality for row in await b.rows()][-5:] == [192] * 5


@pytest.mark.parametrize(("error", "cause"), [(RequestTimeoutError, "timeout"), (MalformedError, "malformed")])
async def test_a_failed_slot_says_by_what_it_failed(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice, error: type[LinkError], cause: str
) -> None:
    """The cause of the link's error; a scan of which one block came through did not fail."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        memory.fail_next(error(operation="read", device="plc", reason="scripted"))
        await b.sample(0.1)
        assert slots(await b.accounting()) == {("failed", cause): 1}
        await b.device.wait_connected()
        memory.refuse(RegisterKind.HOLDING_REGISTER, range(200, 201))
        await b.sample(0.1)
        assert slots(await b.accounting()) == {("failed", cause): 1, ("completed", ""): 1}
        assert Counter(row.quality for row in (await b.rows())[-5:]) == {192: 4, 4: 1}


async def test_a_run_of_the_tool_takes_its_rows(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """From the very scan that shows it; start, steps and end are spooled before the rows that they explain."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.2)
        b.tool(1, 7, step=1, recipe="Al2O3")
        await b.sample(0.2)
        b.tool(1, 7, step=2, cycle=1, recipe="Al2O3")
        await b.sample(0.2)
        b.tool(0, 7)
        await b.sample(0.2)
        assert await b.told() == [
            "run_started idle",
            "run_ended completed",
            "run_started recipe",
            "step_started step 1",
            "step_ended step",
            "step_started step 2",
            "step_started cycle 1",
            "step_ended step",
            "step_ended cycle",
            "run_ended completed",
            "run_started idle",
        ]
        entries = await b.entries()
        started = next(e for e in entries if e.header.get("kind") == "recipe")
        assert (started.header["recipe"], started.header["run_counter"]) == ("Al2O3", 7)
        running, seen = None, Counter[int]()
        for entry in entries:
            if entry.header.get("event") == "run_started":
                running = entry.header["process_id"]
            if entry.kind is EntryKind.POINTS:
                assert {row.process_id for row in read_rows(entry.rows)} == {running}
                assert entry.is_idle == (running != started.header["process_id"])
                assert entry.accounting[0].process_id == running
                seen[running] += 1
        assert seen[started.header["process_id"]] == 4


async def test_a_recipe_may_be_a_number_with_a_name(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """A number without one stands for itself."""
    for number, (recipe, expected) in enumerate([(12, "TiN"), (13, "13")]):
        roles = Roles(run_state=1, recipe=2, recipe_names={"12": "TiN"})
        async with bench(tmp_path / str(number), time=time, memory=memory, roles=roles) as b:
            b.tool(1, recipe)
            await b.sample(0.1)
            assert b.recording.tracker.current is not None
            assert b.recording.tracker.current.recipe == expected


async def test_a_role_that_was_not_read_is_not_the_one_of_the_scan_before(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """A run that begins while the tool is too busy to say its counter takes it when it comes."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        b.tool(0, 6)
        await b.sample(0.1)
        memory.refuse(RegisterKind.HOLDING_REGISTER, range(200, 201), 6)
        b.tool(1, 7)
        await b.sample(0.2)
        memory.accept_all()
        await b.sample(0.2)
        runs = [line for line in await b.told() if line.startswith("run")]
        assert runs == ["run_started idle", "run_ended completed", "run_started recipe"]
        assert b.recording.tracker.current is not None
        assert b.recording.tracker.current.counter == 7


async def test_a_run_state_that_is_not_read_changes_nothing(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """A tool that does not answer may still run."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        b.tool(1, 7)
        await b.sample(0.1)
        run = b.recording.tracker.current
        memory.become_unreachable()
        await b.sample(0.2)
        assert b.recording.tracker.current == run
        assert {count.process_id for count in (await b.accounting())[-2:]} == {run.process_id if run else 0}


async def test_a_number_that_no_column_can_hold_is_no_step(tmp_path: Path, time: FakeTime) -> None:
    """A float register full of nonsense would else stop the writer for good."""
    memory = MemoryDevice("plc")
    parameters = [holding(1, 0), holding(2, 2, DataType.FLOAT64), holding(3, 6, DataType.FLOAT32)]
    roles = Roles(run_state=1, run_counter=2, step=3)
    async with bench(tmp_path, time=time, memory=memory, roles=roles, parameters=parameters) as b:
        memory.put(parameters[0], 1)
        memory.put(parameters[1], 1e300)
        memory.put(parameters[2], 3e9)
        await b.sample(0.1)
        assert await b.told() == ["run_started recipe"]
        assert b.recording.tracker.current is not None
        assert b.recording.tracker.current.counter is None


async def test_a_disk_that_refuses_costs_rows_but_no_slot(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """Sampling goes on; each slot is there, completed or shed."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.3)
        writer = b.spool._store._writer
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages}")
        await b.sample(3.0)
        writer.execute("PRAGMA max_page_count = 1000000")
        await b.sample(0.2)
        counted = slots(await b.accounting())
        assert set(counted) == {("completed", ""), ("shed", "spool_write")}
        assert sum(counted.values()) == 35
        assert b.recording.totals.lost_rows == 5 * counted["shed", "spool_write"] > 0
        assert len(await b.rows()) == 5 * counted["completed", ""]
        assert b.recording.totals.scheduled == 35


async def test_stopping_ends_at_once_while_a_slot_is_waited_for(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """And what was scanned is durable then."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(0.5)
        assert b.spool.last_sequence == 6
        assert len(b.recording.marks) == 5


async def test_stopping_lets_the_scan_under_way_come_to_its_end(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """Its slot is recorded, and no other begun."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        held = asyncio.Event()
        memory.delay_next(held)
        sampler = b.sampler()
        task = asyncio.create_task(sampler.run())
        await until(lambda: len(memory.addresses) > 0)
        sampler.stop()
        held.set()
        await task
        assert slots(await b.accounting()) == {("completed", ""): 1}


async def test_a_scan_that_is_cancelled_leaves_what_was_scanned_durable(
    tmp_path: Path, time: FakeTime, memory: MemoryDevice
) -> None:
    """Cancelled is cancelled, but only after the spool has it."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        task = asyncio.create_task(b.sampler().run())
        await until(lambda: len(memory.addresses) >= 8)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert b.spool.last_sequence >= 4


async def test_latencies_are_recorded_by_stage(tmp_path: Path, time: FakeTime, memory: MemoryDevice) -> None:
    """Two requests of a millisecond are a read of two."""
    async with bench(tmp_path, time=time, memory=memory) as b:
        await b.sample(1.0)
        summary = b.recording.latency.summary_ms()
        assert summary["read"]["count"] == 10
        assert summary["read"]["p50"] == pytest.approx(2.0, rel=0.01)
        assert summary["spool"]["count"] == 10
        assert summary["commit"] == {"count": 0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}


@given(
    st.sampled_from([5, 7, 100, 1000, 1500, 7000, 60_000, 90_000, 3_600_000]),
    st.integers(0, 10**8),
    st.integers(0, 4000),
)
def test_slots_are_spread_over_their_own_minutes(interval_ms: int, first: int, slots: int) -> None:
    """Exactly: each slot in the minute in which it was due, whatever the interval; beyond a day, in its day."""
    part_s = 60 if slots * interval_ms <= 86_400_000 else 86_400
    expected: Counter[int] = Counter(number * interval_ms // 1000 // part_s for number in range(first, first + slots))
    counts = spread(interval_ms, first, first + slots)
    assert {count.minute // part_s: count.slots for count in counts} == expected
    numbers = [number for count in counts for ends in count.slots_at for number in range(*ends)]
    assert numbers == list(range(first, first + slots))
    assert len(counts) == len(expected)
    assert {count.outcome for count in counts} <= {Outcome.SKIPPED}
