"""The demonstration as a newcomer and as CI run it: whole, killed, twice at once, and into a pipe that closes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from recorder.control import ask
from recorder.errors import DaemonAwayError
from tests.system.plant import command_line, environment
from tests.system.processes import alive, family
from tests.system.waiting import until

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="processes are counted in /proc")
FIGURES: Final = {"p50", "p95", "p99", "max"}
SLOTS: Final = {"scheduled", "completed", "failed", "skipped"}


def demo_command(*arguments: str) -> list[str]:
    """The command line of the demo."""
    return command_line("demo", "--json", *arguments)


def demo_environment(folder: Path) -> dict[str, str]:
    """An empty home in an odd place, and a user who has configured a recorder of a real tool."""
    return {
        **environment(),
        "HOME": str(folder / "home"),
        "XDG_DATA_HOME": str(folder / "home" / "data"),
        "ALD_DEMO_DIRECTORY": str(folder / "Versuch für mich"),
        "ALD_DATABASE__DSN": "postgresql://nobody@127.0.0.1:1/production",
        "ALD_RECORDER__MACHINE": "Real tool",
    }


def run_demo(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the demo to its end."""
    return subprocess.run(
        demo_command(*arguments),
        env=demo_environment(folder),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def recording(folder: Path) -> dict[str, Any] | None:
    """The status of the demo's recorder once it records the run."""
    socket = folder / "Versuch für mich" / "demo-recorder" / "control.sock"
    try:
        picture: dict[str, Any] = asyncio.run(ask(socket, "status"))
    except DaemonAwayError:
        return None
    return picture if picture["process"] and picture["process"]["kind"] == "recipe" else None


@linux_only
@pytest.mark.timeout(120)
def test_a_demo_that_was_killed_leaves_no_process_and_the_next_one_is_whole(short_directory: Path) -> None:
    """While one runs a second is refused; after kill -9 all its processes end; then a run is recorded whole."""
    first = subprocess.Popen(
        demo_command("--speed", "5"),
        env=demo_environment(short_directory),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until("the run", lambda: recording(short_directory))
        members = family(first.pid)
        # demo, simulator, recorder, and PostgreSQL with its own
        assert len(members) > 6

        second = run_demo(short_directory)
        assert (second.returncode, second.stdout) == (3, "")
        (line,) = second.stderr.splitlines()
        assert f"started by process {first.pid}: stop that program first" in line
        assert first.poll() is None
        assert recording(short_directory)
    finally:
        first.kill()
        first.wait()
    until("the end of its processes", lambda: not alive(members), deadline_s=15)

    said = run_demo(short_directory, "--speed", "100")
    assert (said.returncode, said.stderr) == (0, "")
    result = json.loads(said.stdout)
    assert {"run", "cycles", "points_stored", "scans", "requests_per_scan", "lost", "latency_ms"} <= set(result)
    assert result["database_url"].startswith("postgresql://")
    assert set(result["scans"]) >= SLOTS
    # what held the loop, less what the machine was busy with: a slow machine alone does not fail this
    held = result["event_loop_lag_ms"]["held"]
    assert held["count"] > 20
    assert held["p99"] < 20
    assert all(set(result["latency_ms"][stage]) >= FIGURES for stage in ("read", "commit", "sample_to_commit"))
    assert (result["lost"], result["status"], result["machine"]) == (0, "completed", "Simulated ALD tool")
    assert result["time_scale"] == 100
    # at this speed a cycle lasts 72 ms: a machine that skips slots may miss one, and says so
    assert result["cycles"] == 20 or result["scans"]["skipped"] + result["scans"]["late"] > 0
    assert result["points_stored"] > 0

    shown = subprocess.run(
        command_line("runs", "list", "--demo", "--json"),
        env=demo_environment(short_directory),
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=True,
    )
    newest, killed = json.loads(shown.stdout)
    assert (newest["id"], newest["status"]) == (result["run"], "completed")
    assert killed["status"] == "unknown_end", "the run of the demo that was killed was ended, not taken up"
    assert not (short_directory / "home").exists(), "nothing is written beside the folder that was asked for"


@pytest.mark.parametrize("arguments", [["--version"], ["demo", "--help"]], ids=" ".join)
def test_a_reader_who_goes_away_is_no_fault(arguments: list[str]) -> None:
    """Output into a pipe that is closed already ends the command without a trace."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        said = subprocess.run(
            command_line(*arguments), stdout=writer, stderr=subprocess.PIPE, env=environment(), timeout=30, check=False
        )
    finally:
        os.close(writer)
    assert (said.returncode, said.stderr) == (1, b"")


def test_the_simulated_tool_ends_by_either_signal(tmp_path: Path) -> None:
    """SIGTERM and Ctrl-C end it in order, with status 0 and nothing on standard error."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            command_line("simulate", "--port", "0"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env={**environment(), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        ) as process:
            assert process.stdout is not None
            assert b"Simulated ALD tool at 127.0.0.1:" in process.stdout.readline()
            process.send_signal(number)
            _, errors = process.communicate(timeout=10)
            assert (process.returncode, errors) == (0, b"")
