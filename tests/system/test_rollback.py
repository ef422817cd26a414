"""docs/rollback.md carried out with the release before itself, as the history of this repository has it.

Without the history (a clone of the last commit alone) it is skipped; `tests/recorder/spool/test_entry.py` and
`tests/sql/test_rollback.py` hold the two halves of it then, with that release's reader and statements.
"""

import asyncio
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

from recorder.cli.fault_lab.experiment import opened_lab
from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.plant import Plant
from recorder.cli.fault_lab.scenario import Findings
from tests.conftest import SESSION_PROCESSES

RELEASE_0_1: Final = "0049b4000e772c4bb34679e422543e962551f9e9"
REPOSITORY: Final = Path(__file__).parents[2]
BACKLOG: Final = 60


@pytest.fixture
def release_before(tmp_path: Path) -> Path:
    """The tree of the release before."""
    try:
        archive = subprocess.run(
            ("git", "archive", "--format=tar", RELEASE_0_1, "hal", "recorder", "sql"),
            cwd=REPOSITORY,
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        pytest.skip("no git on this machine, and so no release 0.1 to go back to")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"release 0.1 is not in the history of this clone: {error.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(tmp_path / "release 0.1", filter="data")
    return tmp_path / "release 0.1"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A lab with a server that may be stopped."""
    with opened_lab(is_short=True) as opened:
        SESSION_PROCESSES.add(opened.server.pid)
        yield opened


async def backlog(plant: Plant) -> None:
    """Wait until the spool holds what nobody can write."""
    await plant.recorder.until("a backlog", lambda picture: picture["spool"]["entries"] >= BACKLOG)


async def go_back_and_forward(lab: Lab, release_before: Path) -> Findings:
    """Stop, start the release before, stop, start this one; each takes over a spool that the other could not empty."""
    before = ("env", "PYTHONSAFEPATH=1", f"PYTHONPATH={release_before}")
    async with lab.plant("rollback", seed=1, interval_ms=50) as plant:
        await plant.start()
        lab.server.stop("immediate")
        await backlog(plant)
        await plant.recorder.stop()
        plant.did("this release stopped with a backlog")

        # a section that the release before does not know: it would name it and end
        clock = plant.recorder.settings.pop("clock")
        lab.server.start()
        await plant.recorder.start(through=before)
        await plant.recorder.until_recording()
        await plant.recorder.until_drained()
        assert "set_values" not in (await plant.recorder.status() or {}), "that was this release"
        lab.server.stop("immediate")
        await backlog(plant)
        await plant.recorder.stop()
        plant.did("the release before stopped with a backlog, on the schema of this one")

        plant.recorder.settings["clock"] = clock
        lab.server.start()
        SESSION_PROCESSES.add(lab.server.pid)
        await plant.recorder.start()
        await plant.recorder.until_recording()
        await plant.finish()
        return await plant.judge()


@pytest.mark.timeout(240)
def test_the_release_before_reads_the_spool_and_records_and_this_one_goes_on(lab: Lab, release_before: Path) -> None:
    """Going back with a full spool and forward again: every answer is stored, once, in one run that goes on."""
    findings = asyncio.run(go_back_and_forward(lab, release_before))
    assert findings.comparison.problems == []
    assert [check for check in findings.checks if not check.holds] == []
    assert findings.comparison.equal == findings.comparison.stored > 2 * BACKLOG
