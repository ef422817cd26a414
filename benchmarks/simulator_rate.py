"""How many requests of 125 registers a second the simulator answers on one core; the client is another process.

``python -m benchmarks.simulator_rate`` prints it. The server is this very module with ``--serve``, held to the first
core that it may use; the clients share another. Each of ten connections has one request under way, as a recorder has;
the processor time of the server is what counts where the machine is busy with other things.
"""

import argparse
import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmarks.figure import Figure
from hal.parameter import RegisterKind
from simulator.array_memory import ArrayMemory
from simulator.generated import SineMemory
from simulator.memory import Unit
from simulator.response_log import ResponseLog
from simulator.server import serve_tcp
from simulator.wire import Wire

if sys.platform != "win32":
    import uvloop

ROW: Final = "simulator_rate"
GOAL: Final = 8_000
"""Requests a second."""
CONNECTIONS: Final = 10
REGISTERS: Final = 125
SECONDS: Final = 2.0
_ANSWER_BYTES: Final = 9 + 2 * REGISTERS
_REQUEST: Final = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, REGISTERS)
_DEADLINE_S: Final = 10.0


def measure(*, seconds: float = SECONDS) -> dict[str, Any]:
    """Measure the rate, plainly, with a log of every response, and of a map of 10,000 parameters that moves.

    Returns:
        ``requests_per_second``, ``server_cpu_us`` a request, ``goal``, and the same of the variants by their name.
    """
    variants = {name: _measure(name, seconds) for name in ("plain", "logged", "generated")}
    return {"goal": GOAL, "connections": CONNECTIONS, "registers": REGISTERS, **variants["plain"], "variants": variants}


def figures(*, seconds: float = SECONDS) -> list[Figure]:
    """The same as rows of ``make bench``; the rate is that of a core, since client and server share this machine."""
    measured = measure(seconds=seconds)
    plain: dict[str, float] = measured["variants"]["plain"]
    note = "the rate that client and server reached together; the goal is set against the server's own CPU time"
    return [
        Figure(row=ROW, what="requests/s of 125 registers, as driven", value=plain["requests_per_second"], digits=0),
        Figure(
            row=ROW,
            what="requests/s that one core of the simulator can answer",
            value=1e6 / plain["server_cpu_us"],
            digits=0,
            bound="at least",
            goal=measured["goal"],
            note=note,
            detail=measured["variants"],
        ),
    ]


def _measure(variant: str, seconds: float) -> dict[str, float]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.simulator_rate", "--serve", variant],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    cores = sorted(os.sched_getaffinity(0))
    try:
        port = json.loads(process.stdout.readline())["port"]
        if len(cores) > 1:
            os.sched_setaffinity(0, set(cores[1:]))
        return _drive(port, process.pid, seconds)
    finally:
        os.sched_setaffinity(0, set(cores))
        process.stdin.close()
        process.wait(_DEADLINE_S)
        process.stdout.close()


def _drive(port: int, server: int, seconds: float) -> dict[str, float]:
    connections = [socket.create_connection(("127.0.0.1", port), _DEADLINE_S) for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        begin_s, begin_cpu_s, requests = time.perf_counter(), _cpu_s(server), 0
        while time.perf_counter() < begin_s + seconds:
            for connection in connections:
                connection.sendall(_REQUEST)
            for connection in connections:
                due = _ANSWER_BYTES
                while due:
                    due -= len(connection.recv(due))
            requests += len(connections)
        elapsed_s, cpu_s = time.perf_counter() - begin_s, _cpu_s(server) - begin_cpu_s
    finally:
        for connection in connections:
            connection.close()
    return {"requests_per_second": requests / elapsed_s, "server_cpu_us": 1e6 * cpu_s / requests}


def _cpu_s(process: int) -> float:
    """Processor seconds that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _serve(variant: str) -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    still = ArrayMemory({RegisterKind.HOLDING_REGISTER: (0, range(1000, 1000 + REGISTERS))})
    log = ResponseLog(Path(os.devnull)) if variant == "logged" else None
    unit = Unit(memory=_Holding(10_000) if variant == "generated" else still)
    async with serve_tcp(Wire({1: unit}, log=log), host="127.0.0.1", port=0) as port:
        print(json.dumps({"port": port}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


class _Holding(SineMemory):
    """A generated map whose input registers are read as holding registers, so that every variant has one request."""

    def read(self, kind: RegisterKind, address: int, count: int) -> Any:  # noqa: ARG002  (the one it stands for)
        """Answer a read."""
        return super().read(RegisterKind.INPUT_REGISTER, address, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", choices=("plain", "logged", "generated"))
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        if arguments.serve is None:
            print(json.dumps(measure(), indent=2))
        elif sys.platform != "win32":
            uvloop.run(_serve(arguments.serve))
