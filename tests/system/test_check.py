"""A check while the recorder runs goes through it, and disturbs neither the recording nor the tool."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.system.plant import Plant, command_line, environment


def check(plant: Plant, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and report of a check."""
    config = os.fspath(plant.config_path)
    done = subprocess.run(
        command_line("check", "--config", config, "--json", *arguments),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


@pytest.mark.timeout(120)
def test_a_running_recorder_is_asked_and_goes_on_recording(plant: Plant) -> None:
    """Every parameter is judged, no second connection is opened, and no slot fails."""
    plant.start()
    before = plant.until_more_slots(1)
    status, report = check(plant)
    messages = [line["message"] for line in report["lines"]]
    assert status == 0, [line for line in report["lines"] if line["verdict"] == "fault"]
    assert "runs: devices are asked through it" in messages
    assert any(message.startswith("says that it is") for message in messages)
    assert sum(line["section"] == "Parameters of plc" for line in report["lines"]) == 192
    after = plant.until_more_slots(1)
    assert after["scans"]["failed"] == before["scans"]["failed"]
    assert after["devices"][0]["last_error"] == before["devices"][0]["last_error"]


def test_a_wrong_word_order_in_the_database_is_found_and_written_down_for_review(plant: Plant, tmp_path: Path) -> None:
    """From what the recorder would take to a file that passes."""
    text = plant.map_path.read_text(encoding="utf-8").replace(",CDAB,", ",ABCD,")
    plant.map_path = tmp_path / "wrong.csv"
    plant.map_path.write_text(text, encoding="utf-8")
    plant.start_simulator()
    plant.import_definitions()
    plant.write_config()
    fixed = tmp_path / "fixed.csv"
    status, report = check(plant, "--fix", os.fspath(fixed))
    assert status == 1
    assert report["corrections"]["Chamber Heater/temperature_read"] == {"word_order": "CDAB"}
    status, report = check(plant, "--definitions", os.fspath(fixed))
    assert status == 0, [line for line in report["lines"] if line["verdict"] == "fault"]
