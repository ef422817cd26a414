"""The wall clock steps, drifts, is not synchronised, or passes midnight: no slot is lost or twice, times go on evenly.

The recorder runs under libfaketime; its tool and PostgreSQL do not. Python's threads wait by pthread_cond_timedwait,
which libfaketime takes over too, and now and then they wait for ever: so these tests are asked for by name. Steps and
midnight are tested in each run too, without libfaketime, by the scenarios of the fault lab.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recorder.clock.clock import read_kernel_clock
from recorder.spool.entry import Entry
from tests.system.conftest import MakePlant
from tests.system.plant import Plant
from tests.system.wall_clock import WallClock

pytestmark = pytest.mark.skipif(
    os.environ.get("ALD_LONG_TESTS") != "1",
    reason="libfaketime can halt Python's threads; asked for by ALD_LONG_TESTS=1 (make test-long)",
)
NO_DATABASE = "postgresql://nobody@127.0.0.1:1/none"
DAY_S = 86_400
INTERVAL_MS = 200
SLOTS = 8
BEFORE_MIDNIGHT_S = 8
LATE_US = 15_000_000
"""A scan may begin so much late on a machine that has much other work; all steps of the clock here are far longer."""
MakeTimedPlant = Callable[..., tuple[Plant, WallClock]]


@pytest.fixture
def timed(make_plant: MakePlant, database_url: str, short_directory: Path) -> MakeTimedPlant:
    """Make a plant whose recorder has a wall clock of its own."""

    def make(**options: Any) -> tuple[Plant, WallClock]:
        clock = WallClock(short_directory / "clock")
        # slow enough for a machine that has other work: nothing here depends on how many slots there are
        plant = make_plant(database_url, daemon_environment=clock.environment, interval_ms=INTERVAL_MS, **options)
        return plant, clock

    return make


def start_without_database(plant: Plant) -> str:
    """Start with the definitions of the last good copy, so that every entry stays on disk; returns the DSN."""
    plant.start()
    assert plant.stop() == 0
    dsn, plant.dsn = plant.dsn, NO_DATABASE
    plant.start_daemon()
    plant.until_recording(database=False)
    return dsn


def write_all(plant: Plant, dsn: str) -> None:
    """Let a new start write all that is on disk."""
    plant.dsn = dsn
    plant.start_daemon()
    plant.until_status("an empty spool", lambda picture: picture["writer"]["rows"] and picture["spool"]["entries"] < 3)
    assert plant.stop() == 0


def check_slots(entries: Sequence[Entry]) -> Counter[tuple[int, str]]:
    """Assert that each process has its slots without a hole, whose numbers say the time of their rows.

    Returns:
        Slots by process and what came of them.
    """
    counted: Counter[tuple[int, str]] = Counter()
    following: dict[tuple[int, str, int], int] = {}
    latest_us: dict[tuple[int, str, int], int] = {}
    for entry in entries:
        if "first_slot" not in entry.header:
            continue
        header = entry.header
        for count in entry.accounting:
            counted[count.process_id, count.cause or count.outcome] += count.slots
        interval_us = header["interval_ms"] * 1000
        key = (header["process_id"], header["device"], header["interval_ms"])
        down = sum(c.slots for c in entry.accounting if (c.process_id, c.cause) == (key[0], "recorder_down"))
        assert header["first_slot"] - down == following.get(key, header["first_slot"] - down)
        following[key] = header["last_slot"] + 1
        assert -interval_us <= entry.first_us - header["last_slot"] * interval_us < LATE_US + interval_us
        assert entry.accounting[-1].minute * 1_000_000 <= entry.first_us + interval_us
        assert entry.first_us < entry.accounting[-1].minute * 1_000_000 + 60_000_000 + LATE_US
        assert entry.first_us > latest_us.get(key, 0)
        latest_us[key] = entry.last_us
    return counted


def start_before_midnight(plant: Plant, clock: WallClock) -> int:
    """Start, and bring the recorder, which is idle, to shortly before midnight; returns that in UTC microseconds."""
    plant.start()
    midnight = clock.set_to_before_midnight(BEFORE_MIDNIGHT_S)
    plant.until_status("the step", lambda _picture: plant.log("clock_step"))
    plant.until_status("the take-over", lambda picture: abs(picture["clock"]["offset_us"]) < LATE_US)
    return round(midnight.timestamp() * 1e6)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("step_s", [90, -90])
def test_a_step_in_mid_run_costs_no_slot_and_moves_no_time(timed: MakeTimedPlant, step_s: int) -> None:
    """The run keeps its time to its end, the next is on the new one; the step is an event of the run."""
    plant, clock = timed(roles=False)
    dsn = start_without_database(plant)
    runs, began_s, ended_s = [], [], []
    for offset_s in (step_s, step_s):
        runs.append(plant.ask("runs_start")["run"])
        began_s.append(time.monotonic())
        plant.until_more_slots(SLOTS)
        clock.set(offset_s)
        if not plant.log("clock_step"):
            plant.until_status("the step", lambda _picture: plant.log("clock_step"))
            offset_us = plant.until_more_slots(SLOTS)["clock"]["offset_us"]
            assert abs(offset_us - step_s * 1_000_000) < LATE_US
        plant.ask("runs_stop")
        ended_s.append(time.monotonic())
        plant.until_more_slots(SLOTS)
    plant.kill()
    entries = list(plant.spool().waiting.values())
    counted = check_slots(entries)
    assert {process for process, _ in counted} >= set(runs)
    assert not [run for run in runs if counted[run, "recorder_down"]]
    write_all(plant, dsn)

    records = plant.records
    first, second = records.runs("manual")
    assert [first["id"], second["id"]] == runs
    for number, run in enumerate((first, second)):
        lasted_s = (run["ended_at"] - run["started_at"]).total_seconds()
        assert abs(lasted_s - (ended_s[number] - began_s[number])) < LATE_US / 1e6
        stored = {slot.cause or slot.outcome: slot.slots for slot in records.slots(run["id"])}
        assert stored == {what: slots for (process, what), slots in counted.items() if process == run["id"]}
    moved_s = (second["started_at"] - first["started_at"]).total_seconds() - (began_s[1] - began_s[0])
    assert abs(moved_s - step_s) < LATE_US / 1e6
    assert abs(first["clock_offset_us"] - step_s * 1_000_000) < LATE_US, "at its end, the clock was not its time"
    assert abs(second["clock_offset_us"]) < LATE_US
    [step] = records.fetch("SELECT * FROM recorder_events WHERE kind = 'clock_step'")
    assert step["process_id"] == runs[0]
    [taken] = records.fetch("SELECT * FROM recorder_events WHERE kind = 'clock_taken_over'")
    idle = next(row["id"] for row in records.runs("idle") if row["id"] > runs[0])
    assert taken["process_id"] == idle, "the boundary after the run"
    records.check_balance()


@pytest.mark.timeout(120)
def test_a_run_goes_on_in_its_own_time_over_a_crash_and_a_clock_set_back_by_a_day(timed: MakeTimedPlant) -> None:
    """Its times go on by the monotonic clock, the slots in between are counted, and no id ever comes again."""
    plant, clock = timed(roles=False)
    dsn = start_without_database(plant)
    run = plant.ask("runs_start")["run"]
    plant.until_more_slots(SLOTS)
    plant.kill()
    killed_s = time.monotonic()
    clock.set(-DAY_S)
    plant.start_daemon()
    plant.until_recording(database=False)
    away_s = time.monotonic() - killed_s
    plant.until_more_slots(SLOTS)
    plant.ask("runs_stop")
    plant.until_more_slots(SLOTS)
    later = plant.ask("runs_start")["run"]
    plant.until_more_slots(SLOTS)
    plant.kill()
    entries = list(plant.spool().waiting.values())
    counted = check_slots(entries)
    assert counted[run, "recorder_down"] > 0
    write_all(plant, dsn)

    records = plant.records
    ids = [row["id"] for row in records.fetch("SELECT id FROM process_runs ORDER BY started_at >= now(), id")]
    started = [e.header["process_id"] for e in entries if e.header.get("event") == "run_started"]
    assert started == sorted(set(started))
    assert set(started) <= set(ids)
    assert later == started[-1] > run
    head, tail = (next(row for row in records.runs("manual") if row["id"] == number) for number in (run, later))
    stored = {slot.cause or slot.outcome: slot.slots for slot in records.slots(run)}
    assert stored == {what: slots for (process, what), slots in counted.items() if process == run}
    times = records.fetch(
        "SELECT max(gap) AS gap, min(gap) AS least FROM (SELECT timestamp - lag(timestamp) OVER (ORDER BY timestamp) "
        "AS gap FROM (SELECT DISTINCT timestamp FROM process_data_points WHERE process_id = $1) AS moments) AS gaps",
        run,
    )[0]
    assert times["gap"].total_seconds() < away_s + LATE_US / 1e6
    back_s = (head["started_at"] - tail["started_at"]).total_seconds()
    assert abs(back_s - DAY_S) < 60, "the next run is on the new time"
    assert records.events("clock_step") == 1
    records.check_balance()


@pytest.mark.timeout(120)
def test_a_clock_set_back_between_two_starts_repeats_no_id(timed: MakeTimedPlant) -> None:
    """A day, while nothing ran: the recorder is on the new time at once, in an idle time of its own."""
    plant, clock = timed(roles=False)
    plant.start()
    plant.ask("runs_start")
    plant.until_more_slots(SLOTS)
    plant.ask("runs_stop")
    plant.until_more_slots(SLOTS)
    assert plant.stop() == 0
    clock.set(-DAY_S)
    plant.start_daemon()
    picture = plant.until_recording()
    assert abs(picture["clock"]["offset_us"]) < LATE_US
    plant.ask("runs_start")
    plant.until_more_slots(SLOTS)
    plant.ask("runs_stop")
    assert plant.stop() == 0
    records = plant.records
    runs = records.fetch("SELECT id, kind, started_at FROM process_runs ORDER BY id")
    assert [run["kind"] for run in runs][:4] == ["idle", "manual", "idle", "idle"]
    first, second = (run["started_at"] for run in runs if run["kind"] == "manual")
    assert abs((first - second).total_seconds() - DAY_S) < 60
    days = records.value("SELECT count(DISTINCT timestamp::date) FROM process_data_points")
    assert days >= 2
    records.check_balance()


@pytest.mark.timeout(120)
def test_a_run_that_crosses_midnight_is_in_both_partitions(timed: MakeTimedPlant) -> None:
    """The run goes on, and no slot of it is missing."""
    plant, clock = timed(roles=False)
    midnight_us = start_before_midnight(plant, clock)
    midnight = datetime.fromtimestamp(midnight_us / 1e6, UTC)
    run = plant.ask("runs_start")["run"]
    plant.until_more_slots(SLOTS)
    assert clock.now_us() < midnight_us, "the start of the run took longer than the day had left"
    plant.until_status("midnight", lambda _picture: clock.now_us() > midnight_us + 500_000)
    plant.until_more_slots(SLOTS)
    plant.ask("runs_stop")
    assert plant.stop() == 0
    records = plant.records
    rows = records.fetch(
        "SELECT tableoid::regclass::text AS partition, min(timestamp) AS first, max(timestamp) AS last "
        "FROM process_data_points WHERE process_id = $1 GROUP BY 1 ORDER BY 2",
        run,
    )
    before, after = rows
    assert before["partition"] != after["partition"]
    assert before["last"] < midnight <= after["first"]
    assert (after["first"] - before["last"]).total_seconds() < LATE_US / 1e6
    records.check_slot_numbers(run)
    records.check_balance()


@pytest.mark.timeout(120)
def test_the_idle_process_changes_at_midnight(timed: MakeTimedPlant) -> None:
    """The day that ends and the day that begins have one each, and no slot between them is missing."""
    plant, clock = timed()
    midnight_us = start_before_midnight(plant, clock)
    midnight = datetime.fromtimestamp(midnight_us / 1e6, UTC)
    plant.until_more_slots(SLOTS)
    assert clock.now_us() < midnight_us, "the first slots took longer than the day had left"
    plant.until_status("midnight", lambda _picture: clock.now_us() > midnight_us + 500_000)
    plant.until_more_slots(SLOTS)
    assert plant.stop() == 0
    records = plant.records
    before, after = records.runs("idle")[-2:]
    assert before["ended_at"] == after["started_at"]
    assert 0 <= (after["started_at"] - midnight).total_seconds() < LATE_US / 1e6
    assert records.value("SELECT max(minute) FROM acquisition_minutes WHERE process_id = $1", before["id"]) < midnight
    records.check_slot_numbers(before["id"], after["id"])
    records.check_balance()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("rate", [1.0002, 1.01, 0.99])
def test_drift_is_followed_by_what_is_promised_and_no_more(timed: MakeTimedPlant, rate: float) -> None:
    """200 ppm are followed to the millisecond; 1 % is not, and the run says how far the clock went away."""
    plant, clock = timed(roles=False)
    clock.set(0, rate=rate)
    plant.start()
    plant.ask("runs_start")
    began_s = time.monotonic()
    first_us = plant.until_more_slots(1)["clock"]["offset_us"]
    plant.until_status("8 s of drift", lambda _picture: time.monotonic() > began_s + 8)
    picture = plant.until_more_slots(1)
    lasted_s = time.monotonic() - began_s
    plant.ask("runs_stop")
    plant.until_more_slots(SLOTS)
    assert plant.stop() == 0
    [run] = plant.records.runs("manual")
    if abs(rate - 1) < 500e-6:
        assert abs(picture["clock"]["offset_us"]) < 1000
        assert abs(run["clock_offset_us"]) < 1000
    else:
        followed = rate - 1 - (500e-6 if rate > 1 else -500e-6)
        expected_us = lasted_s * followed * 1e6
        assert picture["clock"]["offset_us"] - first_us == pytest.approx(expected_us, rel=0.2)
        assert abs(run["clock_offset_us"]) > abs(expected_us) / 2
    assert plant.records.events("clock_step") == 0
    plant.records.check_slot_numbers(run["id"])
    plant.records.check_balance()


@pytest.mark.timeout(120)
def test_a_start_waits_for_the_clock_and_then_records_without(make_plant: MakePlant, database_url: str) -> None:
    """By the kernel of this very machine: where its clock is not synchronised, the first start waits, the next not."""
    kernel = read_kernel_clock()
    is_synchronised = kernel is None or kernel.is_synchronised
    plant = make_plant(database_url, settings={"clock": {"wait_s": 2.5}})
    plant.start_simulator()
    plant.import_definitions()
    plant.start_daemon()
    if not is_synchronised:
        plant.until_status("the wait", lambda picture: picture["state"] == "waiting for a synchronised clock")
    plant.until_status("recording", lambda picture: picture["state"] == "recording" and picture["scans"]["completed"])
    assert plant.stop() == 0
    plant.start_daemon()
    plant.until_recording()
    assert plant.stop() == 0
    assert len(plant.log("waiting_for_synchronised_clock")) == (0 if is_synchronised else 1)
    told = [line["waited_s"] for line in plant.log("clock_not_synchronised")]
    assert told == ([] if is_synchronised else [2.5, 0])
    assert {run["clock_synchronised"] for run in plant.records.runs("idle")} == {is_synchronised}


@pytest.mark.timeout(60)
def test_a_wait_for_the_clock_ends_at_sigterm(make_plant: MakePlant, database_url: str) -> None:
    """At once, with status 0, and nothing is recorded."""
    kernel = read_kernel_clock()
    if kernel is None or kernel.is_synchronised:
        pytest.skip("the clock of this machine is synchronised, so nothing waits for it")
    plant = make_plant(database_url, settings={"clock": {"wait_s": 60}})
    plant.start_simulator()
    plant.import_definitions()
    plant.start_daemon()
    plant.until_status("the wait", lambda picture: picture["state"] == "waiting for a synchronised clock")
    began_s = time.monotonic()
    assert plant.stop() == 0
    assert time.monotonic() - began_s < 5
    assert plant.records.runs("idle") == []
