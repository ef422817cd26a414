"""The recorder is ended amid a backlog, is started twice, or is another release."""

import time
from random import Random
from typing import Final

from recorder.cli.fault_lab.comparison import MEASURED, MEASURED_SCANS, Explanation
from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.older_spool import write_older_spool
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario
from recorder.cli.fault_lab.spool_file import read_spool
from recorder.cli.fault_lab.waiting import DEADLINE_S

_SMALL_COMMITS: Final = {"writer": {"max_rows": 100, "backoff_max_s": 0.1}}
_OUTSIDE: Final = 3
"""Exit status of a command that something outside keeps from its work."""


async def _sigterm(lab: Lab, chance: Random) -> Findings:
    seed = chance.randrange(10**6)
    async with lab.plant("sigterm", seed=seed, interval_ms=20, settings=_SMALL_COMMITS) as plant:
        await plant.start()
        lab.server.stop("immediate")
        plant.did("PostgreSQL stopped")
        entries = lab.choose(short=150, long=5000)
        await plant.recorder.until("a backlog", lambda picture: picture["spool"]["entries"] >= entries, deadline_s=300)
        began_s = time.monotonic()
        await plant.recorder.stop()
        took_s = [time.monotonic() - began_s]
        plant.did(f"SIGTERM without a database: ended after {took_s[-1]:.1f} s")
        lab.server.start()
        await plant.recorder.start()
        await plant.recorder.until("the database", lambda picture: picture["writer"]["transactions"] > 0)
        began_s = time.monotonic()
        await plant.recorder.stop()
        took_s.append(time.monotonic() - began_s)
        plant.did(f"SIGTERM amid the backlog: ended after {took_s[-1]:.1f} s")
        await plant.recorder.start()
        await plant.recorder.until_recording()
        await plant.finish()
        return await plant.judge(
            checks=[
                Check(
                    claim="the recorder ends within 10 s of SIGTERM",
                    holds=max(took_s) < 10,  # noqa: PLR2004  (the promise)
                    found=f"{max(took_s):.1f} s at most",
                )
            ],
            settings={"backlog_entries": entries},
        )


async def _two_recorders(lab: Lab, chance: Random) -> Findings:
    async with lab.plant("two-recorders", seed=chance.randrange(10**6)) as plant:
        await plant.start()
        second = await plant.add_recorder("same-folder")
        second.data_directory.symlink_to(plant.recorder.data_directory)
        await second.start()
        status = await second.process.ended(deadline_s=DEADLINE_S)
        told = second.log_path.read_text(encoding="utf-8").strip().splitlines()
        names_first = bool(told) and f"process {plant.recorder.process.pid}" in told[-1]
        plant.did(f"a second recorder on the same folder: ended with status {status}")
        await plant.wait(chance.random())
        copy = await plant.add_recorder("copied-controller")
        from_ns = plant.did("a copy of the controller started: same number, a folder of its own")
        await copy.start()
        await copy.until_recording(database=False)
        await plant.wait(lab.choose(short=1.0, long=10.0))
        await copy.until_drained()
        await copy.stop()
        until_ns = plant.did("the copy stopped")
        await plant.recorder.stop()
        await plant.recorder.start()
        await plant.recorder.until_recording()
        await plant.finish()
        return await plant.judge(
            explanations=[
                Explanation(cause=MEASURED, from_ns=from_ns, until_ns=until_ns, most=MEASURED_SCANS),
            ],
            checks=[
                Check(
                    claim="the second on one folder ends and names the first",
                    holds=status == _OUTSIDE and names_first,
                    found=told[-1] if told else "nothing was said",
                ),
            ],
        )


async def _upgrade(lab: Lab, chance: Random) -> Findings:
    async with lab.plant("upgrade", seed=chance.randrange(10**6), interval_ms=50) as plant:
        await plant.start()
        lab.server.stop("immediate")
        plant.did("PostgreSQL stopped")
        entries = lab.choose(short=60, long=5000)
        await plant.recorder.until("a backlog", lambda picture: picture["spool"]["entries"] >= entries, deadline_s=600)
        await plant.recorder.stop()
        spool = read_spool(plant.recorder.spool_path)
        waiting = len(spool.waiting)
        write_older_spool(plant.recorder.spool_path, spool)
        plant.did(f"recorder stopped; its spool with {waiting} entries rewritten as release 0.1 kept it")
        lab.server.start()
        await plant.recorder.start()
        await plant.recorder.until_recording()
        await plant.finish()
        aside = len((await plant.books()).events_of("spool_set_aside"))
        return await plant.judge(
            checks=[
                Check(
                    claim="the older file was taken over and not set aside",
                    holds=aside == 0 and waiting >= entries,
                    found=f"{waiting} entries in it",
                )
            ]
        )


SCENARIOS: Final = (
    Scenario(
        name="sigterm",
        sentence="The recorder is told to end (SIGTERM) without a database, and again amid its backlog.",
        promise="It ends within 10 s each time, and no row is lost or stored twice.",
        run=_sigterm,
    ),
    Scenario(
        name="two-recorders",
        sentence="A second recorder is started on the same folder, then a copy of the controller with the same number.",
        promise="The first of these ends and says who runs; whoever is fenced off spools: no row is lost or twice.",
        run=_two_recorders,
    ),
    Scenario(
        name="upgrade",
        sentence="A recorder finds a spool full of entries of release 0.1, the first.",
        promise="It reads them as if they were its own: no row is lost or stored twice.",
        run=_upgrade,
    ),
)
