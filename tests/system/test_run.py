"""A run of the tool from its start button to its last row, and runs by hand."""

import pytest

from recorder.errors import UsageError
from tests.system.plant import Plant

PULSES = 20


def test_a_run_is_recorded_whole(plant: Plant) -> None:
    """Run, steps, cycles, every pulse and every slot of a run of 20 cycles are in the database, each once."""
    plant.speed = 20  # the last step is seen by more than two slots, also where the machine is busy
    plant.start()
    plant.press_start()
    run = plant.until_run_stored()
    lost = plant.until_status("status", lambda _picture: True)["lost"]
    assert plant.stop() == 0

    records = plant.records
    assert len(records.runs()) == 1
    assert (run["status"], run["recipe"], run["time_scale"]) == ("completed", "Al2O3 TMA H2O", plant.speed)
    assert run["started_at"] < run["ended_at"]
    for valve in ("Valve 1", "Valve 2"):
        counts = [count or 0 for count in records.values(run["id"], f"{valve}/pulse_count")]
        assert (counts[0], counts[-1]) == (0, PULSES), "first and last scan of the run carry the counters"
        assert counts == sorted(counts)
    steps = records.fetch("SELECT * FROM process_steps WHERE process_id = $1 ORDER BY started_at", run["id"])
    cycles = [step["number"] for step in steps if step["kind"] == "cycle"]
    assert cycles == list(range(1, PULSES + 1))
    numbers = [step["number"] for step in steps if step["kind"] == "step"]
    assert numbers[0] == 1
    assert numbers[-1] == 6
    assert all(step["ended_at"] is not None for step in steps)
    assert lost == 0
    assert records.value("SELECT count(*) FROM process_data_points WHERE quality <> 192") == 0
    records.check_balance()
    records.check_slots_are_contiguous(run["id"])


def test_two_runs_in_a_row_are_two_runs(plant: Plant) -> None:
    """Each press of start is a run of its own, and the time around them is idle."""
    plant.speed, plant.cycles = 100, 2
    plant.start()
    for _ in range(2):
        before = len(plant.records.runs())
        plant.press_start()
        plant.until_status("the run", lambda picture: picture["process"]["kind"] == "recipe")
        plant.until_status("its end", lambda picture: picture["process"]["kind"] == "idle")
        assert plant.until_run_stored()["status"] == "completed"
        assert len(plant.records.runs()) == before + 1
    assert plant.stop() == 0
    assert [run["run_counter"] for run in plant.records.runs()] == [1, 2]
    assert {run["status"] for run in plant.records.runs("idle")} == {"completed", "running"}
    plant.records.check_balance()


def test_a_run_by_hand_carries_what_people_say_of_it(plant: Plant) -> None:
    """Between `runs start` and `runs stop` all points belong to a manual run with its labels."""
    plant.start()
    labels = {"operator": "Müller", "lot": "L-17", "substrate": "Si 100", "note": "after service"}
    started = plant.ask("runs_start", recipe="conditioning", **labels)
    with pytest.raises(UsageError, match=f"run {started['run']} is under way; stop it first"):
        plant.ask("runs_start")
    plant.until_more_slots(20)
    assert plant.ask("runs_stop") == started
    with pytest.raises(UsageError, match="no run is under way"):
        plant.ask("runs_stop")
    assert plant.stop() == 0

    (run,) = plant.records.runs("manual")
    assert run["id"] == started["run"]
    assert {name: run[name] for name in labels} == labels
    assert (run["status"], run["recipe"]) == ("stopped", "conditioning")
    assert len(plant.records.points(run["id"])) > 0
    plant.records.check_balance()
    plant.records.check_slots_are_contiguous(run["id"])


def test_the_operators_stop_ends_the_recording_of_a_tools_run(plant: Plant) -> None:
    """After `runs stop` the same run of the tool is not taken up again; its next run is."""
    plant.speed = 20
    plant.start()
    plant.press_start()
    plant.until_status("the run", lambda picture: picture["process"]["kind"] == "recipe")
    stopped = plant.ask("runs_stop")["run"]
    # until the next scan there is none
    plant.until_status("standby", lambda picture: (picture["process"] or {}).get("kind") == "idle")
    plant.until_more_slots(50)
    assert [run["id"] for run in plant.records.runs()] == [stopped]
    assert plant.until_run_stored()["status"] == "stopped"
    assert plant.stop() == 0
    plant.records.check_balance()


def test_a_manual_run_that_is_stopped_leaves_the_tools_run_alone(plant: Plant) -> None:
    """An operator who recorded a tool's run by hand and stops it does not start another recording by that."""
    plant.speed = 20
    plant.start()
    manual = plant.ask("runs_start")["run"]
    plant.press_start()
    plant.until_more_slots(50)
    assert plant.ask("runs_stop")["run"] == manual
    plant.until_more_slots(50)
    assert plant.records.runs() == []
    assert plant.stop() == 0
    plant.records.check_balance()
