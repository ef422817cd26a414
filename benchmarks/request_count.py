"""How many requests a scan of a real tool takes by plan, and how many where each parameter is asked for alone."""

import asyncio
import statistics
import time
from contextlib import suppress

from benchmarks.figure import Figure, Lengths
from benchmarks.rig import REAL_MAP, ModbusServer, modbus_server
from hal.device import Device
from hal.link import Block
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.parameter import Parameter
from hal.plan import ReadPlan, plan_reads
from recorder.definitions.file import read_definition_file

ROW = "requests"
GOAL = 6
_WHAT = "requests a scan, by plan"


async def measure(lengths: Lengths) -> list[Figure]:
    """Scan by plan and one by one over the same connection, for `Lengths.requests_s` each.

    Timed is `hal.device.Device.scan` alone: requests, answers, decoding. Requests are counted at the server.
    """
    if not REAL_MAP.exists():
        return [Figure(row=ROW, what=_WHAT, value=None, goal=GOAL, note=f"not there: {REAL_MAP}")]
    definitions = read_definition_file(REAL_MAP).definitions
    parameters = [
        definition.model_copy(update={"id": number}).to_parameter()
        for number, definition in enumerate(definitions, start=1)
        if definition.is_configured
    ]
    with modbus_server() as server:
        device = Device("plc", tcp_link(ModbusTcpSettings(device="plc", host="127.0.0.1", port=server.port)))
        connection = asyncio.create_task(device.run(), name="connection")
        try:
            await device.wait_connected()
            planned = await _scans(device, plan_reads(parameters), server, seconds=lengths.requests_s)
            single = await _scans(device, _one_by_one(parameters), server, seconds=lengths.requests_s)
        finally:
            connection.cancel()
            with suppress(asyncio.CancelledError):
                await connection
    count = f"{len(parameters)} parameters"
    return [
        Figure(
            row=ROW,
            what=_WHAT,
            value=planned.requests,
            digits=0,
            goal=GOAL,
            note=f"{count}; one by one takes {single.requests:.0f}",
            detail={"parameters": len(parameters), "one_by_one": single.requests, "by_function": planned.by_function},
        ),
        Figure(
            row=ROW,
            what="ms a scan on loopback, by plan",
            value=planned.scan_ms,
            note=f"median of Device.scan; one by one takes {single.scan_ms:.2f}, "
            f"{single.scan_ms / planned.scan_ms:.1f} times that",
            detail={"one_by_one_ms": single.scan_ms},
        ),
    ]


class _Scans:
    """What a number of scans of one plan cost."""

    def __init__(self, times_ns: list[int], counts: dict[str, int]) -> None:
        self.scan_ms = statistics.median(times_ns) / 1e6
        self.requests = counts["requests"] / len(times_ns)
        self.by_function = {name: count / len(times_ns) for name, count in counts.items() if name != "requests"}


async def _scans(device: Device, plan: ReadPlan, server: ModbusServer, *, seconds: float) -> _Scans:
    before = server.counts()
    times_ns: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        scan = await device.scan(plan)
        assert scan.error is None, scan.error
        times_ns.append(scan.ended_ns - scan.started_ns)
    after = server.counts()
    return _Scans(times_ns, {name: count - before.get(name, 0) for name, count in after.items()})


def _one_by_one(parameters: list[Parameter]) -> ReadPlan:
    """The plan of the recorder that this one replaces: a request a parameter."""
    return ReadPlan(
        parameters=tuple(parameters),
        blocks=tuple(Block(kind=p.kind, address=p.address, count=p.words) for p in parameters),
        block_of=tuple(range(len(parameters))),
        offset_of=(0,) * len(parameters),
    )
