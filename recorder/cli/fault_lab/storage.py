"""The recorder's own disk: the spool is full, the disk is full, the spool is damaged."""

import os
import sys
from pathlib import Path
from random import Random
from typing import Final

from recorder.cli.fault_lab.comparison import FOREVER_NS, Explanation
from recorder.cli.fault_lab.lab import Lab
from recorder.cli.fault_lab.scenario import Check, Findings, Scenario, SkippedError
from recorder.cli.fault_lab.spool_file import read_spool

_DISK_KIB: Final = 3072
_BALLAST: Final = "ballast"


async def _spool_full(lab: Lab, chance: Random) -> Findings:
    settings = {"spool": {"max_mib": 1}}
    seed = chance.randrange(10**6)
    async with lab.plant("spool-full", seed=seed, interval_ms=20, settings=settings) as plant:
        await plant.recorder.start()
        await plant.recorder.until_recording()
        lab.server.stop("immediate")
        plant.did("PostgreSQL stopped")
        await plant.wait(1.0)  # idle data, which goes first
        plant.run = (await plant.recorder.ask("runs_start", note="fault lab"))["run"]
        plant.did("run started")
        shed = lab.choose(short=1, long=1500)
        await plant.recorder.until(
            "a full spool", lambda picture: picture["spool"]["shed_entries"] >= shed, deadline_s=120
        )
        await plant.wait(chance.random())
        lab.server.start()
        plant.did("PostgreSQL started")
        await plant.finish()
        books = await plant.books()
        slots = books.slots_of("shed", cause="spool_full")
        idle = books.slots_of("shed", cause="spool_full", kind="idle")
        return await plant.judge(
            explanations=[
                Explanation(
                    cause="shed, as the spool was full",
                    from_ns=0,
                    until_ns=FOREVER_NS,  # it is full until the backlog is written
                    exactly=slots,
                )
            ],
            checks=[
                Check(claim="what was shed is accounted for", holds=slots > 0, found=f"{slots} slots"),
                Check(claim="idle data went first", holds=idle > 0, found=f"{idle} of them idle"),
            ],
            settings={"spool_max_mib": 1},
        )


async def _disk_full(lab: Lab, chance: Random) -> Findings:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise SkippedError("a small disk of its own can be made by root on Linux alone; run it as root")
    full_s = lab.choose(short=1.5, long=20.0)
    async with lab.plant("disk-full", seed=chance.randrange(10**6), interval_ms=20) as plant:
        recorder = plant.recorder
        recorder.data_directory.mkdir()
        recorder.move_socket()
        mount = f'mount -t tmpfs -o size={_DISK_KIB}k tmpfs "$1" && shift && exec "$@"'
        # a mount namespace of its own: the disk goes with the recorder, however that ends
        through = ("unshare", "--mount", "sh", "-c", mount, "sh", str(recorder.data_directory))
        await plant.start(through=through)
        disk = Path(f"/proc/{recorder.process.pid}/root{recorder.data_directory}")
        await plant.wait(chance.random())
        _fill(disk / _BALLAST)
        plant.did("disk filled, PostgreSQL there")
        await recorder.until("the reserve to be given back", lambda _picture: recorder.log("spool_failed"))
        await plant.wait(full_s)
        picture = await recorder.until("status", lambda _picture: True)
        given_up = picture["spool"]["shed_entries"], picture["scans"]["lost_rows"]
        lab.server.stop("immediate")
        plant.did("PostgreSQL stopped")
        await recorder.until(
            "the disk to refuse",
            lambda picture: picture["scans"]["lost_rows"] > 0 or picture["spool"]["shed_entries"] > 0,
            deadline_s=120,
        )
        await plant.wait(full_s)
        (disk / _BALLAST).unlink()
        plant.did("space freed")
        lab.server.start()
        plant.did("PostgreSQL started")
        await plant.finish()
        books = await plant.books()
        slots = {cause: books.slots_of("shed", cause=cause) for cause in ("spool_full", "spool_write")}
        return await plant.judge(
            explanations=[
                Explanation(
                    cause="shed, as the disk was full",
                    from_ns=0,
                    until_ns=FOREVER_NS,  # the spool has no more room until the backlog is written
                    exactly=sum(slots.values()),
                )
            ],
            checks=[
                Check(
                    claim="while PostgreSQL takes what comes, a full disk costs nothing",
                    holds=given_up == (0, 0),
                    found=f"{given_up[0]} entries shed, {given_up[1]} rows not spooled",
                ),
                Check(
                    claim="what was shed is accounted for",
                    holds=sum(slots.values()) > 0,
                    found=", ".join(f"{count} slots as {cause}" for cause, count in slots.items()),
                ),
                Check(claim="the log says so", holds=bool(recorder.log("spool_failed")), found="spool_failed"),
            ],
            settings={"disk_kib": _DISK_KIB},
        )


def _fill(path: Path) -> None:
    """Fill the disk to its last byte."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


async def _damaged_spool(lab: Lab, chance: Random) -> Findings:
    seed = chance.randrange(10**6)
    bytes_damaged = 20_000
    async with lab.plant("damaged-spool", seed=seed, interval_ms=50) as plant:
        await plant.start()
        lab.server.stop("immediate")
        plant.did("PostgreSQL stopped")
        entries = lab.choose(short=40, long=2000)
        await plant.recorder.until("a backlog", lambda picture: picture["spool"]["entries"] >= entries, deadline_s=300)
        await plant.recorder.stop()
        spool = plant.recorder.spool_path
        waiting = sum(entry.row_count > 0 for entry in read_spool(spool).waiting.values())
        content = bytearray(spool.read_bytes())
        middle = chance.randrange(len(content) // 4, len(content) * 3 // 4 - bytes_damaged)
        content[middle : middle + bytes_damaged] = chance.randbytes(bytes_damaged)
        spool.write_bytes(content)
        until_ns = plant.did(f"recorder stopped, {bytes_damaged} bytes of its spool overwritten from {middle} on")
        lab.server.start()
        await plant.recorder.start()
        await plant.recorder.until_recording()
        await plant.finish()
        books = await plant.books()
        aside = books.events_of("spool_set_aside")
        return await plant.judge(
            explanations=[Explanation(cause="was in the damaged spool", from_ns=0, until_ns=until_ns, most=waiting)],
            audit_may_say=("ended in no outcome",),  # that is what could not be read any more
            checks=[
                Check(
                    claim="the damaged spool is kept and named in the database",
                    holds=len(aside) == 1 and (spool.parent / aside[0]["detail"]["file"]).exists(),
                    found=f"{len(aside)} events",
                )
            ],
            settings={"entries_waiting": waiting},
        )


SCENARIOS: Final = (
    Scenario(
        name="spool-full",
        sentence="PostgreSQL is away for longer than the spool has room.",
        promise="Idle data goes first, and the oldest; each loss is accounted for to the slot; no other is lost.",
        run=_spool_full,
    ),
    Scenario(
        name="disk-full",
        sentence="The disk of the recorder is full for a while (a small disk of its own; root only).",
        promise="It costs nothing while PostgreSQL takes what comes; then the oldest goes, each slot accounted for.",
        run=_disk_full,
    ),
    Scenario(
        name="damaged-spool",
        sentence="While the recorder is stopped, bytes in the middle of its spool are overwritten.",
        promise="It is set aside and named, recording goes on in a new one; only what cannot be read in it is lost.",
        run=_damaged_spool,
    ),
)
