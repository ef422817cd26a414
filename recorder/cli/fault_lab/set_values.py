"""A set-value is written while the database or the tool is away, is not read back, or has limits that nobody heard of.

Of each write the lab asks what moved, the tool or the database, and not the recorder: the tool's own log and the
stored scans say the one, the table of definitions the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.plant import Plant
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario
from recorder.cli.fault_lab.wire import Asking, healthy
from recorder.database import single_session
from recorder.set_values.step import StepOutcome

_NAME: Final = "Lid Heater/temperature_set"
_RULE: Final[Mapping[str, object]] = {
    "device": "heater_controller",
    "addresses": "holding_register 362..363",
    "data_type": "float32",
    "word_order": "ABCD",
    "scale": 5 / 9,
    "offset": -160 / 9,
    "hard_min": 20,
    "hard_max": 180,
    "min_interval_s": 0,
    "during_recipe": True,
}
"""The second unit, whose set-values stand in the one block that is scanned of it: what it holds is in every scan."""
_SETTINGS: Final = {"writes": {"enabled": True, "allow": [_RULE]}, "set_values": {"drift_after_s": 0.5}}
_PLANT: Final[Mapping[str, Any]] = {"has_heaters": True, "interval_ms": 200, "settings": _SETTINGS}
_NEAR: Final = 0.01
"""°C; a float of °F holds more."""
_MEANT: Final = {
    (True, True): "tool and database moved",
    (True, False): "the tool moved, the database did not",
    (False, True): "the database moved, the tool did not",
    (False, False): "neither moved",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    """What tool and database hold of the set-value."""

    held: float
    desired: float

    def moved(self, before: "_State") -> tuple[bool, bool]:
        """Whether the tool has moved since, and whether the database has."""
        return not _is_near(self.held, before.held), not _is_near(self.desired, before.desired)


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) < _NEAR


async def _state(plant: Plant) -> _State:
    async with single_session(plant.dsn, plant.schema) as session:
        row = await session.fetch_one("lab_set_value", _NAME)
    assert row is not None
    return _State(held=row["held"], desired=row["desired"])


async def _changes(plant: Plant) -> list[Mapping[str, Any]]:
    async with single_session(plant.dsn, plant.schema) as session:
        return await session.fetch("lab_set_value_changes")


async def _start(plant: Plant) -> _State:
    """Start the plant, and wait until set-values are known and the tool's own is stored."""
    await plant.start()
    await plant.recorder.until("set-values", lambda picture: picture["set_values"]["is_listening"])

    async def stored() -> bool:
        async with single_session(plant.dsn, plant.schema) as session:
            row = await session.fetch_one("lab_set_value", _NAME)
        return row is not None and row["held"] is not None

    await plant.until("the tool's set-value", stored)
    return await _state(plant)


async def _write(plant: Plant, value: float) -> dict[str, Any]:
    """Ask the recorder for a write, and note what it answers."""
    (result,) = await plant.recorder.ask(
        "set", values={_NAME: value}, changed_by="fault lab", reason=f"to {value:g}", during_recipe=True
    )
    answered: dict[str, Any] = result
    plant.did(f"asked for {value:g} °C; answer: {answered['outcome']}, {answered['message']}")
    return answered


async def _settled(plant: Plant) -> _State:
    """What both hold when nothing waits any more."""
    await plant.recorder.until_more_slots(5)
    await plant.recorder.until_drained()
    return await _state(plant)


def _some_value(chance: Random) -> float:
    return round(chance.uniform(115.0, 150.0), 1)


async def _database_away(lab: Lab, chance: Random) -> Findings:
    writes = lab.choose(short=2, long=20)
    async with lab.plant("write-database-away", seed=chance.randrange(10**6), **_PLANT) as plant:
        before = await _start(plant)
        lab.server.stop("immediate")
        plant.did("PostgreSQL stopped")
        await plant.recorder.until("the outage", lambda picture: picture["writer"]["state"] == "away")
        values = [_some_value(chance) for _ in range(writes)]
        outcomes = []
        for value in values:
            await plant.wait(chance.uniform(0.0, 0.3))
            outcomes.append((await _write(plant, value))["outcome"])
        lab.server.start()
        plant.did("PostgreSQL started")
        await plant.recorder.until("the database", lambda picture: picture["writer"]["state"] == "writing")
        after = await _settled(plant)
        changes = await _changes(plant)
        await plant.finish()
        recorded = [row["new_value"] for row in changes if row["outcome"] == "done"]
        return await plant.judge(
            checks=[
                Check(
                    claim="each write is made, without a word from the database",
                    holds=set(outcomes) == {StepOutcome.DONE},
                    found=", ".join(outcomes),
                ),
                Check(
                    claim="in the end both hold the last value",
                    holds=_is_near(after.held, values[-1]) and _is_near(after.desired, values[-1]),
                    found=f"{_MEANT[after.moved(before)]}: {after.held:.2f} and {after.desired:g} °C",
                ),
                Check(
                    claim="each write is on record, once and in order",
                    holds=recorded == values and len(changes) == writes,
                    found=f"{len(recorded)} of {writes}",
                ),
            ],
            settings={"writes": writes},
        )


