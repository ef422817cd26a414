"""The register map of a real tool: 110 of its 137 parameters at 10 Hz, with no slot missed."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from hal.parameter import DataType
from recorder.definitions.file import read_definition_file
from tests.system.conftest import MakePlant
from tests.system.plant import environment

REAL_MAP: Final = Path(__file__).parents[3] / "shared" / "data" / "ald_plc_map.csv"
"""It lies beside the project and not in it."""
SLOTS: Final = 600 if os.environ.get("ALD_LONG_TESTS") == "1" else 30
"""A minute, or by default three seconds."""

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(not REAL_MAP.exists(), reason=f"the real map is not here: {REAL_MAP}"),
]


@pytest.fixture
def map_port() -> Iterator[int]:
    """The port of a Modbus server with the registers of the real map."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.system.map_server", os.fspath(REAL_MAP)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.mark.timeout(60 + SLOTS)
def test_the_real_map_is_recorded_at_10_hz_with_no_slot_missed(
    make_plant: MakePlant, database_url: str, map_port: int
) -> None:
    """6 requests a scan; each of the 110 parameters has a good point a slot, the other 27 have none."""
    plant = make_plant(database_url, map_path=REAL_MAP, roles=False)
    plant.port = map_port
    plant.import_definitions()
    plant.start_daemon()
    plant.until_recording()
    run = plant.ask("runs_start")["run"]
    picture = plant.until_status(
        "the slots", lambda picture: picture["scans"]["scheduled"] >= SLOTS, deadline_s=30 + SLOTS / 10
    )
    plant.ask("runs_stop")
    plant.until_run_stored("manual")
    assert plant.stop() == 0

    assert (picture["definitions"]["parameters"], picture["definitions"]["readable"]) == (137, 110)
    assert picture["requests_per_scan"] == 6
    scans = picture["scans"]
    assert (scans["skipped"], scans["failed"], picture["lost"]) == (0, 0, 0)
    (bad,) = plant.records.fetch(
        "SELECT count(*) FILTER (WHERE quality <> 192) AS points, count(DISTINCT parameter_id) AS parameters "
        "FROM process_data_points WHERE process_id = $1",
        run,
    )
    assert (bad["points"], bad["parameters"]) == (0, 110)
    plant.records.check_balance()
    plant.records.check_slots_are_contiguous(run)
    _check_values(
        plant.records.fetch(
            "SELECT DISTINCT c.name || '/' || p.name AS name, d.value FROM process_data_points d "
            "JOIN component_parameters p ON p.id = d.parameter_id JOIN machine_components c ON c.id = p.component_id"
        )
    )


def _check_values(rows: list[Mapping[str, Any]]) -> None:
    """Every word on the wire was its own address: decode by hand what that makes, low word first."""
    stored = {row["name"]: row["value"] for row in rows}
    assert len(stored) == len(rows) == 110
    for definition in read_definition_file(REAL_MAP).definitions:
        if not definition.is_configured:
            continue
        assert definition.address is not None
        pair = struct.pack(">HH", definition.address + 1, definition.address)
        expected = {
            DataType.BINARY: float(definition.address & 1),
            DataType.FLOAT32: struct.unpack(">f", pair)[0],
            DataType.INT32: float(struct.unpack(">i", pair)[0]),
        }[definition.data_type or DataType.BINARY]
        assert stored[definition.full_name] == expected, definition.full_name
