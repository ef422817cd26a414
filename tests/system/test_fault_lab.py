"""The fault lab: each scenario in its short form, and the command that a customer is given.

The seed is printed, and ``ALD_TEST_SEED`` sets it: ``ald-recorder faults run NAME --seed N --short`` is then the same.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recorder.cli.fault_lab.catalogue import SCENARIOS
from recorder.cli.fault_lab.experiment import SKIPPED, carry_out, opened_lab
from recorder.cli.fault_lab.lab import PREFIX, Lab, lab_folder
from recorder.cli.fault_lab.report import Report
from recorder.cli.fault_lab.scenario import Scenario
from tests.conftest import SESSION_PROCESSES
from tests.system.plant import command_line, environment
from tests.system.processes import alive, family
from tests.system.waiting import until

SEED = int(os.environ.get("ALD_TEST_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A lab for all scenarios of this file."""
    with opened_lab(is_short=True) as opened:
        SESSION_PROCESSES.add(opened.server.pid)
        yield opened


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_promise_holds(lab: Lab, scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    """What the tool says it sent is what is stored: every response, once, equal; what is not is accounted for."""
    (result,) = asyncio.run(carry_out(lab, [scenario], seed=SEED))
    SESSION_PROCESSES.add(lab.server.pid)  # a scenario may have stopped and started it
    with capsys.disabled():
        print(f" ALD_TEST_SEED={SEED}", end="")  # noqa: T201  (what it takes to have the same again)
    if result.verdict == SKIPPED:
        pytest.skip(result.reason)
    now = datetime.now(UTC)
    report = Report(results=[result], seed=SEED, is_short=True, postgresql=lab.server.version, started_at=now)
    assert report.passed, report.page()
    assert result.findings is not None
    assert result.findings.comparison.equal > 0
    assert result.findings.comparison.equal == result.findings.comparison.stored


def faults(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """A ``faults`` command as a process, with a temporary folder of its own."""
    return subprocess.Popen(
        command_line("faults", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment(), "TMPDIR": os.fspath(folder)},
    )


@pytest.mark.timeout(180)
def test_the_command_prints_a_report_that_can_be_signed(short_directory: Path) -> None:
    """Machine, versions, seed, what was done when, what came of it, and a verdict; nothing is left in the folder."""
    with faults("run", "two-recorders", "--seed", "7", "--short", folder=short_directory) as process:
        page, errors = process.communicate(timeout=150)
    assert process.returncode == 0, page + errors
    for expected in ("seed 7, short form", "PostgreSQL", "two-recorders: PASS", "sent, ", "audit", "signature"):
        assert expected in page
    assert list(short_directory.glob(f"{PREFIX}*")) == []


def test_the_scenarios_are_listed_with_what_is_promised(short_directory: Path) -> None:
    """A sentence and a promise each; a name that is none is told from them."""
    with faults("scenarios", "--json", folder=short_directory) as process:
        listed = json.loads(process.communicate(timeout=60)[0])
    assert [each["name"] for each in listed] == [scenario.name for scenario in SCENARIOS]
    assert all(each["sentence"] and each["promise"] for each in listed)
    with faults("run", "kill-8", folder=short_directory) as process:
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (2, 1)
    assert "there is no scenario 'kill-8'; there are all, kill-9, " in errors


@pytest.mark.timeout(180)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_nothing_of_a_lab_that_is_ended_goes_on(
    short_directory: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tool, recorder and PostgreSQL end with it, after kill -9 too; the next lab takes the folder that was left."""
    with faults("run", "tool-away", folder=short_directory) as process:
        until("its recorder", lambda: list(short_directory.glob(f"{PREFIX}*/tool-away/recorder/recorder.log")))
        members = family(process.pid)
        process.send_signal(number)
        process.communicate(timeout=60)
    until("the end of all of it", lambda: not alive(members))
    left = list(short_directory.glob(f"{PREFIX}*"))
    assert bool(left) == (number == signal.SIGKILL)
    if left:
        with monkeypatch.context() as patched:
            patched.setattr(tempfile, "tempdir", os.fspath(short_directory))
            with lab_folder():
                assert not left[0].exists()
