"""One recorder a data directory and one machine a recorder number; the second is told, the first not disturbed."""

import os
import subprocess

from tests.system.conftest import MakePlant
from tests.system.plant import Plant, command_line, environment


def test_a_second_recorder_on_the_same_folder_names_the_first(plant: Plant) -> None:
    """It ends with status 3 and one line with the process that runs already, which goes on unharmed."""
    plant.start()
    second = subprocess.run(
        command_line("run", "--config", os.fspath(plant.config_path)),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=environment(),
    )
    assert (second.returncode, second.stdout) == (3, "")
    (line,) = second.stderr.splitlines()
    assert f"a recorder runs here already (process {plant.pid}, since " in line
    assert "stop it first" in line
    picture = plant.until_more_slots(20)
    assert picture["writer"]["state"] == "writing"
    assert plant.stop() == 0
    plant.records.check_balance()


def test_a_recorder_with_the_number_of_another_machine_only_spools(make_plant: MakePlant, database_url: str) -> None:
    """Its status says whose number it is; with a number of its own all that it spooled comes in."""
    first = make_plant(database_url, "first").start()
    second = make_plant(database_url, "second", machine="Other tool")
    second.port = first.port
    second.import_definitions()
    second.start_daemon()
    second.until_recording(database=False)
    refused = second.until_status("the refusal", lambda picture: picture["writer"]["last_error"])
    assert refused["writer"]["state"] == "away"
    assert "recorder number 0 belongs to machine 'Test tool' on host " in refused["writer"]["last_error"]
    assert "give this one another [recorder] number" in refused["writer"]["last_error"]
    second.until_status("entries in the spool", lambda picture: picture["spool"]["entries"] > 20)
    assert first.until_more_slots(20)["writer"]["state"] == "writing"
    assert second.stop() == 0
    spooled = second.spool()
    assert len(spooled.waiting) > 20

    second.number = 1
    second.start_daemon()
    second.until_recording()
    assert [plant.stop() for plant in (first, second)] == [0, 0]
    machines = second.records.fetch(
        "SELECT name, count(*) FROM machines m JOIN process_runs r ON r.machine_id = m.id GROUP BY 1"
    )
    assert {row["name"] for row in machines} == {"Test tool", "Other tool"}
    assert second.records.watermark(spooled.stream_id) >= spooled.last_sequence
    second.records.check_balance()
