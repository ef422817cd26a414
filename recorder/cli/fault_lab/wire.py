"""The tool goes away, answers wrongly, or has a dead unit."""

import time
from collections.abc import Mapping
from random import Random
from typing import Any, Final

from recorder.cli.fault_lab.comparison import Explanation
from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.plant import Plant
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario

_FAULTS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("dropped socket", "dropped", {}),
    ("socket cut amid an answer", "cut", {}),
    ("half-open socket", "half_open", {}),
    ("connections refused", "refused", {}),
    ("slow answer", "slow", {"seconds": 0.05}),
    ("late answer", "late", {"seconds": 0.6}),
    ("exception 2", "exception", {"code": 2}),
    ("exception 3", "exception", {"code": 3}),
    ("exception 6", "exception", {"code": 6}),
    ("garbled frame", "garbled", {}),
    ("short answer", "short", {}),
    ("wrong transaction id", "wrong_transaction", {}),
    ("wrong unit", "wrong_unit", {}),
    ("word swap", "word_swap", {}),
    ("frozen heartbeat", "frozen", {}),
    ("PLC restart", "plc_restart", {"for_s": 0.5}),
)
_ASKED: Final = "asked only whether the unit answers, as the connection was made anew after a fault"
_VALUES_COME: Final = frozenset({"slow", "word_swap", "frozen"})
"""With these every slot still brings values."""


class Asking:
    """From now on, each new connection may ask whether the unit answers, before slots are read again.

    Args:
        plant: whose recorder asks.
        questions: how often a connection may: once for its device, and once before for a line that others share, where
            the unit has been silent for long.
    """

    def __init__(self, plant: Plant, *, questions: int = 1) -> None:
        self._plant, self._questions = plant, questions
        self._from_ns = time.monotonic_ns()
        self._connections = self._count()

    def explanation(self) -> Explanation:
        """What that can have cost up to now."""
        most = self._questions * max(1, self._count() - self._connections)
        return Explanation(cause=_ASKED, from_ns=self._from_ns, until_ns=time.monotonic_ns(), most=most)

    def _count(self) -> int:
        return len(self._plant.recorder.log("device_connected"))


async def _tool_away(lab: Lab, chance: Random) -> Findings:
    away_s = lab.choose(short=2.0, long=20.0)
    async with lab.plant("tool-away", seed=chance.randrange(10**6)) as plant:
        await plant.start()
        await plant.wait(chance.uniform(0.0, 1.0))
        asking = Asking(plant)
        await plant.tool.stop()
        plant.did("tool switched off")
        await plant.recorder.until("failures", lambda picture: picture["scans"]["failed"] > 0)
        await plant.wait(away_s)
        await plant.tool.start()
        plant.did("tool switched on")
        await healthy(plant)
        asked = asking.explanation()
        await plant.finish()
        failed = (await plant.books()).slots_of("failed")
        least = round(away_s * 1000 / plant.interval_ms * 0.9)
        return await plant.judge(
            explanations=[asked],
            checks=[
                Check(
                    claim="every slot of that time is stored with bad quality",
                    holds=failed >= least,
                    found=f"{failed} failed slots, of at least {least} that were due",
                )
            ],
            settings={"away_s": away_s},
        )


async def _communication(lab: Lab, chance: Random) -> Findings:
    lasting_s = lab.choose(short=0.4, long=5.0)
    settings = {
        "devices.plc": {"heartbeat": "Process/heartbeat", "frozen_after_s": 0.3, "probe_refused_s": 1.0},
    }
    order = chance.sample(_FAULTS, len(_FAULTS))
    checks, asked = [], []
    async with lab.plant("communication", seed=chance.randrange(10**6), settings=settings) as plant:
        await plant.start()
        for words, name, fields in order:
            before = (await plant.recorder.until("status", lambda _picture: True))["scans"]
            asking = Asking(plant)
            await plant.tool.inject(name, **fields)
            plant.did(f"{words} begins")
            await plant.wait(lasting_s * chance.uniform(1.0, 1.5))
            await plant.recorder.until_more_slots(2)
            await plant.tool.mend()
            plant.did(f"{words} ends")
            after = await healthy(plant)
            asked.append(asking.explanation())
            failed = after["scans"]["failed"] - before["failed"]
            fits = failed == 0 if name in _VALUES_COME else failed > 0
            checks.append(Check(claim=f"{words}: seen for what it is", holds=fits, found=f"{failed} slots failed"))
        await plant.finish()
        frozen = (await plant.books()).events_of("device_frozen")
        checks.append(Check(claim="the frozen tool is on record", holds=bool(frozen), found=f"{len(frozen)} events"))
        return await plant.judge(explanations=asked, checks=checks, settings={"fault_lasts_s": lasting_s})


async def healthy(plant: Plant) -> dict[str, Any]:
    """Wait until scans bring all values again; what was refused is tried again within a second."""
    done = (await plant.recorder.until("status", lambda _picture: True))["scans"]["completed"]
    return await plant.recorder.until(
        "a healthy tool",
        lambda picture: (
            picture["scans"]["completed"] + picture["scans"]["late"] >= done + 3
            and all(d["state"] == "connected" and not d["refused"] and not d["frozen"] for d in picture["devices"])
        ),
    )


async def _dead_unit(lab: Lab, chance: Random) -> Findings:
    dead_s = lab.choose(short=2.0, long=20.0)
    async with lab.plant("dead-unit", seed=chance.randrange(10**6), has_heaters=True, interval_ms=500) as plant:
        await plant.start()
        await plant.wait(chance.uniform(0.0, 0.5))
        asking = Asking(plant, questions=2)
        await plant.tool.inject("late", seconds=30.0, unit=2)
        plant.did("unit 2 answers no more")
        await plant.wait(dead_s)
        await plant.tool.mend()
        plant.did("unit 2 answers again")
        await healthy(plant)
        asked = asking.explanation()
        await plant.finish()
        books = await plant.books()
        live = {outcome: books.slots_of(outcome, device="plc") for outcome in ("failed", "skipped", "shed")}
        dead = books.slots_of("failed", device="heater_controller")
        return await plant.judge(
            explanations=[asked],
            checks=[
                Check(claim="the live unit lost no slot", holds=not any(live.values()), found=str(live)),
                Check(claim="the dead one's slots failed", holds=dead > 0, found=f"{dead} slots"),
            ],
            settings={"dead_s": dead_s},
        )


SCENARIOS: Final = (
    Scenario(
        name="tool-away",
        sentence="The tool is switched off for a while, and on again.",
        promise="Each slot of that time stores its rows, without values, with bad quality; then values come again.",
        run=_tool_away,
    ),
    Scenario(
        name="communication",
        sentence="Every fault of the communication, one after the other in random order.",
        promise="No value is stored that was not sent; each answer in time is stored, once; each fault is seen.",
        run=_communication,
    ),
    Scenario(
        name="dead-unit",
        sentence="One of two units behind the same connection answers no more.",
        promise="The other unit loses no slot.",
        run=_dead_unit,
    ),
)
