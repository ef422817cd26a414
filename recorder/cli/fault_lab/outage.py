"""PostgreSQL crashes, its reply is lost, or it comes back older than it was."""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from recorder.cli.fault_lab.comparison import Explanation
from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.plant import Plant
from recorder.cli.fault_lab.proxy import Proxy
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario
from recorder.cli.fault_lab.waiting import DEADLINE_S


async def _database_crash(lab: Lab, chance: Random) -> Findings:
    crashes, away_s = lab.choose(short=(1, 2.0), long=(10, 10.0))
    async with (
        Proxy(lab.server.url(), lab.folder / "proxy-crash").listening() as proxy,
        lab.plant("database-crash", seed=chance.randrange(10**6), dsn=proxy.url) as plant,
    ):
        await plant.start()
        for _ in range(crashes):
            await plant.wait(chance.uniform(0.0, 1.0))
            async with asyncio.timeout(DEADLINE_S):
                await proxy.hold_next_copy().wait()
            lab.server.stop("immediate")
            plant.did("PostgreSQL stopped immediately, amid a COPY")
            await plant.wait(away_s)
            lab.server.start()
            plant.did("PostgreSQL started")
            await plant.recorder.until("the database", lambda picture: picture["writer"]["state"] == "writing")
        await plant.finish()
        books = await plant.books()
        return await plant.judge(checks=[_no_slot_lost(books.slots_of("failed"))], settings={"crashes": crashes})


def _no_slot_lost(failed: int) -> Check:
    return Check(claim="scanning did not notice", holds=failed == 0, found=f"{failed} slots failed")


async def _lost_reply(lab: Lab, chance: Random) -> Findings:
    losses = lab.choose(short=3, long=30)
    async with (
        Proxy(lab.server.url(), lab.folder / "proxy-reply").listening() as proxy,
        lab.plant("commit-reply-lost", seed=chance.randrange(10**6), dsn=proxy.url) as plant,
    ):
        await plant.start()
        for _ in range(losses):
            await plant.wait(chance.uniform(0.0, 0.5))
            async with asyncio.timeout(DEADLINE_S):
                await proxy.lose_next_commit().wait()
            plant.did("connection cut between COMMIT and its reply")
            written = (await plant.recorder.until("status", lambda _picture: True))["writer"]["rows"]
            await plant.recorder.until("the next commit", _beyond(written))
        await plant.finish()
        return await plant.judge(
            checks=[_no_slot_lost((await plant.books()).slots_of("failed"))], settings={"replies_lost": losses}
        )


def _beyond(rows: int) -> Callable[[dict[str, Any]], bool]:
    return lambda picture: picture["writer"]["rows"] > rows


@dataclass(frozen=True, kw_only=True, slots=True)
class _PutBack:
    """When PostgreSQL was copied and put back, and what the recorder says of it: events, and entries.

    Attributes:
        unanswered: slots without an answer of the tool that the database does not know of: a busy machine skips one.
        alarms: events of alarms that it does not know of; each is an entry too.
    """

    from_ns: int
    until_ns: int
    events: int
    lost: int
    sent_again: int
    unanswered: int
    alarms: int


async def _put_back(lab: Lab, plant: Plant, chance: Random, *, between: Callable[[], Awaitable[object]]) -> _PutBack:
    """Copy PostgreSQL's data, let the recorder write on, and put the copy back.

    Args:
        lab: whose PostgreSQL it is.
        plant: of the scenario, not started.
        chance: when what happens.
        between: called when it writes on.
    """
    backup = lab.folder / "backup"
    cluster = lab.server.data_directory / "cluster"
    await plant.start()
    await plant.wait(chance.uniform(0.5, 1.0))
    # what comes while it stops is not in the copy, and a busy machine takes its time to stop it
    from_ns = time.monotonic_ns()
    lab.server.stop("fast")
    plant.did("PostgreSQL stopped, its data copied, started again")
    _copy_folder(cluster, backup)
    lab.server.start()
    await plant.recorder.until("the database", lambda picture: picture["writer"]["state"] == "writing")
    await between()
    await plant.wait(lab.choose(short=1.5, long=20.0) + chance.random())
    await _until_written(plant, 5)
    lab.server.stop("fast")
    until_ns = plant.did("PostgreSQL stopped, the older copy put back, started again")
    shutil.rmtree(cluster)
    _copy_folder(backup, cluster)
    shutil.rmtree(backup)
    lab.server.start()
    scans = (await plant.recorder.until("the database", lambda it: it["writer"]["state"] == "writing"))["scans"]
    await plant.finish()
    books = await plant.books()
    restored = books.events_of("database_restored")
    return _PutBack(
        from_ns=from_ns,
        until_ns=until_ns,
        events=len(restored),
        lost=sum(e["detail"]["lost_to_sequence"] - e["detail"]["lost_after_sequence"] for e in restored),
        sent_again=sum(e["detail"]["confirmed_to_sequence"] - e["detail"]["lost_to_sequence"] for e in restored),
        unanswered=sum(max(0, scans[outcome] - books.slots_of(outcome)) for outcome in ("skipped", "failed")),
        alarms=sum(len(plant.recorder.log(kind)) - len(books.events_of(kind)) for kind in _ALARMS),
    )


