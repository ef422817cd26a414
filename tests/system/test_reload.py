"""Another configuration and other definitions in the middle of a run, with the real daemon and the real tool."""

import csv
import signal
from typing import Any

import pytest

from recorder.errors import RecorderError
from tests.system.conftest import MakePlant
from tests.system.plant import Plant
from tests.system.waiting import until

MOVED = ("Chamber Heater", "power_on")


def change_map(plant: Plant, name: str, *, adds: bool, interval_ms: int) -> None:
    """Definitions with one more parameter, or without; and another scan interval for one of them; imported."""
    with plant.map_path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if (row["component"], row["parameter"]) == MOVED:
            row["scan_interval_ms"] = str(interval_ms)
    rows = [row for row in rows if row["parameter"] != "added"]
    if adds:
        state = next(row for row in rows if (row["component"], row["parameter"]) == ("Process", "run_counter"))
        rows.append({**state, "component": "Reload", "parameter": "added", "plc_symbol": "", "set_value_parameter": ""})
    plant.map_path = plant.folder / name
    with plant.map_path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    plant.import_definitions()


def hang_up(plant: Plant, event: str) -> dict[str, Any]:
    """Send SIGHUP, and wait for the event that ends the reload; returns its line in the log."""
    before = len(plant.log(event))
    assert plant._daemon is not None
    plant._daemon.send_signal(signal.SIGHUP)
    return until(event, lambda: plant.log(event)[before:])[0]


def check_new_definitions(plant: Plant, first: dict[str, Any]) -> None:
    """Another parameter, another interval, a field that takes effect, and one that does not."""
    change_map(plant, "more.csv", adds=True, interval_ms=500)
    plant._settings = {"spool": {"max_mib": 200}, "log": {"level": "debug"}, "retention": {"days": 400}}
    plant.write_config()
    told = hang_up(plant, "reloaded")
    assert told["changed"] == ["log.level", "retention.days"]
    assert told["needs_restart"] == ["spool.max_mib"]
    assert told["definitions"]["added"] == ["Reload/added"]
    assert told["definitions"]["changed"] == ["/".join(MOVED)]
    assert plant.log("needs_restart")[0]["fields"] == ["spool.max_mib"]
    plant.until_more_slots(20)
    second = plant.until_status("status", lambda _picture: True)
    assert second["definitions"]["readable"] == first["definitions"]["readable"] + 1
    assert second["process"]["process_id"] == first["process"]["process_id"]


def check_refusal(plant: Plant) -> None:
    """What cannot be is refused in one line, by signal and by command, and recording goes on."""
    plant._settings = {"spool": {"max_mib": 0}}
    plant.write_config()
    assert "spool.max_mib" in hang_up(plant, "reload_refused")["reason"]
    with pytest.raises(RecorderError, match=r"spool\.max_mib: Input should be greater than or equal to 1"):
        plant.ask("reload")
    plant.until_more_slots(10)


def check_old_definitions(plant: Plant, first: dict[str, Any]) -> None:
    """The first version again; the interval that nothing is read at any more goes on without parameters."""
    change_map(plant, "less.csv", adds=False, interval_ms=100)
    plant._settings = {"spool": {"max_mib": 100}}
    plant.write_config()
    back = plant.ask("reload")
    assert back["definitions"]["removed"] == ["Reload/added"]
    assert back["definitions"]["version"] == first["definitions"]["version"]
    plant.until_more_slots(20)
    plans = plant.until_status("status", lambda _picture: True)["devices"][0]["plans"]
    assert plans["500"] == {"parameters": 0, "requests": 0}


@pytest.mark.timeout(180)
def test_a_reload_in_mid_run_misses_no_slot(make_plant: MakePlant, database_url: str) -> None:
    """A parameter that is new is read from a slot on, another changes its interval; what needs a restart is named.

    The run goes on, its slots have no hole, and it balances; the next process has the version that is in force then.
    """
    plant = make_plant(database_url, speed=2, interval_ms=100, settings={"spool": {"max_mib": 100}})
    plant.start()
    plant.press_start()
    first = plant.until_status("the run", lambda picture: picture["process"]["kind"] == "recipe")
    held_ms = first["event_loop_lag_ms"]["held"]["max"]
    plant.until_more_slots(10)
    check_new_definitions(plant, first)
    check_refusal(plant)
    check_old_definitions(plant, first)
    after = plant.until_status("status", lambda _picture: True)
    print(f"the loop was held for {held_ms} ms at most before, {after['event_loop_lag_ms']['held']['max']} ms after")  # noqa: T201
    run = plant.ask("runs_stop")["run"]
    plant.until_more_slots(10)
    assert plant.stop() == 0

    records = plant.records
    assert run == first["process"]["process_id"]
    added, counter = records.values(run, "Reload/added"), records.values(run, "Process/run_counter")
    assert 15 <= len(added) < len(counter)
    assert set(added) == {1.0}
    assert 0 < len(records.values(run, "/".join(MOVED))) < len(counter)
    records.check_slot_numbers(run)
    records.check_balance()
    skipped = sum(slot.slots for slot in records.slots(run) if slot.outcome == "skipped")
    print(f"{skipped} of {len(counter)} slots of the run were skipped")  # noqa: T201  (a busy machine may)
    newest = records.fetch("SELECT definitions_version FROM process_runs ORDER BY id DESC LIMIT 1")
    assert newest[0]["definitions_version"] == first["definitions"]["version"]
    assert records.events("reloaded") == 2
    assert records.events("plan_changed") == 1
