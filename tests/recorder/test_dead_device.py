"""A dead device delays no other: ten samplers in one loop, with and without one that never answers."""

import asyncio
from pathlib import Path
from typing import Final

import numpy as np

from hal.device import Device
from hal.memory import MemoryDevice
from hal.plan import ReadPlan, plan_reads
from hal.scan import Scan
from recorder.clock import Clock
from recorder.latency import LatencyRecorder
from recorder.process import ProcessTracker
from recorder.process_id import ProcessIdMint
from recorder.recording import Recording, Roles
from recorder.run import RunContext
from recorder.sampler import Sampler
from recorder.slot_timer import SlotTimer
from recorder.spool import Spool
from tests.hal.parameters import holding

INTERVAL_MS: Final = 20
SCANS: Final = 60


class NotedDevice(Device):
    """A device that notes when its scans began and what they came to."""

    def __init__(self, memory: MemoryDevice) -> None:
        super().__init__(memory.name, memory.connect)
        self.scans: list[Scan] = []

    async def scan(self, plan: ReadPlan) -> Scan:
        """Scan, and note it."""
        scan = await super().scan(plan)
        self.scans.append(scan)
        return scan


async def start_delays(folder: Path, *, dead: str) -> tuple[list[NotedDevice], float]:
    """Run ten samplers; returns the devices, and how far apart the starts of the live ones are in the median, in ms.

    Args:
        folder: of the spool.
        dead: ``""`` for none, ``silent`` for one that takes requests and never answers, ``away`` for one that
            refuses every connection.
    """
    memories = [MemoryDevice(f"device-{number}", request_timeout_s=0.2) for number in range(10)]
    if dead == "away":
        memories[0].become_unreachable()
    if dead == "silent":
        for _ in range(1000):
            memories[0].delay_next(10.0)
    devices = [NotedDevice(memory) for memory in memories]
    tracker = ProcessTracker(
        mint=ProcessIdMint(recorder=0), context=RunContext(machine="", definitions_version=""), has_run_state=False
    )
    async with Spool(folder / f"spool{dead}.sqlite3", max_bytes=1 << 28) as spool:
        with SlotTimer() as timer:
            recording = Recording(
                spool=spool,
                tracker=tracker,
                clock=Clock(),
                latency=LatencyRecorder(),
                roles=Roles(),
                state={},
                sleep=timer.sleep,
            )
            async with asyncio.TaskGroup() as tasks:
                owners = [tasks.create_task(device.run()) for device in devices]
                samplers = [
                    Sampler(
                        device=device,
                        plan=plan_reads([holding(number, 0, scan_interval_ms=INTERVAL_MS)]),
                        interval_ms=INTERVAL_MS,
                        recording=recording,
                    )
                    for number, device in enumerate(devices, start=1)
                ]
                sampling = [tasks.create_task(sampler.run()) for sampler in samplers]
                await asyncio.sleep(SCANS * INTERVAL_MS / 1000)
                for sampler in samplers:
                    sampler.stop()
                await asyncio.wait(sampling)
                for owner in owners:
                    owner.cancel()
    starts = [np.diff(np.array([scan.started_ns for scan in device.scans])) / 1e6 for device in devices[1:]]
    return devices, float(np.median(np.abs(np.concatenate(starts) - INTERVAL_MS)))


async def test_one_dead_device_beside_nine_live_ones_delays_none(tmp_path: Path) -> None:
    """Whether it is silent or away: the others lose no value, and their jitter is that of a run without it."""
    _, alone_ms = await start_delays(tmp_path, dead="")
    for dead in ("silent", "away"):
        devices, beside_ms = await start_delays(tmp_path, dead=dead)
        assert all(scan.cause in {"timeout", "not_connected"} for scan in devices[0].scans)
        assert all(scan.cause is None for device in devices[1:] for scan in device.scans[2:])
        # the machine of a test run is busy: medians of one run are compared, with room for it
        assert beside_ms < 3 * alone_ms + 1.0, f"{beside_ms:.2f} ms beside a {dead} device, {alone_ms:.2f} ms without"
