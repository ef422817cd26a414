"""The wall clock is stepped, and midnight passes."""

import time
from itertools import pairwise
from random import Random
from typing import Final

from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.plant import Plant
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario
from recorder.cli.fault_lab.stored import StoredScan
from recorder.cli.fault_lab.waiting import DEADLINE_S
from recorder.cli.fault_lab.wall_clock import WallClock
from recorder.errors import LabError

_DAY_S: Final = 86_400
_DAY_US: Final = _DAY_S * 1_000_000
_BEFORE_S: Final = 1.0
"""Of the run must lie before midnight; where a busy machine took longer to start, all is done again with more time."""


async def _clock_step(lab: Lab, chance: Random) -> Findings:
    clock = WallClock(lab.folder)
    steps = lab.choose(short=(90, -90), long=(90, -90, 90, -90, 90, -90))
    async with lab.plant("clock-step", seed=chance.randrange(10**6)) as plant:
        await plant.start(program=clock.program)
        for number, offset_s in enumerate(steps, start=1):
            await plant.wait(chance.uniform(0.0, 1.0))
            clock.set(offset_s)
            plant.did(f"wall clock set to {offset_s:+d} s of the true time")

            async def told(count: int = number) -> bool:
                return len((await plant.books()).events_of("clock_step")) >= count

            await plant.until("the step to be recorded", told)
        await plant.finish()
        scans = [scan for scan in await plant.stored() if scan.process_id == plant.run]
        return await plant.judge(
            checks=[_in_step(scans, plant.interval_ms), _recorded(await plant.offsets(), steps)],
            settings={"steps_s": list(steps)},
        )


def _in_step(scans: list[StoredScan], interval_ms: int) -> Check:
    """Stored order is the order of scanning anyway; what a thrown clock would leave is a leap or a step back."""
    times = [scan.timestamp_us for scan in scans]
    longest_s = max((b - a for a, b in pairwise(times)), default=0) / 1e6
    return Check(
        claim="time runs on evenly within the run",
        holds=longest_s < _LEAP_S,
        found=f"the longest distance of two scans is {longest_s:.2f} s at {interval_ms} ms",
    )


_LEAP_S: Final = 30.0
"""Well above what a busy machine can hold up a scan, well below the steps."""


def _recorded(offsets_s: list[float], steps: tuple[int, ...]) -> Check:
    return Check(
        claim="each step is recorded with its offset",
        holds=[round(offset_s) for offset_s in offsets_s] == list(steps),
        found=", ".join(f"{offset:+.1f} s" for offset in offsets_s),
    )


async def _midnight(lab: Lab, chance: Random) -> Findings:
    clock = WallClock(lab.folder)
    seed = chance.randrange(10**6)
    first_s = lab.choose(short=8, long=30)
    for attempt, before_s in enumerate((first_s, 4 * first_s, 16 * first_s), start=1):
        name = "midnight" if attempt == 1 else f"midnight-{attempt}"
        async with lab.plant(name, seed=seed) as plant:
            midnight_s = time.monotonic() + before_s
            clock.set(_DAY_S - time.time() % _DAY_S - before_s)
            await plant.start(program=clock.program)
            if time.monotonic() < midnight_s - _BEFORE_S:
                plant.did(f"recorder's clock was {before_s} s before midnight (UTC) as it started")
                return await _over_midnight(plant, before_s, chance)
    raise LabError(f"a recorder took longer than {before_s} s to start: midnight was over before its run began")


async def _over_midnight(plant: Plant, before_s: float, chance: Random) -> Findings:
    async def over() -> bool:
        scans = await plant.stored()
        return len({scan.timestamp_us // _DAY_US for scan in scans}) > 1

    await plant.until("the new day", over, deadline_s=before_s + DEADLINE_S)
    await plant.wait(chance.random())
    await plant.recorder.ask("runs_stop")
    await plant.recorder.until_more_slots(3)
    await plant.finish()
    of_run = [scan for scan in await plant.stored() if scan.process_id == plant.run]
    days = {scan.timestamp_us // _DAY_US for scan in of_run}
    return await plant.judge(
        checks=[
            Check(
                claim="the run has points on both days",
                holds=len(days) > 1,
                found=f"{len(days)} days",
            ),
        ]
    )


SCENARIOS: Final = (
    Scenario(
        name="clock-step",
        sentence="The wall clock that the recorder sees is stepped by 90 s, back and forth.",
        promise="No row is lost or stored twice, time runs on evenly within the run, and each step is on record.",
        run=_clock_step,
    ),
    Scenario(
        name="midnight",
        sentence="A run goes on over midnight UTC, where the partition of its points changes.",
        promise="No slot is missed and no row is lost; the run has its points on both days.",
        run=_midnight,
    ),
)
