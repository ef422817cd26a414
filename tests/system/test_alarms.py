"""Alarms and notes through the whole plant: from the tool and the recorder to commands, database and the next start."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.embedded import EmbeddedPostgres
from tests.recorder.cli.command import Commands, Said
from tests.system.conftest import MakePlant
from tests.system.plant import Plant
from tests.system.waiting import until

pytestmark = pytest.mark.timeout(240)

HEATER = "Chamber Heater/temperature_read"
COLD = f"{HEATER}:low"
DEVICE = "device:plc"
# each is a table of an array in TOML, so its name has brackets of its own
ALARMS = {"[alarms]": {"parameter": HEATER, "low": 5000.0, "on_delay_ms": 0, "priority": "high", "text": "it is cold"}}


Command = Callable[..., Said]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command beside the recorder of a plant."""
    commands = Commands(folder=tmp_path, environment=monkeypatch, output=capsys)
    monkeypatch.setenv("COLUMNS", "150")

    def run(plant: Plant, *arguments: str) -> Said:
        return commands.run(*arguments, "--config", str(plant.config_path))

    return run


def state(plant: Plant, name: str) -> str:
    """Where an alarm stands."""
    rows = {row["id"]: row for row in plant.ask("alarms", all=True)["alarms"]}
    return str(rows[name]["state"])


def until_state(plant: Plant, name: str, wanted: str) -> None:
    """Wait until an alarm stands so."""
    until(f"{name} {wanted}", lambda: state(plant, name) == wanted)


def stored(plant: Plant, name: str) -> list[tuple[str, str, str]]:
    """What the database has of an alarm: kind, state, by whom."""
    rows = plant.records.fetch(
        "SELECT kind, detail ->> 'state' AS state, coalesce(detail ->> 'by', '') AS by FROM recorder_events "
        "WHERE detail ->> 'alarm' = $1 ORDER BY id",
        name,
    )
    return [(row["kind"], row["state"], row["by"]) for row in rows]


def test_alarms_are_raised_acknowledged_shelved_and_kept(
    make_plant: MakePlant, database_url: str, command: Command
) -> None:
    """By their ids, over a restart of the recorder; every transition is in the database once, with who did it."""
    plant = make_plant(database_url, speed=1, settings=ALARMS).start()
    until_state(plant, COLD, "unacknowledged")
    status = plant.until_status("status", lambda _status: True)
    assert status["alarms"]["unacknowledged"] >= 1
    assert (status["first_alarm"]["id"], status["first_alarm"]["text"]) == (COLD, "it is cold")

    listed = command(plant, "alarms", "list").stdout
    assert all(word in listed for word in ("unacknowledged", "high", "it is cold"))
    plant.kill_simulator()
    until_state(plant, DEVICE, "unacknowledged")
    done = command(plant, "alarms", "acknowledge", COLD, "--by", "Ada", "--json")
    (row,) = json.loads(done.stdout)["alarms"]
    assert (row["state"], row["by"]) == ("acknowledged", "Ada")
    plant.start_simulator()
    until_state(plant, DEVICE, "returned")

    # the next start knows what was acknowledged, and what nobody has looked at yet
    until("it on disk", lambda: "returned" in (plant.data_directory / "alarms.json").read_text(encoding="utf-8"))
    plant.kill()
    plant.start_daemon()
    plant.until_recording()
    plant.until_more_slots(5)
    assert (state(plant, COLD), state(plant, DEVICE)) == ("acknowledged", "returned")

    row = json.loads(command(plant, "alarms", "shelve", COLD, "--minutes", "0.02", "--by", "Bob", "--json").stdout)
    assert (row["state"], row["by"]) == ("shelved", "Bob")
    until_state(plant, COLD, "unacknowledged")
    done = command(plant, "alarms", "acknowledge", "--all", "--by", "Cy")
    assert f"{COLD} is acknowledged, and still holds" in done.stdout
    assert f"{DEVICE} is acknowledged, and is over" in done.stdout
    assert command(plant, "alarms", "acknowledge", "--all").stdout == "no alarm waits to be acknowledged\n"

    wanted = [
        ("alarm_raised", "unacknowledged", ""),
        ("alarm_acknowledged", "acknowledged", "Ada"),
        ("alarm_shelved", "shelved", "Bob"),
        ("alarm_unshelved", "unacknowledged", ""),
        ("alarm_acknowledged", "acknowledged", "Cy"),
    ]
    until("all of it in the database", lambda: stored(plant, COLD) == wanted)
    assert stored(plant, DEVICE) == [
        ("alarm_raised", "unacknowledged", ""),
        ("alarm_returned", "returned", ""),
        ("alarm_acknowledged", "normal", "Cy"),
    ]


