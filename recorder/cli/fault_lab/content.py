"""Rows that PostgreSQL refuses for what they say."""

from random import Random
from typing import Final

from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.quarantined import read_quarantine
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario
from recorder.database import single_session

_MOST_LOOKS: Final = 100
"""Three slots each: a value that is refused comes within seconds."""


async def _poison(lab: Lab, chance: Random) -> Findings:
    async with lab.plant("poison", seed=chance.randrange(10**6)) as plant:
        await plant.start()
        await plant.wait(chance.random())
        async with single_session(plant.dsn, plant.schema) as session:
            await session.execute("lab_refuse_rows")
        plant.did("the database refuses one large value in seven from now on")
        await plant.recorder.ask("runs_stop")
        await plant.recorder.ask("runs_start", note="a NUL \0 that no text of PostgreSQL can hold")
        plant.did("a run started with a note that no text of PostgreSQL can hold")
        await plant.wait(lab.choose(short=1.5, long=20.0))
        for _ in range(_MOST_LOOKS):  # which values are large, and which of them are refused, is the seed's
            if (await read_quarantine(plant.dsn, plant.schema)).points:
                break
            await plant.recorder.until_more_slots(3)
        await plant.recorder.ask("runs_stop")
        await plant.recorder.until_more_slots(3)
        await plant.finish()
        kept = await read_quarantine(plant.dsn, plant.schema)
        rows = len(kept.points)
        return await plant.judge(
            checks=[
                Check(
                    claim="what was refused is in quarantine, each with its reason",
                    holds=rows > 0 and not kept.unnamed,
                    found=f"{rows} rows; refusals: {dict(kept.kinds)}",
                )
            ],
            settings={"rows_refused": rows},
        )


SCENARIOS: Final = (
    Scenario(
        name="poison",
        sentence="PostgreSQL refuses rows for what they say, and a run has a note that no text can hold.",
        promise="What is refused is in quarantine with its reason; all the rest is stored, once; the writer goes on.",
        run=_poison,
    ),
)
