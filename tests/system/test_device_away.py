"""The tool goes away and comes back: each slot still makes its rows, and they say that nobody was connected."""

from tests.system.plant import Plant


def test_a_tool_that_is_away_makes_bad_rows_and_no_gap(plant: Plant) -> None:
    """Every slot of the time is there with quality 8 and counted as failed; then values are good again."""
    plant.start()
    run = plant.ask("runs_start")["run"]
    plant.until_more_slots(20)
    plant.kill_simulator()
    plant.until_status("failures", lambda picture: picture["scans"]["failed"] > 20)
    plant.start_simulator()
    plant.until_status("the tool", lambda picture: picture["devices"][0]["state"] == "connected")
    plant.until_more_slots(20)
    plant.ask("runs_stop")
    plant.until_run_stored("manual")
    assert plant.stop() == 0

    records = plant.records
    qualities = records.fetch(
        "SELECT quality, value IS NULL AS is_empty, count(*) FROM process_data_points WHERE process_id = $1 "
        "AND parameter_id = $2 GROUP BY 1, 2",
        run,
        records.parameter("Process/chamber_pressure"),
    )
    counted = {(row["quality"], row["is_empty"]): row["count"] for row in qualities}
    assert counted[8, True] > 0
    assert counted[192, False] > 0
    assert all(is_empty == (quality < 64) for quality, is_empty in counted)
    failed = [slot for slot in records.slots(run) if slot.outcome == "failed"]
    assert {"not_connected"} <= {slot.cause for slot in failed} <= {"not_connected", "timeout"}
    assert sum(slot.slots for slot in failed) > 20
    assert all(slot.rows > 0 for slot in failed), "a failed slot stores its rows too"
    # the kernel of a dying tool may take one more connection, which then is lost too
    lost = records.events("device_lost")
    assert 1 <= lost <= 2
    assert records.events("device_unreachable") >= 1
    assert records.events("device_connected") == lost + 1
    assert "Traceback" not in plant.log_text()
    # good before and good again
    for order in ("ASC", "DESC"):
        end = f"SELECT quality FROM process_data_points WHERE process_id = $1 ORDER BY timestamp {order} LIMIT 1"
        assert records.value(end, run) == 192
    records.check_balance()
    records.check_slots_are_contiguous(run)
