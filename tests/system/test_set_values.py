"""Set-values through the whole plant: written by command, changed at the tool and in the database.

With the database or the tool away, with a read-back that differs and without the listener: `recorder.cli.fault_lab`.
"""

import asyncio
import json
import re
import subprocess
from typing import Any

from hal.codec import encode
from hal.modbus import ModbusTcpSettings, connect
from hal.parameter import DataType, Parameter, RegisterKind, WordOrder
from tests.system.conftest import MakePlant
from tests.system.plant import Plant, command_line, environment
from tests.system.waiting import until

CHAMBER = "Chamber Heater/temperature_set"
FRONTLINE = "Frontline Heater/temperature_set"
RULES = [
    {
        "device": "plc",
        "addresses": "holding_register 2000..2041",
        "data_type": "float32",
        "hard_min": 20,
        "hard_max": 300,
        "min_interval_s": 0,
    }
]
SETTINGS = {"writes": {"enabled": True}, "set_values": {"drift_after_s": 0.3}}
CHANGES = "SELECT * FROM set_value_changes ORDER BY id"


def steered(make_plant: MakePlant, dsn: str) -> Plant:
    """A plant whose heaters may be set, at rest."""
    rules = {"ALD_WRITES__ALLOW": json.dumps(RULES)}
    return make_plant(dsn, settings=SETTINGS, daemon_environment=rules, interval_ms=100).start()


