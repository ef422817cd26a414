"""How far the time from the start of a scan to the start of the next is from its interval.

The daemon's own samplers, spool on disk and device over TCP, on uvloop, one at 10 Hz (110 float32) and one at 100 Hz
(20 float32) in one event loop, as a tool has them; the server is another process. The writer is not there: its
work is in the row *latency*. Timers of the event loop and of `recorder.acquisition.slot_timer` take turns, so that
both figures are of one run on one machine. Only the second is set against the goal, with ``cpu_wake_up_us = 0`` where
this user may set it: else an idle processor of a virtual machine wakes too late for it. Beside it another process
sleeps and says how late this machine wakes it: a busy machine misses the goal by that alone.
"""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.delayed import delayed_server, floats
from benchmarks.figure import Figure
from hal.device import Device
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.plan import ReadPlan, plan_reads
from hal.scan import Scan
from recorder.acquisition.grid import Grid, Slot
from recorder.acquisition.recording import Recording, Roles
from recorder.acquisition.sampler import Sampler
from recorder.acquisition.slot_timer import SlotTimer
from recorder.acquisition.wake_up import wake_up_within
from recorder.clock.clock import Clock
from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import RunContext
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder

ROW: Final = "jitter"
GOALS_MS: Final = {100: 1.0, 10: 2.0}
"""Interval in milliseconds to the highest good p99, in milliseconds."""
_ROUND_TRIP_MS: Final = 1.0
_WARM_S: Final = 1.0
_ROUNDS: Final = 4


class _NotedGrid(Grid):
    """A grid that notes the numbers of its slots."""

    def __init__(self, *, interval_ms: int, clock: Clock, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(interval_ms=interval_ms, clock=clock, sleep=sleep)
        self.numbers: list[int] = []

    async def next(self) -> Slot:
        """Wait for the next slot, and note it."""
        slot = await super().next()
        self.numbers.append(slot.number)
        return slot


class _NotedDevice(Device):
    """A device that notes when its scans began."""

    def __init__(self, port: int) -> None:
        super().__init__("plc", tcp_link(ModbusTcpSettings(device="plc", host="127.0.0.1", port=port)))
        self.starts_ns: dict[int, list[int]] = {10: [], 100: []}

    async def scan(self, plan: ReadPlan) -> Scan:
        """Scan, and note the start."""
        scan = await super().scan(plan)
        self.starts_ns[plan.parameters[0].scan_interval_ms].append(scan.started_ns)
        return scan


async def measure(base: Path, *, seconds: float) -> list[Figure]:
    """Measure for so many seconds with each of the two kinds of timers, in turns; the spool lies below a folder."""
    folder = Path(tempfile.mkdtemp(prefix="ald-jitter-", dir=base))
    before: dict[int, list[float]] = {i: [] for i in GOALS_MS}
    after: dict[int, list[float]] = {i: [] for i in GOALS_MS}
    floor: list[float] = []
    refused: str | None = None
    try:
        with delayed_server(_ROUND_TRIP_MS) as port:
            for number in range(_ROUNDS):
                found = await _jitter_ms(port, folder / f"loop{number}.sqlite3", asyncio.sleep, seconds / _ROUNDS)
                with SlotTimer() as timer, wake_up_within(0) as refused, _floor_ms(floor):
                    ours = await _jitter_ms(port, folder / f"kernel{number}.sqlite3", timer.sleep, seconds / _ROUNDS)
                for i in GOALS_MS:
                    before[i] += found[i]
                    after[i] += ours[i]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    how = f"over {seconds:.0f} s, " + (refused or "with cpu_wake_up_us = 0")
    return [_figure(i, before[i], after[i], _percentiles(floor), how) for i in GOALS_MS]


@contextmanager
def _floor_ms(found: list[float]) -> Iterator[None]:
    """Let another process sleep for as long as the block runs; how late it was woken is added to `found`."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sleeper"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield
        said, _ = process.communicate()
    found += [float(line) for line in said.split()]


def _figure(interval_ms: int, before: list[float], after: list[float], floor: dict[str, float], how: str) -> Figure:
    old, new = _percentiles(before), _percentiles(after)
    return Figure(
        row=ROW,
        what=f"ms p99 of jitter at {1000 // interval_ms} Hz, start to start",
        value=new["p99"],
        goal=GOALS_MS[interval_ms],
        note=f"p50 {new['p50']:.3f}, worst {new['worst']:.2f} {how}; with the event loop's timers p50 "
        f"{old['p50']:.3f}, p99 {old['p99']:.2f}, worst {old['worst']:.2f}; a thread that only "
        f"sleeps was late by {floor['p99']:.2f} at p99 meanwhile",
        detail={"kernel_timer": new, "event_loop": old, "floor": floor, "scans": len(after) + 1},
    )


def _percentiles(jitter_ms: list[float]) -> dict[str, float]:
    p50, p99, worst = np.percentile(jitter_ms, [50, 99, 100])
    return {"p50": float(p50), "p99": float(p99), "worst": float(worst)}


async def _jitter_ms(
    port: int, path: Path, sleep: Callable[[float], Awaitable[None]], seconds: float
) -> dict[int, list[float]]:
    """Run both samplers; returns the jitter of each interval, a figure a scan."""
    device = _NotedDevice(port)
    async with Spool(path, max_bytes=1 << 30) as spool:
        tracker = ProcessTracker(
            mint=ProcessIdMint(recorder=0),
            context=RunContext(machine="bench", definitions_version=""),
            has_run_state=False,
        )
        recording = Recording(
            spool=spool,
            tracker=tracker,
            clock=Clock(),
            latency=LatencyRecorder(),
            roles=Roles(),
            state={},
            sleep=sleep,
        )
        plans = {
            100: plan_reads(floats(110, interval_ms=100)),
            10: plan_reads(floats(20, interval_ms=10, first=500)),
        }
        grids = {i: _NotedGrid(interval_ms=i, clock=recording.clock, sleep=sleep) for i in plans}
        samplers = [
            Sampler(device=device, plan=plan, interval_ms=i, recording=recording, grid=grids[i])
            for i, plan in plans.items()
        ]
        async with asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(device.run())
            await device.wait_connected()
            sampling = [tasks.create_task(sampler.run()) for sampler in samplers]
            await asyncio.sleep(_WARM_S)
            warm = {i: len(starts) for i, starts in device.starts_ns.items()}
            await asyncio.sleep(seconds)
            for sampler in samplers:
                sampler.stop()
            await asyncio.wait(sampling)
            connection.cancel()
    return {
        i: _deviations_ms(device.starts_ns[i][warm[i] :], grids[i].numbers[warm[i] : len(device.starts_ns[i])], i)
        for i in plans
    }


def _deviations_ms(starts_ns: list[int], slots: list[int], interval_ms: int) -> list[float]:
    """How far each start is from where the one before and the slots in between put it."""
    between_ms = np.diff(np.array(starts_ns, np.int64)) / 1e6
    deviations: list[float] = np.abs(between_ms - np.diff(np.array(slots, np.int64)) * interval_ms).tolist()
    return deviations
