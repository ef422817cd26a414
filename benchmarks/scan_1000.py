"""1,000 float32 parameters as one scan, against libmodbus in C and against one request a parameter.

All read from the same server, which takes 5 ms for each request, as a PLC does, answers any number of connections at
once, and on each one request after the other, however many wait. So several requests in flight save what lies between
an answer and the next request, and nothing of the 5 ms. libmodbus (from Debian, compiled here) reads the very blocks of
our plan one after the other and turns each pair of words into a float, which is what a careful program in C does. Timed
of ours is `hal.device.Device.scan` as the daemon calls it: requests, answers, decoding, quality. One request a
parameter is how the recorder read that this one replaces. Ratios are of medians within this one run; what is close
together, libmodbus and the two ways on one connection, is measured in turns, so that whatever else the machine does
meets all three.
"""

import asyncio
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.delayed import delayed_server, floats
from benchmarks.figure import Figure
from hal.device import Device
from hal.link import Block
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.parameter import Parameter
from hal.plan import ReadPlan, plan_reads

ROW: Final = "scan_1000"
PARAMETERS: Final = 1_000
DELAY_MS: Final = 5.0
CONNECTIONS: Final = 8
IN_FLIGHT: Final = 4
GOAL_ONE: Final = 1.0
GOAL_SEVERAL: Final = 3.0
GOAL_SINGLE: Final = 50.0
_SOURCE: Final = Path(__file__).with_name("libmodbus_reader.c")
_SINGLE_SCANS: Final = 1
_ROUNDS: Final = 3


async def measure(*, seconds: float) -> list[Figure]:
    """Measure each way for so many seconds; one request a parameter for one scan, since that takes 5 s."""
    parameters = floats(PARAMETERS)
    plan = plan_reads(parameters)
    with delayed_server(DELAY_MS) as port:
        known, one_ms, in_flight_ms, missing = await _in_turns(port, plan, seconds=seconds)
        several_ms = median(await _scans_ms(port, plan, connections=CONNECTIONS, seconds=seconds))
        single_ms = median(await _scans_ms(port, _one_by_one(parameters), scans=_SINGLE_SCANS))
    what = f"{PARAMETERS:,} float32 in {len(plan.blocks)} requests of {DELAY_MS:g} ms"
    detail: dict[str, object] = {
        "libmodbus_ms": known,
        "one_connection_ms": one_ms,
        "in_flight_ms": in_flight_ms,
        "several_connections_ms": several_ms,
        "one_by_one_ms": single_ms,
        "requests": len(plan.blocks),
    }
    against = f"{one_ms:.1f} ms a scan, libmodbus in C {known:.1f}" if known else f"{one_ms:.1f} ms a scan; {missing}"
    return [
        Figure(
            row=ROW,
            what="times the speed of libmodbus, one connection, one request at a time",
            value=known / one_ms if known else None,
            bound="at least",
            goal=GOAL_ONE,
            note=f"{what}: {against}",
            detail=detail,
        ),
        Figure(
            row=ROW,
            what=f"times the speed of libmodbus, one connection, {IN_FLIGHT} requests in flight",
            value=known / in_flight_ms if known else None,
            bound="at least",
            goal=GOAL_ONE,
            note=f"{in_flight_ms:.1f} ms a scan" + (f"; {missing}" if missing else ""),
        ),
        Figure(
            row=ROW,
            what=f"times the speed of libmodbus, {CONNECTIONS} connections",
            value=known / several_ms if known else None,
            bound="at least",
            goal=GOAL_SEVERAL,
            note=f"{several_ms:.1f} ms a scan" + (f"; {missing}" if missing else ""),
        ),
        Figure(
            row=ROW,
            what="times the speed of one request a parameter",
            value=single_ms / one_ms,
            digits=0,
            bound="at least",
            goal=GOAL_SINGLE,
            note=f"one connection each: {one_ms:.1f} ms against {single_ms:,.0f} ms a scan",
        ),
    ]


async def _in_turns(port: int, plan: ReadPlan, *, seconds: float) -> tuple[float | None, float, float, str]:
    """Median scans of libmodbus in C, of one request at a time and of several in flight; why the first is missing."""
    c_ms: list[float] = []
    one_ms: list[float] = []
    in_flight_ms: list[float] = []
    missing = ""
    with tempfile.TemporaryDirectory(prefix="ald-libmodbus-") as folder:
        program = Path(folder) / "reader"
        missing = _compile(program)
        for _ in range(_ROUNDS):
            if not missing:
                c_ms += await asyncio.to_thread(_libmodbus_ms, program, port, plan, seconds / _ROUNDS)
            one_ms += await _scans_ms(port, plan, seconds=seconds / _ROUNDS)
            in_flight_ms += await _scans_ms(port, plan, in_flight=IN_FLIGHT, seconds=seconds / _ROUNDS)
    return median(c_ms) if c_ms else None, median(one_ms), median(in_flight_ms), missing


def _compile(program: Path) -> str:
    """Make the reader in C; returns why there is none."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return "no C compiler (on Debian: apt-get install gcc)"
    command = [compiler, "-O2", "-o", str(program), str(_SOURCE), "-lmodbus"]
    if subprocess.run(command, capture_output=True, text=True, check=False).returncode:
        return "libmodbus cannot be compiled (on Debian: apt-get install libmodbus-dev)"
    return ""


def _libmodbus_ms(program: Path, port: int, plan: ReadPlan, seconds: float) -> list[float]:
    places = [str(number) for block in plan.blocks for number in (block.address, block.count)]
    run = subprocess.run([program, str(port), str(seconds), *places], capture_output=True, text=True, check=True)
    return [float(line) for line in run.stdout.splitlines()]


async def _scans_ms(
    port: int, plan: ReadPlan, *, connections: int = 1, in_flight: int = 1, seconds: float = 0.0, scans: int = 1
) -> list[float]:
    """Scan for so many seconds, but so many times at least."""
    settings = ModbusTcpSettings(
        device="plc", host="127.0.0.1", port=port, connections=connections, requests_in_flight=in_flight
    )
    device = Device("plc", tcp_link(settings))
    owner = asyncio.create_task(device.run(), name="connection")
    try:
        await device.wait_connected()
        times_ms: list[float] = []
        end = time.monotonic() + seconds
        while len(times_ms) < scans or time.monotonic() < end:
            scan = await device.scan(plan)
            assert scan.error is None, scan.error
            assert scan.values[-1] == PARAMETERS - 1
            times_ms.append((scan.ended_ns - scan.started_ns) / 1e6)
    finally:
        owner.cancel()
        with suppress(asyncio.CancelledError):
            await owner
    return times_ms


def _one_by_one(parameters: list[Parameter]) -> ReadPlan:
    """The plan of the recorder that this one replaces: a request a parameter."""
    return ReadPlan(
        parameters=tuple(parameters),
        blocks=tuple(Block(kind=p.kind, address=p.address, count=p.words) for p in parameters),
        block_of=tuple(range(len(parameters))),
        offset_of=(0,) * len(parameters),
    )