def command(plant: Plant, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run ``ald-recorder set`` as an operator does: exit status, results, standard error."""
    done = subprocess.run(
        command_line("set", *arguments, "--json", "--config", str(plant.config_path)),
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), "ALD_WRITES__ALLOW": json.dumps(RULES)},
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else [], done.stderr


def turn(plant: Plant, celsius: float) -> None:
    """Change the chamber's set-value at the tool's own panel."""
    parameter = Parameter(
        parameter_id=1,
        name=CHAMBER,
        kind=RegisterKind.HOLDING_REGISTER,
        address=2000,
        data_type=DataType.FLOAT32,
        word_order=WordOrder.CDAB,
    )

    async def work() -> None:
        link = await connect(ModbusTcpSettings(device="panel", host="127.0.0.1", port=plant.port, connect_timeout_s=20))
        try:
            await link.write(parameter.kind, parameter.address, encode(parameter, celsius).tolist())
        finally:
            await link.close()

    asyncio.run(work())


def desired(plant: Plant, name: str = CHAMBER) -> float:
    """What the database wants."""
    value: float = plant.records.value(
        "SELECT set_value FROM component_parameters WHERE id = $1", plant.records.parameter(name)
    )
    return value


def test_a_step_moves_the_tool_and_the_database_and_says_who_and_why(make_plant: MakePlant, database_url: str) -> None:
    """Two heaters in one command: read back, recorded, desired, and seen in the points that follow."""
    plant = steered(make_plant, database_url)
    status, results, errors = command(
        plant, CHAMBER, "210.5", FRONTLINE, "130", "--reason", "recipe trial", "--by", "ada"
    )
    assert (status, errors) == (0, "")
    assert [(r["parameter"], r["outcome"], r["read_back"]) for r in results] == [
        (CHAMBER, "done", 210.5),
        (FRONTLINE, "done", 130.0),
    ]
    until("the change in the database", lambda: desired(plant) == 210.5 and desired(plant, FRONTLINE) == 130)
    chamber, frontline = plant.records.fetch(CHANGES)
    assert (chamber["old_value"], chamber["new_value"], chamber["read_back"]) == (200.0, 210.5, 210.5)
    assert (chamber["changed_by"], chamber["source"], chamber["reason"]) == ("ada", "operator", "recipe trial")
    assert (frontline["new_value"], frontline["outcome"]) == (130.0, "done")
    assert plant.records.events("set_value_intended") == 2
    query = "SELECT value FROM process_data_points WHERE parameter_id = $1 ORDER BY timestamp DESC LIMIT 1"
    parameter = plant.records.parameter(CHAMBER)
    until("points with the new set-value", lambda: plant.records.value(query, parameter) == 210.5)
    picture = plant.until_status("no drift", lambda picture: picture["set_values"]["is_listening"])
    assert picture["set_values"]["drift"] == []
    queries = picture["queries_a_minute"]
    assert queries["set_values"] >= 1
    assert queries["all"] == queries["set_values"] + queries["other"] > queries["set_values"]
    shown = subprocess.run(
        command_line("status", "--config", str(plant.config_path)),
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    assert re.search(r"^queries +\d+ a minute: \d+ of set-values, \d+ others$", shown.stdout, re.MULTILINE)
    assert plant.stop() == 0
    assert [change["source"] for change in plant.records.fetch(CHANGES)] == ["operator"] * 2


def test_what_is_not_allowed_is_refused_in_words_and_moves_nothing(make_plant: MakePlant, database_url: str) -> None:
    """Exit status 1 and a line for each parameter; 2 where the command itself is wrong."""
    plant = steered(make_plant, database_url)
    status, results, _ = command(plant, CHAMBER, "210", FRONTLINE, "301", "--reason", "trial")
    assert status == 1
    assert [r["outcome"] for r in results] == ["refused", "refused"]
    assert "hard limits 20…300" in results[1]["message"]
    status, _, errors = command(plant, "nobody/knows", "1", "--reason", "trial")
    assert status == 2
    assert "no such parameter" in errors
    assert errors.count("\n") == 1
    assert desired(plant) == 200.0
    assert plant.records.fetch(CHANGES) == []


def test_a_set_value_changed_at_the_tool_is_recorded(make_plant: MakePlant, database_url: str) -> None:
    """Once for each new value, as the tool's own change, and shown as drift while it lasts."""
    plant = steered(make_plant, database_url)
    turn(plant, 180.0)
    until("the change", lambda: plant.records.fetch(CHANGES))
    [change] = plant.records.fetch(CHANGES)
    assert (change["source"], change["old_value"], change["new_value"]) == ("tool", 200.0, 180.0)
    assert change["outcome"] == "observed"
    assert desired(plant) == 200.0
    shown = plant.until_status("drift", lambda picture: picture["set_values"]["drift"])["set_values"]["drift"]
    assert [(one["name"], one["desired"], one["tool"]) for one in shown] == [(CHAMBER, 200.0, 180.0)]
    plant.until_more_slots(20)
    assert len(plant.records.fetch(CHANGES)) == 1
    turn(plant, 200.0)
    plant.until_status("agreement", lambda picture: not picture["set_values"]["drift"])


def test_a_change_in_the_database_is_known_at_once(make_plant: MakePlant, database_url: str) -> None:
    """The refresh is a minute away; the notice is not."""
    plant = steered(make_plant, database_url)
    plant.until_status("listening", lambda picture: picture["set_values"]["is_listening"])
    narrower = "UPDATE component_parameters SET max_value = 205 WHERE id = $1 RETURNING id"
    assert plant.records.fetch(narrower, plant.records.parameter(CHAMBER))

    def is_refused() -> bool:
        _, [result], _ = command(plant, CHAMBER, "206", "--reason", "trial")
        return "limits 0…205 of its definition" in result["message"]

    until("the narrower limit", is_refused)


def test_with_a_tool_whose_state_is_not_known_nothing_is_tried(make_plant: MakePlant, database_url: str) -> None:
    """A recipe may be running on a tool that cannot be read."""
    plant = steered(make_plant, database_url)
    plant.kill_simulator()
    plant.until_status("the tool is away", lambda picture: picture["devices"][0]["state"] != "connected")
    status, [result], _ = command(plant, CHAMBER, "215", "--reason", "tool away")
    assert (status, result["outcome"]) == (1, "refused")
    assert "whether a recipe runs is not known" in result["message"]
