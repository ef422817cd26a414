"""PostgreSQL goes away and comes back, or is not there at all: acquisition does not notice, and nothing is lost."""

import os
import signal
import socket
import sys
import time

import pytest

from recorder.embedded import EmbeddedPostgres
from tests.system.conftest import MakePlant
from tests.system.processes import alive, family
from tests.system.waiting import until

OUTAGE_S = 10.0 if os.environ.get("ALD_LONG_TESTS") == "1" else 3.0
INTERVAL_MS = 500


@pytest.mark.timeout(120)
def test_nothing_is_lost_while_postgresql_is_away(make_plant: MakePlant, own_server: EmbeddedPostgres) -> None:
    """Stopped as by a crash for seconds: all slots are scanned on time, and all rows come in once."""
    # an interval that a busy machine keeps too, so that a slot can be missed through the database alone
    plant = make_plant(own_server.url(), interval_ms=INTERVAL_MS, roles=False).start()
    run = plant.ask("runs_start")["run"]
    plant.until_more_slots(2)
    own_server.stop("immediate")
    plant.until_status("the loss to be noticed", lambda picture: picture["writer"]["state"] == "away")
    slots = round(OUTAGE_S * 1000 / INTERVAL_MS)
    assert plant.until_more_slots(slots)["spool"]["entries"] >= slots
    own_server.start()
    plant.until_status(
        "the spool to drain",
        lambda picture: picture["writer"]["state"] == "writing" and picture["spool"]["entries"] <= 1,
    )
    plant.ask("runs_stop")
    plant.until_run_stored("manual")
    picture = plant.until_status("status", lambda _picture: True)
    assert plant.stop() == 0

    assert (picture["lost"], picture["scans"]["skipped"], picture["scans"]["failed"]) == (0, 0, 0)
    assert {slot.outcome for slot in plant.records.slots(run)} <= {"completed", "late"}
    assert plant.records.value("SELECT count(*) FROM process_data_points WHERE quality <> 192") == 0
    plant.records.check_balance()
    plant.records.check_slots_are_contiguous(run)
    reasons = [line["error"] for line in plant.log("database_away")]
    assert reasons
    assert "Traceback" not in plant.log_text()
    assert all("\n" not in reason and "postgres" in reason for reason in reasons)


def test_a_start_without_device_and_without_database_records_all_the_same(
    make_plant: MakePlant, own_server: EmbeddedPostgres
) -> None:
    """With the last good definitions a whole run is spooled, and is in the database as soon as that is there."""
    plant = make_plant(own_server.url()).start()
    assert plant.stop() == 0
    plant.kill_simulator()
    own_server.stop("immediate")

    plant.start_daemon()
    picture = plant.until_status("failed scans", lambda picture: picture["scans"]["failed"] > 5)
    assert picture["definitions"]["source"] == "last good copy"
    plant.start_simulator()
    plant.until_status("the tool", lambda picture: picture["devices"][0]["state"] == "connected")
    plant.press_start()
    plant.until_status("the run", lambda picture: picture["process"]["kind"] == "recipe")
    plant.until_status("its end", lambda picture: picture["process"]["kind"] == "idle")
    own_server.start()
    run = plant.until_run_stored()
    assert plant.stop() == 0

    assert run["status"] == "completed"
    counts = plant.records.values(run["id"], "Valve 1/pulse_count")
    assert (counts[0], counts[-1]) == (0, 20)
    cycles = "SELECT count(*) FROM process_steps WHERE process_id = $1 AND kind = 'cycle' AND ended_at IS NOT NULL"
    assert plant.records.value(cycles, run["id"]) == 20
    assert plant.records.value("SELECT count(*) FROM process_data_points WHERE quality = 8") > 0
    plant.records.check_balance()
    plant.records.check_slots_are_contiguous(run["id"])


def test_a_first_start_without_database_waits_and_says_so_once(make_plant: MakePlant) -> None:
    """Without definitions nothing can be recorded: one line with the reason, and SIGTERM ends it at once."""
    with socket.create_server(("127.0.0.1", 0)) as hangs_up:
        hangs_up.settimeout(30)
        port = hangs_up.getsockname()[1]
        plant = make_plant(f"postgresql://nobody@127.0.0.1:{port}/none?sslmode=disable")
        plant.start_daemon()
        for _attempt in range(2):
            hangs_up.accept()[0].close()
    (line,) = until("the line", lambda: plant.log("waiting_for_definitions"))
    assert f"database none at 127.0.0.1:{port} is not reachable" in line["reason"]
    began = time.monotonic()
    assert plant.stop() == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_an_orderly_end_leaves_nothing_in_the_spool(
    make_plant: MakePlant, database_url: str, number: signal.Signals
) -> None:
    """SIGTERM and Ctrl-C alike: the last scan is committed, and the exit status is 0."""
    plant = make_plant(database_url).start()
    plant.until_more_slots(20)
    assert plant.stop(number) == 0
    left = plant.spool()
    assert (left.waiting, left.acknowledged) == ({}, left.last_sequence)
    assert plant.records.watermark(left.stream_id) == left.last_sequence
    assert plant.log("stopped")
    plant.records.check_balance()


@pytest.mark.skipif(sys.platform != "linux", reason="the server's processes are found in /proc")
def test_an_end_is_in_time_while_postgresql_hangs(make_plant: MakePlant, own_server: EmbeddedPostgres) -> None:
    """A server that takes requests and never answers, as behind a broken network, does not hold up SIGTERM."""
    plant = make_plant(own_server.url(), roles=False).start()
    run = plant.ask("runs_start")["run"]
    plant.until_more_slots(10)
    frozen = family(own_server.pid)
    try:
        for member in frozen:
            os.kill(member.pid, signal.SIGSTOP)
        plant.until_status("a backlog", lambda picture: picture["spool"]["entries"] >= 20)
        assert plant.stop() == 0
    finally:
        for member in alive(frozen):
            os.kill(member.pid, signal.SIGCONT)
    waiting = plant.spool()
    plant.start_daemon()
    plant.until_recording()
    plant.ask("runs_stop")
    plant.until_run_stored("manual")
    assert plant.stop() == 0
    assert {key for key in waiting.points_after(0) if key.process_id == run} <= plant.records.points(run)
    plant.records.check_balance()
    plant.records.check_slots_are_contiguous(run)


@pytest.mark.timeout(120)
def test_an_end_without_database_and_under_a_backlog_loses_nothing(
    make_plant: MakePlant, own_server: EmbeddedPostgres
) -> None:
    """What there is no time for stays on disk, and the next start writes it; each end takes less than 10 s."""
    plant = make_plant(own_server.url(), roles=False, settings={"writer": {"max_rows": 100}}).start()
    run = plant.ask("runs_start")["run"]
    own_server.stop("immediate")
    plant.until_status("a backlog", lambda picture: picture["spool"]["entries"] >= 100)
    assert plant.stop() == 0
    waiting = plant.spool()
    assert len(waiting.waiting) >= 100
    assert plant.log("left_in_spool")

    own_server.start()
    plant.start_daemon()
    plant.until_status("the database", lambda picture: picture["writer"]["state"] == "writing")
    assert plant.stop() == 0  # in the middle of the backlog, or just after it
    plant.start_daemon()
    plant.until_recording()
    plant.ask("runs_stop")
    plant.until_run_stored("manual")
    assert plant.stop() == 0

    assert plant.spool().waiting == {}
    assert {key for key in waiting.points_after(0) if key.process_id == run} <= plant.records.points(run)
    plant.records.check_balance()
    plant.records.check_slots_are_contiguous(run)
