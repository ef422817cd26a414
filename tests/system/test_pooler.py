"""A recorder whose database is behind PgBouncer in transaction mode, from the start button to the commands."""

import json
import subprocess

import pytest

from tests.system.conftest import MakePlant
from tests.system.plant import Plant, command_line, environment


def said_by(plant: Plant, *arguments: str) -> str:
    """What a command with the plant's configuration prints."""
    done = subprocess.run(
        command_line(*arguments, "--config", str(plant.config_path)),
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(180)  # eight processes of our own one after the other
def test_a_run_is_recorded_whole_through_a_pooler(make_plant: MakePlant, database_url: str, pooler_url: str) -> None:
    """Claims, commits, audit and commands go through it; only the listener and upkeep go past it."""
    settings = {"database": {"dsn": pooler_url, "direct_dsn": database_url, "prepared_statements": False}}
    plant = make_plant(database_url, speed=100, cycles=3, settings=settings)
    plant.start_simulator()
    plant.write_config()
    said_by(plant, "definitions", "import", str(plant.map_path))
    plant.start_daemon()
    plant.until_recording()
    plant.press_start()
    run = plant.until_run_stored()
    picture = plant.until_status("audit", lambda shown: (shown["audit"]["latest"] or {}).get("run") == run["id"])
    assert picture["audit"]["not_balanced"] == 0
    assert picture["definitions"]["source"] == "database"
    assert [shown["id"] for shown in json.loads(said_by(plant, "runs", "list", "--json"))] == [run["id"]]
    assert json.loads(said_by(plant, "runs", "show", str(run["id"]), "--count", "--json"))["points"] > 0
    assert json.loads(said_by(plant, "runs", "audit", "last", "--json"))["verdict"] == "balances"
    assert len(json.loads(said_by(plant, "definitions", "list", "--json"))["definitions"]) > 100
    assert plant.stop() == 0
    assert "is not reachable" not in plant.log_text()
    plant.records.check_balance()