def test_a_command_that_cannot_be_is_one_line(make_plant: MakePlant, database_url: str, command: Command) -> None:
    """With what to do; and so is an alarm on a parameter that is not there."""
    plant = make_plant(database_url, speed=1).start()
    for arguments, words in (
        (("alarms", "acknowledge", "nothing"), "'nothing' is no alarm; see ald-recorder alarms list --all"),
        (("alarms", "acknowledge", "recorder:losses"), "recorder:losses is normal: there is nothing to acknowledge"),
        (("alarms", "unshelve", "recorder:losses"), "recorder:losses is normal: it is not shelved"),
        (("alarms", "shelve", "recorder:losses", "--minutes", "1441"), "shelve: minutes: Input should be less than"),
        (("alarms", "shelve", "recorder:losses", "--minutes", "5", "--by", " "), "shelve: by: String should have at"),
        (("alarms", "acknowledge"), "say which alarm is acknowledged, by its id or --all"),
        (("runs", "note", "12", "hot"), "there is no run 12 of this machine; see ald-recorder runs list --all"),
        (("runs", "note", "last", "hot"), "'last' is no run; give its id"),
        (("runs", "note", "current", " "), "runs_note: text: String should have at least 1 character"),
    ):
        done = command(plant, *arguments)
        assert (done.status, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done
        assert words in done.stderr
    plant.stop()
    wrong = {"[alarms]": {"parameter": "Nobody/nothing", "low": 1.0}}
    other = make_plant(database_url, "wrong", speed=1, settings=wrong)
    other.port = plant.port
    process = other.start_daemon()
    assert process.wait(60) == 2
    assert "alarms.0.parameter: 'Nobody/nothing': no such parameter" in other.log_text().splitlines()[-1]


def test_notes_and_alarms_wait_for_a_database_that_is_away(
    make_plant: MakePlant, own_server: EmbeddedPostgres, command: Command
) -> None:
    """They are spooled like the samples, and shown before they are there."""
    plant = make_plant(own_server.url(), speed=1, roles=False, settings=ALARMS).start()
    first = plant.ask("runs_start", operator="Ada", note="begun")["run"]
    note = plant.ask("runs_note", process_id=first, text="valve 3 is slow", by="Ada")
    assert (note["run"], note["by"], note["text"]) == (first, "Ada", "valve 3 is slow")
    until("the first note", lambda: plant.records.value("SELECT count(*) FROM recorder_events WHERE kind = 'run_note'"))

    own_server.stop()
    plant.until_status("the database away", lambda status: status["writer"]["state"] == "away")
    assert "run" in command(plant, "runs", "note", "current", "the lights went out").stdout
    plant.ask("runs_stop")
    after = plant.ask("runs_note", process_id=first, text="still hot", by="Bob")
    assert after["run"] == first
    notes = plant.ask("runs_notes", process_id=first)
    assert notes["is_complete"] is False
    assert [note["text"] for note in notes["notes"]] == ["valve 3 is slow", "the lights went out", "still hot"]
    until_state(plant, "recorder:database", "unacknowledged")
    plant.ask("acknowledge", id="recorder:database", by="Bob")

    own_server.start()
    until_state(plant, "recorder:database", "normal")
    until("its transitions", lambda: len(stored(plant, "recorder:database")) == 3)
    notes = plant.ask("runs_notes", process_id=first)
    assert (notes["is_complete"], len(notes["notes"])) == (True, 3)
    shown = command(plant, "runs", "show", str(first)).stdout
    assert "by Ada: valve 3 is slow" in shown
    assert "by Bob: still hot" in shown
