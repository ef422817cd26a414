"""The recorder is killed with -9 in mid-run: the run goes on, and nothing is missing or twice."""

import random

import pytest

from tests.system.conftest import MakePlant
from tests.system.plant import Plant
from tests.system.waiting import until

KILLS = 2


@pytest.mark.timeout(120)
def test_a_run_goes_on_after_kill_9_of_the_recorder(plant: Plant, chance: random.Random) -> None:
    """At any moment: what was spooled is stored once, the gap is accounted for, and the run keeps its id."""
    plant.speed = 8
    plant.start()
    plant.press_start()
    picture = plant.until_status("the run", lambda picture: picture["process"]["kind"] == "recipe")
    run = picture["process"]["process_id"]
    spooled = set()
    goes_on = 0
    for _ in range(KILLS):
        plant.until_more_slots(chance.randint(5, 90))
        left = plant.kill()
        watermark = plant.records.watermark(left.stream_id)
        assert left.acknowledged <= watermark <= left.last_sequence
        assert set(range(watermark + 1, left.last_sequence + 1)) <= set(left.entries), "what is not stored is on disk"
        spooled |= left.points_after(watermark)
        plant.start_daemon()
        picture = plant.until_status(
            "what the tool does now",
            lambda picture: picture["scans"]["completed"] > 0 and picture["process"]["confirmed"],
        )
        if picture["process"]["process_id"] != run:
            break  # a busy machine took longer to start the recorder than the run lasted
        goes_on += 1
    assert goes_on > 0, "the run was over before the recorder was back even once"
    stored = plant.until_run_stored()
    assert plant.stop() == 0

    records = plant.records
    assert [row["id"] for row in records.runs()] == [run]
    assert stored["status"] == "completed"
    missing = {key for key in spooled if key.process_id == run} - records.points(run)
    assert not missing, f"{len(missing)} points that were on disk at a crash are not in the database"
    assert records.slots_of_cause(run, "recorder_down") > 0
    counts = records.values(run, "Valve 1/pulse_count")
    assert (counts[0], counts[-1]) == (0, 20), "the tool's counters tell of pulses while the recorder was away"
    records.check_balance()
    records.check_slots_are_contiguous(run)
    left = plant.spool()
    assert (left.waiting, left.last_sequence) == ({}, records.watermark(left.stream_id))


def test_a_run_that_ended_while_the_recorder_was_away_is_ended(plant: Plant) -> None:
    """The tool's counter says that it was this run; the time of its end is that of the first scan afterwards."""
    plant.speed = 100
    plant.start()
    plant.press_start()
    plant.until_status("the run", lambda picture: picture["process"]["kind"] == "recipe")
    plant.kill()
    plant.start_daemon()
    run = plant.until_run_stored()
    assert run["status"] == "completed"
    assert plant.stop() == 0
    plant.records.check_balance()


@pytest.mark.timeout(120)
def test_a_run_of_a_tool_that_was_restarted_meanwhile_has_an_unknown_end(plant: Plant) -> None:
    """Recorder and tool both went away in mid-run: whether that run was finished, nobody knows."""
    plant.speed = 10
    plant.start()
    plant.press_start()
    until("the start of the run", lambda: plant.records.runs("recipe"))
    plant.kill()
    plant.kill_simulator()
    plant.start_simulator()
    plant.start_daemon()
    assert plant.until_run_stored()["status"] == "unknown_end"
    assert plant.stop() == 0
    plant.records.check_balance()


def test_every_slot_of_a_run_is_in_the_spool_or_accounted_for(
    make_plant: MakePlant, database_url: str, chance: random.Random
) -> None:
    """Slot numbers on disk follow each other without a hole, over a crash too, and so do those of the database."""
    plant = make_plant(database_url, speed=10, roles=False)
    plant.start()
    assert plant.stop() == 0
    # without a database every entry stays on disk, where its slots can be read
    plant.dsn = "postgresql://nobody@127.0.0.1:1/none"
    plant.start_daemon()
    plant.until_recording(database=False)
    run = plant.ask("runs_start", lot="crash")["run"]
    for _ in range(2):
        plant.until_more_slots(chance.randint(20, 60))
        plant.kill()
        plant.start_daemon()
        plant.until_recording(database=False)
    plant.until_more_slots(20)
    plant.ask("runs_stop")
    plant.until_more_slots(5)
    plant.kill()

    expected: dict[str, int] = {}
    last: dict[tuple[str, int], int] = {}
    for entry in plant.spool().waiting.values():
        if entry.header.get("process_id") != run or "first_slot" not in entry.header:
            continue
        key = (entry.header["device"], entry.header["interval_ms"])
        down = sum(count.slots for count in entry.accounting if count.cause == "recorder_down")
        counted = sum(count.slots for count in entry.accounting)
        assert counted - down == entry.header["last_slot"] - entry.header["first_slot"] + 1
        assert entry.header["first_slot"] - down == last.get(key, entry.header["first_slot"] - down - 1) + 1
        last[key] = entry.header["last_slot"]
        for count in entry.accounting:
            if count.process_id == run:  # slots that were missed before its first scan may be of the process before
                expected[count.outcome] = expected.get(count.outcome, 0) + count.slots
    assert len(last) == 2

    plant.dsn = database_url
    plant.start_daemon()
    assert plant.until_run_stored("manual")["id"] == run
    assert plant.stop() == 0
    stored: dict[str, int] = {}
    for slot in plant.records.slots(run):
        stored[slot.outcome] = stored.get(slot.outcome, 0) + slot.slots
    assert stored == expected
    plant.records.check_balance()
