"""How long a scan takes into the spool, fsync on: from the append to its future, as the sampler waits for it.

One scan of 300 points every 20 ms, each on disk before the next is made, over a spool that is drained as it goes: so
the log is brought into the file, and entries are forgotten, as in a day's work. The encoding of rows is not part of it.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from benchmarks.figure import Figure
from recorder.config.file import SpoolConfig
from recorder.spool.batch import RowEncoder
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.spool.spool import Spool
from recorder.spool.thread import SpoolThread

ROW: Final = "spool"
POINTS: Final = 300
GOAL_P50_MS: Final = 1.0
GOAL_P99_MS: Final = 15.0
_INTERVAL_S: Final = 0.02
_BARE_WRITES: Final = 100
_KEPT_ENTRIES: Final = 5
"""What the writer has not acknowledged yet, where it keeps up."""


async def measure(folder: Path, *, seconds: float) -> list[Figure]:
    """Append for so many seconds to a spool in this folder."""
    rows = RowEncoder(np.arange(1, POINTS + 1, dtype=np.int32)).encode(
        process_id=1,
        timestamps_us=np.arange(POINTS, dtype=np.int64) + 1_700_000_000_000_000,
        values=np.linspace(0.0, 1.0, POINTS),
        set_values=np.full(POINTS, np.nan),
        quality=np.full(POINTS, 192, np.int16),
    )
    path = folder / "spool_append.sqlite3"
    times_ms: list[float] = []
    bare_ms: list[float] = []
    handed_ms: list[float] = []
    keep_bytes = SpoolConfig().keep_acknowledged_mib << 20
    async with AsyncExitStack() as stack:
        spool = await stack.enter_async_context(Spool(path, max_bytes=1 << 30, keep_bytes=keep_bytes))
        bare = _BareFile(folder / "bare", rows)
        thread = stack.enter_context(SpoolThread("bare"))
        end = time.monotonic() + seconds
        number = 0
        while time.monotonic() < end:
            number += 1
            began = time.perf_counter()
            sequence = await spool.append([_entry(number, rows)], state={"last_slots": {"plc/20": number}})
            times_ms.append((time.perf_counter() - began) * 1e3)
            spool.acknowledge(sequence - _KEPT_ENTRIES)
            # as cold as the append was: on an idle core what was just done costs a third
            await asyncio.sleep(max(0.0, _INTERVAL_S / 2 - times_ms[-1] / 1e3))
            began = time.perf_counter()
            bare_ms.append(await _by(thread, bare))
            handed_ms.append((time.perf_counter() - began) * 1e3)
            await asyncio.sleep(max(0.0, _INTERVAL_S / 2 - handed_ms[-1] / 1e3))
        bare.close()
    times_ms.sort()
    p99 = times_ms[min(len(times_ms) - 1, len(times_ms) * 99 // 100)]
    bare_p50, bare_p99 = (float(value) for value in np.percentile(bare_ms, (50, 99)))
    handed_p50 = median(handed_ms)
    note = (
        f"{len(times_ms)} scans of {POINTS} points, one every {_INTERVAL_S * 1e3:g} ms, each fsynced; as many bytes to "
        f"a bare file and fdatasync take {bare_p50:.2f} ms p50, {bare_p99:.1f} p99, and {handed_p50:.2f} ms p50 with "
        "the way from the event loop to a thread and back"
    )
    detail: dict[str, object] = {
        "scans": len(times_ms),
        "max_ms": times_ms[-1],
        "bare_p50_ms": bare_p50,
        "bare_p99_ms": bare_p99,
        "handed_p50_ms": handed_p50,
    }
    return [
        Figure(
            row=ROW, what="ms to spool a scan, p50", value=median(times_ms), goal=GOAL_P50_MS, note=note, detail=detail
        ),
        Figure(row=ROW, what="ms to spool a scan, p99", value=p99, goal=GOAL_P99_MS, note=note),
    ]


async def _by(thread: SpoolThread, bare: "_BareFile") -> float:
    """Let a thread write, and hear of it, in the cheapest way there is; returns milliseconds of the writing."""
    loop = asyncio.get_running_loop()
    written: asyncio.Future[float] = loop.create_future()
    thread.do(lambda: loop.call_soon_threadsafe(written.set_result, bare.write_ms()))
    return await written


class _BareFile:
    """A file that is written over and over, as the log of the spool is."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._content = content
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._file, bytes(_BARE_WRITES * len(content)))
        os.fsync(self._file)
        self._written = 0

    def write_ms(self) -> float:
        """Write once and sync; returns milliseconds."""
        sync = getattr(os, "fdatasync", os.fsync)
        began = time.perf_counter()
        os.pwrite(self._file, self._content, self._written % _BARE_WRITES * len(self._content))
        sync(self._file)
        self._written += 1
        return (time.perf_counter() - began) * 1e3

    def close(self) -> None:
        """No more of it."""
        os.close(self._file)


def _entry(number: int, rows: bytes) -> Entry:
    count = SlotCount(
        process_id=1,
        device="plc",
        interval_ms=20,
        minute=1_700_000_000 // 60 * 60,
        outcome=Outcome.COMPLETED,
        slots=1,
        rows=POINTS,
        slots_at=((number, number + 1),),
    )
    header = {"process_id": 1, "device": "plc", "interval_ms": 20, "first_slot": number, "last_slot": number}
    return Entry(kind=EntryKind.POINTS, header=header, rows=rows, row_count=POINTS, accounting=(count,))
