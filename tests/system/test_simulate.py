"""``ald-recorder simulate`` and ``faults`` as a user runs them: what they print, how they end, what they refuse."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recorder.definitions.file import read_definition_file

PROGRAM = (sys.executable, "-m", "recorder")
KEYS = {
    "host",
    "port",
    "unit",
    "parameters",
    "recipe",
    "cycles",
    "run_duration_s",
    "speed",
    "seed",
    "map_path",
    "start",
}
TRACE = "Elapsed Time [s],Pressure [Torr],Valve\n0.0,1.5,0\n0.5,NaN,1\n1.0,1.25,0\n"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=30, check=False)


@contextmanager
def simulating(*arguments: str) -> Iterator[dict[str, Any]]:
    """A running simulator and what it printed as JSON; it must end in order on SIGTERM."""
    process = subprocess.Popen(
        [*PROGRAM, "simulate", "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        text = ""
        for line in process.stdout:
            text += line
            if line.startswith("}"):
                break
        yield json.loads(text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def exchange(port: int, frame: str, answer_bytes: int, *, host: str = "127.0.0.1") -> str:
    """One request and its answer, in hexadecimal."""
    with socket.create_connection((host, port), 5) as connection:
        connection.sendall(bytes.fromhex(frame))
        answer = b""
        while len(answer) < answer_bytes:
            piece = connection.recv(answer_bytes - len(answer))
            assert piece, f"closed after {answer.hex(' ')}"
            answer += piece
    return answer.hex(" ")


def test_fifty_tools_answer_on_fifty_ports() -> None:
    """Each with its own seed; one read of each run state."""
    with simulating("--tools", "50", "--port", "0") as told:
        tools = told["tools"]
        ports = {tool["port"] for tool in tools}
        assert (len(tools), len(ports)) == (50, 50)
        assert {tool["seed"] for tool in tools} == set(range(50))
        for port in ports:
            assert exchange(port, "00 01 00 00 00 06 01 04 0b b8 00 01", 11) == "00 01 00 00 00 05 01 04 02 00 00"


def test_it_says_what_it_serves_and_where(short_directory: Path) -> None:
    """The keys that programs read, a serial line, and a control socket that takes a fault."""
    control = str(short_directory / "control")
    with simulating("--port", "0", "--rtu", "--control", control, "--recipe", "tio2_thermal", "--cycles", "3") as told:
        assert told.keys() >= KEYS
        assert told["cycles"] == 3
        assert Path(told["terminal"]).exists()
        injected = run("faults", "inject", "exception", "--code", "6", "--control", control, "--json")
        assert json.loads(injected.stdout) == {"id": 1}
        assert exchange(told["port"], "00 01 00 00 00 06 01 04 0b b8 00 01", 9) == "00 01 00 00 00 03 01 84 06"
        assert "exception" in run("faults", "list", "--control", control).stdout
        assert run("faults", "clear", "exception", "--control", control).stdout == "1 cleared\n"
        wrong = run("faults", "inject", "exeption", "--control", control)
        assert (wrong.returncode, "no fault 'exeption'" in wrong.stderr) == (2, True)
    away = run("faults", "list", "--control", control)
    assert (away.returncode, "no simulator answers" in away.stderr) == (3, True)


def test_a_trace_is_replayed_with_a_map_that_the_recorder_imports(tmp_path: Path) -> None:
    """The map is written, and read as a definitions file without a finding."""
    trace, map_path = tmp_path / "run.csv", tmp_path / "columns.csv"
    trace.write_text(TRACE, encoding="utf-8")
    with simulating("--port", "0", "--replay", str(trace), "--map", str(map_path), "--nan", "-1") as told:
        assert told.keys() >= KEYS
        assert (told["rows"], told["pace"]) == (3, "scan")
    read = read_definition_file(map_path)
    assert [definition.full_name for definition in read.definitions][:2] == ["Trace/Pressure", "Trace/Valve"]
    assert read.findings == ()


def test_a_generated_map_is_served_and_read_by_the_recorder(tmp_path: Path) -> None:
    """Ten thousand parameters."""
    map_path = tmp_path / "map.csv"
    with simulating("--port", "0", "--parameters", "10000", "--map", str(map_path)) as told:
        assert told["parameters"] == 10_000
    assert len(read_definition_file(map_path).definitions) == 10_000


def test_a_response_log_is_on_file_when_it_ends(tmp_path: Path) -> None:
    """One answer, one record."""
    log = tmp_path / "responses.bin"
    with simulating("--port", "0", "--response-log", str(log)) as told:
        exchange(told["port"], "00 01 00 00 00 06 01 04 0b b8 00 01", 11)
    assert log.stat().st_size > 8


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--replay", "x.csv", "--speed", "3"), 2, "--replay and --speed contradict"),
        (("--replay", "x.csv", "--parameters", "3"), 2, "--replay and --parameters contradict"),
        (("--replay", "x.csv"), 2, "x.csv: cannot be read"),
        (("--pace", "scan"), 2, "--pace means nothing without --replay"),
        (("--tools", "3", "--rtu"), 2, "--tools and --rtu contradict"),
        (("--tools", "20", "--port", "65530"), 2, "leaves no room"),
        (("--fault-rate", "3"), 2, "without --fault-seed"),
        (("--fault-seed", "3", "--fault-kinds", "shrt"), 2, "no fault 'shrt'"),
        (("--faults", "none.toml"), 2, "none.toml: cannot be read"),
        (("--recipe", "none"), 2, "neither a file nor one of the built-in recipes"),
        (("--speed", "1000"), 2, "Invalid value for '--speed'"),
        (("--parameters", "0"), 2, "1 to"),
        (("--host", "192.0.2.1"), 3, "cannot serve on 192.0.2.1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_is_one_clear_line(arguments: tuple[str, ...], status: int, said: str) -> None:
    """2 for wrong use, 3 for something outside."""
    ended = run("simulate", "--port", "0", *arguments) if "--port" not in arguments else run("simulate", *arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_ends_with_status_3() -> None:
    """And says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("simulate", "--port", str(port))
    assert ended.returncode == 3
    assert "choose another port" in ended.stderr
    assert os.linesep.join(ended.stderr.splitlines()).count("\n") == 0
