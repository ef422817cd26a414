"""How long it takes to record a scan: until it is durable here, and until the database has committed it."""

import asyncio
import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from recorder.check.spread import Spread
from recorder.clock.clock import Clock
from recorder.database import Database, DatabaseSettings
from recorder.errors import DatabaseUnreachableError
from recorder.measure.sample import MACHINE
from recorder.spool.batch import RowEncoder
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.spool.spool import Spool
from recorder.status.latency import LatencyRecorder
from recorder.writer.holder import Holder
from recorder.writer.statements import PREPARED
from recorder.writer.writer import Writer

_WARM_UP: Final = 5
_SPOOL_BYTES: Final = 100_000_000
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordTimes:
    """Of one scan after the other.

    Attributes:
        spooled: from the arrays of a scan to its rows on disk.
        committed: from the arrays of a scan to its commit, which is the spool's part and the writer's.
    """

    spooled: Spread
    committed: Spread


async def measure(settings: DatabaseSettings, folder: Path, *, parameters: int, scans: int) -> RecordTimes:
    """Record scans one at a time, by a spool of its own and the recorder's own writer.

    Args:
        settings: of a schema of its own.
        folder: on the disk that the spool shall lie on; the spool stays in it.
        parameters: of each scan.
        scans: that are counted.

    Raises:
        DatabaseError: it did not commit in time.
    """
    # no host has this name, so that no session of a recorder at work is taken for a stale one of ours
    token = secrets.token_hex(6)
    holder = Holder(recorder=0, host=f"bench-{token}", token=token, description="a measurement")
    settings = replace(settings, application_name=holder.application_name, pool_min=1, pool_max=2, prepared=PREPARED)
    clock = Clock()
    async with (
        Spool(folder / "spool.sqlite3", max_bytes=_SPOOL_BYTES) as spool,
        Database(settings) as database,
        asyncio.TaskGroup() as tasks,
    ):
        writer = Writer(
            database=database,
            spool=spool,
            holder=holder,
            machine=MACHINE,
            clock=clock,
            latency=LatencyRecorder(),
            marks={},
        )
        writing = tasks.create_task(writer.run(), name="writer")
        try:
            return await _record(spool, writer, clock, parameters=parameters, scans=scans)
        finally:
            writing.cancel()


async def _record(spool: Spool, writer: Writer, clock: Clock, *, parameters: int, scans: int) -> RecordTimes:
    encoder = RowEncoder(np.arange(1, parameters + 1, dtype=np.int32))
    values = np.linspace(0.0, 100.0, parameters)
    spooled_ms, committed_ms = [], []
    for slot in range(-_WARM_UP, scans):
        now_us = clock.now_us()
        began = time.perf_counter()
        rows = encoder.encode(
            process_id=1,
            timestamps_us=np.full(parameters, now_us, np.int64),
            values=values + slot,
            set_values=np.full(parameters, np.nan),
            quality=np.full(parameters, 192, np.int16),
        )
        await spool.append([_entry(rows, slot + _WARM_UP, now_us, parameters)])
        spooled = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await writer.drained()
        except TimeoutError:
            raise DatabaseUnreachableError(
                f"a scan was not committed within {_PATIENCE_S:g} s: {writer.last_error or 'no answer'}"
            ) from None
        if slot >= 0:
            spooled_ms.append((spooled - began) * 1000)
            committed_ms.append((time.perf_counter() - began) * 1000)
    return RecordTimes(spooled=Spread.of(spooled_ms), committed=Spread.of(committed_ms))


def _entry(rows: bytes, slot: int, now_us: int, parameters: int) -> Entry:
    header = {"process_id": 1, "device": "bench", "interval_ms": 100, "first_slot": slot, "last_slot": slot}
    counted = SlotCount(
        process_id=1,
        device="bench",
        interval_ms=100,
        minute=now_us // 60_000_000 * 60,
        outcome=Outcome.COMPLETED,
        slots=1,
        rows=parameters,
        slots_at=((slot, slot + 1),),
    )
    return Entry(
        kind=EntryKind.POINTS,
        header=header,
        rows=rows,
        row_count=parameters,
        accounting=(counted,),
        first_us=now_us,
        last_us=now_us,
    )