async def _read_back_differs(lab: Lab, chance: Random) -> Findings:
    async with lab.plant("read-back-differs", seed=chance.randrange(10**6), **_PLANT) as plant:
        before = await _start(plant)
        value = _some_value(chance)
        await plant.tool.inject("word_swap", unit=2)
        plant.did("unit 2 exchanges the words of what it answers")
        answer = await _write(plant, value)
        await plant.tool.mend()
        plant.did("unit 2 answers as it should")
        after = await _settled(plant)
        await plant.until("the drift on record", lambda: _is_drift_recorded(plant, value))
        changes = await _changes(plant)
        await plant.finish()
        moved = after.moved(before)
        return await plant.judge(
            checks=[
                Check(
                    claim="the answer says that another value is read, and that the database has not moved",
                    holds=answer["outcome"] == StepOutcome.READ_BACK_DIFFERS
                    and "the database has not moved" in answer["message"],
                    found=answer["message"],
                ),
                Check(claim="the tool moved, and it alone", holds=moved == (True, False), found=_MEANT[moved]),
                Check(
                    claim="the write that did not agree is on record",
                    holds=[row["outcome"] for row in changes if row["source"] == "operator"] == ["read_back_differs"],
                    found=", ".join(f"{row['source']} {row['outcome']}" for row in changes),
                ),
            ],
            settings={"value": value},
        )


async def _is_drift_recorded(plant: Plant, value: float) -> bool:
    """Whether the recorder has seen by itself that the tool holds what nobody desires."""
    return any(row["source"] == "tool" and _is_near(row["new_value"], value) for row in await _changes(plant))


async def _tool_away(lab: Lab, chance: Random) -> Findings:
    checks, asked, said = [], [], []
    async with lab.plant("write-tool-away", seed=chance.randrange(10**6), **_PLANT) as plant:
        await _start(plant)
        for is_off in chance.sample((True, False), 2):
            before = await _settled(plant)
            asking = Asking(plant)
            if is_off:
                await plant.tool.stop()
                plant.did("tool switched off")
                await plant.recorder.until(
                    "its absence", lambda picture: all(d["state"] != "connected" for d in picture["devices"])
                )
            else:
                await plant.tool.inject("late", seconds=30.0, unit=2)
                plant.did("unit 2 takes requests, and answers no more")
            answer = await _write(plant, _some_value(chance))
            said.append(answer["outcome"])
            if is_off:
                await plant.tool.start()
                plant.did("tool switched on")
            else:
                await plant.tool.mend()
                plant.did("unit 2 answers again")
            await healthy(plant)
            asked.append(asking.explanation())
            moved = (await _settled(plant)).moved(before)
            # a tool that was switched off and on again holds what it began with, whatever was written before
            checks.append(
                Check(
                    claim="off: the write fails, and says that neither moved"
                    if is_off
                    else "without an answer: what is said of the tool is true, and the database has not moved",
                    holds=not moved[1]
                    and _is_true_of_the_tool(answer, has_moved=False if is_off else moved[0])
                    and (not is_off or answer["outcome"] == StepOutcome.FAILED),
                    found=f"{answer['outcome']}, {'the tool began anew' if is_off else _MEANT[moved]}",
                )
            )
        changes = await _changes(plant)
        await plant.finish()
        recorded = [row["outcome"] for row in changes if row["source"] == "operator"]
        checks.append(Check(claim="both are on record", holds=recorded == said, found=", ".join(recorded)))
        return await plant.judge(explanations=asked, checks=checks)


def _is_true_of_the_tool(answer: Mapping[str, Any], *, has_moved: bool) -> bool:
    """Whether an answer that is not done says of the tool what can be said."""
    if answer["outcome"] == StepOutcome.FAILED:
        return not has_moved and "neither the tool nor the database has moved" in answer["message"]
    return answer["outcome"] == StepOutcome.UNKNOWN and "the database has not moved" in answer["message"]


async def _listener_lost(lab: Lab, chance: Random) -> Findings:
    async with lab.plant("listener-lost", seed=chance.randrange(10**6), **_PLANT) as plant:
        before = await _start(plant)
        highest = round(chance.uniform(112.0, 114.0), 1)
        async with single_session(plant.dsn, plant.schema) as session:
            await session.execute("lab_cut_listener")
            await plant.recorder.until("the loss", lambda picture: not picture["set_values"]["is_listening"])
            plant.did("the connection that listens is cut")
            await session.execute("lab_narrow_limit", _NAME, highest)
            plant.did(f"the database's limit is {highest:g} °C from now on, and nobody listens")
        back = await plant.recorder.until("it to listen again", lambda picture: picture["set_values"]["is_listening"])
        answer = await _write(plant, _some_value(chance))
        after = await _settled(plant)
        await plant.finish()
        moved = after.moved(before)
        return await plant.judge(
            checks=[
                Check(
                    claim="the loss was noticed",
                    holds=back["set_values"]["listener_losses"] == 1,
                    found=f"{back['set_values']['listener_losses']} times",
                ),
                Check(
                    claim="a write by the limit of before is refused, by that of now",
                    holds=answer["outcome"] == StepOutcome.REFUSED and f"…{highest:g}" in answer["message"],
                    found=answer["message"],
                ),
                Check(claim="neither moved", holds=moved == (False, False), found=_MEANT[moved]),
            ],
            settings={"limit": highest},
        )


SCENARIOS: Final = (
    Scenario(
        name="write-database-away",
        sentence="Set-values are written while PostgreSQL is away.",
        promise="The tool moves at once, the database when it is back; each write is on record, once.",
        run=_database_away,
    ),
    Scenario(
        name="read-back-differs",
        sentence="A set-value is written, and the tool reads back another.",
        promise="The answer says so; the tool moved, the database did not, and the difference stands as drift.",
        run=_read_back_differs,
    ),
    Scenario(
        name="write-tool-away",
        sentence="A set-value is written to a tool that is switched off, and to a unit that answers no more.",
        promise="It is no success: the answer says that neither moved, or that nobody knows; the database never does.",
        run=_tool_away,
    ),
    Scenario(
        name="listener-lost",
        sentence="The connection that hears of changes is cut, and a limit is narrowed while nobody listens.",
        promise="All is asked for anew: a write beyond the new limit is refused, and neither moves.",
        run=_listener_lost,
    ),
)
