"""A dead device delays no other: ten samplers in one loop, with and without one that never answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from hal.device import OPEN_AFTER, Device
from hal.link import Connect
from hal.memory import MemoryDevice
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.plan import ReadPlan, plan_reads
from hal.quality import Quality
from hal.scan import Scan
from recorder.acquisition.recording import Recording, Roles
from recorder.acquisition.sampler import Sampler
from recorder.acquisition.slot_timer import SlotTimer
from recorder.clock.clock import Clock
from recorder.runs.process import ProcessTracker
from recorder.runs.process_id import ProcessIdMint
from recorder.runs.run import RunContext
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder
from tests.hal.parameters import holding

pytestmark = pytest.mark.alone

INTERVAL_MS: Final = 20
SCANS: Final = 60


class NotedDevice(Device):
    """A device that notes when its scans began and what they came to."""

    def __init__(self, name: str, connect: Connect) -> None:
        super().__init__(name, connect)
        self.scans: list[Scan] = []

    async def scan(self, plan: ReadPlan) -> Scan:
        """Scan, and note it."""
        scan = await super().scan(plan)
        self.scans.append(scan)
        return scan


class DeadServer:
    """Accepts every connection, takes what is sent, and says nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[int] = []
        """Requests of each connection that has ended."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = 0
        try:
            while await reader.readexactly(12):
                requests += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            self.requests.append(requests)
        finally:
            writer.close()


@asynccontextmanager
async def dead_server() -> AsyncIterator[DeadServer]:
    """Serve for the length of a test."""
    dead = DeadServer()
    server = await asyncio.start_server(dead.serve, "127.0.0.1", 0)
    dead.port = server.sockets[0].getsockname()[1]
    async with server:
        yield dead
        for _ in range(5):  # the handlers see the closed sockets, and end
            await asyncio.sleep(0)


async def start_delays(folder: Path, *, dead: str, port: int = 0) -> tuple[list[NotedDevice], float]:
    """Run ten samplers; returns the devices, and how far apart the starts of the live ones are in the median, in ms.

    Args:
        folder: of the spool.
        dead: ``""`` for none, ``silent`` for one that takes requests and never answers, ``away`` for one that
            refuses every connection, ``accepting`` for a server that takes connections and is silent.
        port: of that server.
    """
    memories = [MemoryDevice(f"device-{number}", request_timeout_s=0.2) for number in range(10)]
    if dead == "away":
        memories[0].become_unreachable()
    if dead == "silent":
        for _ in range(1000):
            memories[0].delay_next(10.0)
    devices = [NotedDevice(memory.name, memory.connect) for memory in memories]
    if dead == "accepting":
        settings = ModbusTcpSettings(device="dead", host="127.0.0.1", port=port, request_timeout_s=0.1)
        devices[0] = NotedDevice("dead", tcp_link(settings))
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


async def test_a_dead_device_that_accepts_connections_waits_for_its_one_request_alone(tmp_path: Path) -> None:
    """After two connections in vain one request for each back-off, and its slots fail at once; the nine go on."""
    alone, alone_ms = await start_delays(tmp_path, dead="")
    async with dead_server() as server:
        [dead, *live], beside_ms = await start_delays(tmp_path, dead="accepting", port=server.port)
    assert all(scan.cause is None for device in live for scan in device.scans[2:])
    # the machine of a test run is busy: slots are set against those of the run without it
    assert min(len(device.scans) for device in live) > 0.8 * min(len(device.scans) for device in alone)
    assert beside_ms < 3 * alone_ms + 1.0, f"{beside_ms:.2f} ms beside a dead device, {alone_ms:.2f} ms without"
    qualities = [int(scan.quality[0]) for scan in dead.scans]
    assert qualities.count(Quality.COMMUNICATION_FAILURE) == OPEN_AFTER
    open_from = max(n for n, quality in enumerate(qualities) if quality == Quality.COMMUNICATION_FAILURE) + 1
    assert set(qualities[open_from:]) == {Quality.NOT_CONNECTED}
    assert all(scan.ended_ns - scan.started_ns < 0.05e9 for scan in dead.scans[open_from:])
    assert len(server.requests) > OPEN_AFTER
    assert max(server.requests) == 1