async def _restored(lab: Lab, chance: Random) -> Findings:
    settings = {"spool": {"keep_acknowledged_mib": 0}}
    async with lab.plant("database-restored", seed=chance.randrange(10**6), settings=settings) as plant:
        put_back = await _put_back(lab, plant, chance, between=plant.recorder.status)
        return await plant.judge(
            explanations=[
                Explanation(
                    cause="was stored after the backup that was put back",
                    from_ns=put_back.from_ns - _SENT_BEFORE_NS,
                    until_ns=put_back.until_ns,
                    exactly=put_back.lost - put_back.unanswered - put_back.alarms,
                )
            ],
            audit_may_say=("ended in no outcome",),  # that is what the database lost
            checks=[
                Check(
                    claim="the recorder says which entries the database lost",
                    holds=put_back.events == 1 and put_back.lost > 0,
                    found=f"{put_back.lost} entries, in {put_back.events} events",
                )
            ],
            settings={"keep_acknowledged_mib": 0},
        )


async def _lagging(lab: Lab, chance: Random) -> Findings:
    async with lab.plant("lagging-copy", seed=chance.randrange(10**6)) as plant:

        async def next_run() -> None:
            await plant.recorder.ask("runs_stop")
            plant.run = (await plant.recorder.ask("runs_start", note="fault lab, the second"))["run"]
            plant.did("run stopped, another started")

        put_back = await _put_back(lab, plant, chance, between=next_run)
        return await plant.judge(
            checks=[
                Check(
                    claim="what the copy lacked was sent again, and is on record",
                    holds=(put_back.events, put_back.lost) == (1, 0) and put_back.sent_again > 0,
                    found=f"{put_back.sent_again} entries, in {put_back.events} events; {put_back.lost} lost",
                )
            ],
        )


_ALARMS: Final = ("alarm_raised", "alarm_returned", "alarm_normal")
_SENT_BEFORE_NS: Final = 1_000_000_000
"""An answer is stored a moment after it was sent, so the first ones that are missing were sent before the backup."""


async def _until_written(plant: Plant, transactions: int) -> None:
    """Wait until so many more transactions are committed."""
    before = (await plant.recorder.until("status", lambda _picture: True))["writer"]["transactions"]
    await plant.recorder.until(
        "more commits", lambda picture: picture["writer"]["transactions"] >= before + transactions
    )


def _copy_folder(source: Path, target: Path) -> None:
    """Copy a stopped server's data with its owners and modes."""
    shutil.copytree(source, target)
    for path in (source, *source.rglob("*")):
        status = path.stat()
        os.chown(target / path.relative_to(source), status.st_uid, status.st_gid)


SCENARIOS: Final = (
    Scenario(
        name="database-crash",
        sentence="PostgreSQL is stopped at once (pg_ctl stop -m immediate) amid a COPY, and stays away for a while.",
        promise="No slot is missed, no row is lost or stored twice; the spool drains by itself.",
        run=_database_crash,
    ),
    Scenario(
        name="commit-reply-lost",
        sentence="The connection to PostgreSQL is cut between a COMMIT and its reply.",
        promise="The recorder finds out whether it was committed: no row is lost or stored twice.",
        run=_lost_reply,
    ),
    Scenario(
        name="database-restored",
        sentence="PostgreSQL is put back to an older backup while the recorder runs, which keeps nothing for that.",
        promise="The loss is found and recorded with its range; all that came after it is stored, once.",
        run=_restored,
    ),
    Scenario(
        name="lagging-copy",
        sentence="PostgreSQL goes on from a copy that lags by some seconds and a change of runs, as in a failover.",
        promise="What the copy lacks is sent again: no row is lost or stored twice.",
        run=_lagging,
    ),
)
