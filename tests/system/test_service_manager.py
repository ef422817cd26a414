"""The daemon as a service manager sees it: ready, fed, starved; with neither database nor device."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from recorder.definitions.definitions import DefinitionSet, save_last_good
from recorder.definitions.file import read_definition_file
from tests.notify_socket import NotifySocket, notify_socket
from tests.system import halting_recorder
from tests.system.conftest import MakePlant
from tests.system.plant import Plant, environment

WATCHDOG_S = 1.5
NOBODY = "postgresql://nobody@127.0.0.1:1/none"


@pytest.fixture
def heard(short_directory: Path) -> Iterator[NotifySocket]:
    """What the service manager hears."""
    with notify_socket(str(short_directory / "notify")) as heard:
        yield heard


@pytest.fixture
def lonely(make_plant: MakePlant, heard: NotifySocket) -> Plant:
    """A recorder with the definitions of an earlier day, and with nobody else."""
    told = {"NOTIFY_SOCKET": heard.address, "WATCHDOG_USEC": str(round(WATCHDOG_S * 1e6))}
    plant = make_plant(NOBODY, interval_ms=100, daemon_environment=told)
    definitions = read_definition_file(plant.map_path).definitions
    numbered = tuple(each.model_copy(update={"id": number}) for number, each in enumerate(definitions, start=1))
    save_last_good(
        DefinitionSet(machine=plant.machine, definitions=numbered), plant.data_directory / "definitions.json"
    )
    return plant


def test_it_is_ready_and_fed_although_database_and_device_are_away(lonely: Plant, heard: NotifySocket) -> None:
    """READY comes with the first slot; a process that stands still is not fed, and is again where it goes on."""
    process = lonely.start_daemon()
    heard.until("READY")
    for _ in range(3):
        fed = heard.until("WATCHDOG")
    assert "0 of 1 devices connected" in fed["STATUS"]
    assert lonely.until_status("slots", lambda picture: picture["scans"]["failed"] > 5)["writer"]["state"] != "writing"
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    heard.forget()
    with pytest.raises(TimeoutError):
        heard.until("WATCHDOG", within_s=2 * WATCHDOG_S)
    process.send_signal(signal.SIGCONT)
    heard.until("WATCHDOG")
    assert lonely.stop() == 0
    assert heard.until("STOPPING")["STOPPING"] == "1"


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGUSR1, "no slot of plc/100 for"), (signal.SIGUSR2, "nothing could be appended to the spool for")],
    ids=["dead timer", "stuck append thread"],
)
def test_a_recorder_that_answers_and_does_not_record_starves_the_watchdog(
    lonely: Plant, heard: NotifySocket, number: signal.Signals, said: str
) -> None:
    """Its event loop runs on and tells why; only what is recorded feeds."""
    with ExitStack() as stack:
        log = stack.enter_context(lonely.log_path.open("ab"))
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, halting_recorder.__file__, str(lonely.write_config())],
                stdout=log,
                stderr=log,
                env={**environment(), **lonely._daemon_environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        )
        stack.callback(process.kill)
        heard.until("WATCHDOG")
        process.send_signal(number)
        while not heard.until("STATUS")["STATUS"].startswith(f"stands still: {said}"):
            pass
        with pytest.raises(TimeoutError):
            heard.until("WATCHDOG", within_s=2 * WATCHDOG_S)
