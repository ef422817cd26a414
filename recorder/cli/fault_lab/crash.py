"""The recorder is killed, or its power is cut."""

import os
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.plant import Plant
from recorder.cli.fault_lab.power import PAGE_BYTES, cut_database, cut_log, require_cachestat, unsynced_pages
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario
from recorder.cli.fault_lab.stored import Books

_MOST_LOOKS: Final = 100
"""How often a recorder is stopped to find one that is just writing."""


def _down(books: Books) -> Check:
    slots = books.slots_of("skipped", cause="recorder_down")
    return Check(claim="the slots without a recorder are accounted for", holds=slots > 0, found=f"{slots} slots")


async def _kill_9(lab: Lab, chance: Random) -> Findings:
    kills = lab.choose(short=3, long=30)
    async with lab.plant("kill-9", seed=chance.randrange(10**6)) as plant:
        await plant.start()
        for _ in range(kills):
            await plant.wait(chance.uniform(0.0, 1.0))
            await plant.recorder.kill()
            plant.did("kill -9")
            await plant.recorder.start()
            await plant.recorder.until_recording()
        await plant.finish()
        return await plant.judge(checks=[_down(await plant.books())], settings={"kills": kills})


async def _power_loss(lab: Lab, chance: Random) -> Findings:
    require_cachestat(lab.folder)
    cuts = lab.choose(short=3, long=20)
    taken = 0
    async with lab.plant("power-loss", seed=chance.randrange(10**6)) as plant:
        await plant.start()
        for _ in range(cuts):
            await plant.wait(chance.uniform(0.0, 1.0))
            taken += await _cut_power(plant, chance)
            await plant.recorder.start()
            await plant.recorder.until_recording()
        await plant.finish()
        return await plant.judge(
            checks=[_down(await plant.books())], settings={"power_cuts": cuts, "pages_taken": taken}
        )


def _put_back(spool: Path, contents: Mapping[Path, bytes]) -> None:
    """Let the disk hold this, and no memory beside it.

    The next cut takes what is in memory only: so all of this is synced. And it is written page by page: what is written
    at once Linux keeps in folios of up to 2 MiB (on ext4 since 6.16), all pages of which count as not on the disk where
    one of them is written again.
    """
    for path, content in contents.items():
        with path.open("wb", buffering=0) as file:
            for begin in range(0, len(content), PAGE_BYTES):
                file.write(content[begin : begin + PAGE_BYTES])
            os.fsync(file.fileno())
    Path(f"{spool}-shm").unlink(missing_ok=True)


async def _cut_power(plant: Plant, chance: Random) -> int:
    """Leave the spool as a power cut would, if possible in the middle of a write; returns the pages that it took."""
    spool = plant.recorder.spool_path
    files = (spool, Path(f"{spool}-wal"))
    process = plant.recorder.process
    for _ in range(_MOST_LOOKS):
        process.halt()
        unsynced = {path: unsynced_pages(path) for path in files}
        if any(unsynced.values()):
            break
        process.go_on()
        await plant.wait(chance.uniform(0.0, 0.02))
    else:
        process.halt()
        unsynced = {path: unsynced_pages(path) for path in files}
    await process.until_halted()  # a thread that is waiting for the disk only stops when that has answered
    before = {path: path.read_bytes() for path in files}
    await plant.recorder.kill()
    cut = {
        path: (cut_database if path == spool else cut_log)(content, unsynced[path], chance)
        for path, content in before.items()
    }
    _put_back(spool, {path: file.content for path, file in cut.items()})
    taken = sum(file.unsynced for file in cut.values())
    plant.did(f"power cut, {taken} pages were not on the disk")
    return taken


SCENARIOS: Final = (
    Scenario(
        name="kill-9",
        sentence="The recorder is killed with -9 at random moments, and started again.",
        promise="What was spooled is stored, once; each kill costs at most the scan that was being read.",
        run=_kill_9,
    ),
    Scenario(
        name="power-loss",
        sentence="The recorder's power is cut, if possible in the middle of a write: what was not on the disk is gone.",
        promise="What was spooled is stored, once; each cut costs at most the scan that was being read.",
        run=_power_loss,
    ),
)
