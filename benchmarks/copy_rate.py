r"""How fast rows go through the recorder's encoder and writer, set against psql copying the very same bytes.

Timed of ours, a round: for each batch of about 10,000 rows, `RowEncoder.encode` of each of its scans, then
`Writer.commit`: watermark, accounting, COPY and commit, and the wait for the answer. Not timed: reading from the spool,
whose cost is in the rows *cpu* and *latency*.

Timed of psql, a round: one ``\copy ... (format binary)`` a batch, from files that are ready and in the page cache, in
a psql that is connected already; from sending the first command to its word after the last.

Both fill the same partition with the same two indexes, with the same rows in the same batches, one transaction each,
fsync on, and find it truncated after a CHECKPOINT. They take turns in going first; the ratio is the median of the
rounds' ratios.
"""

import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.figure import Figure, Lengths
from benchmarks.rig import MACHINE, SCHEMA, Server
from recorder.clock.clock import Clock
from recorder.database import Database, DatabaseSettings, Session, connect_once
from recorder.spool.batch import RowEncoder, copy_payload
from recorder.spool.entry import Entry, EntryKind, Outcome, SlotCount
from recorder.spool.spool import Spool
from recorder.spool.store import SpooledEntry
from recorder.status.latency import LatencyRecorder
from recorder.writer.holder import Holder
from recorder.writer.statements import PREPARED
from recorder.writer.writer import Writer

ROW: Final = "copy"
GOAL: Final = 0.8
BATCH_ROWS: Final = 10_000
_PROCESS: Final = 4_711
_INTERVAL_US: Final = 100_000
_DONE: Final = "done"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Scan:
    """What `RowEncoder.encode` takes of one scan."""

    timestamps_us: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    set_values: npt.NDArray[np.float64]
    quality: npt.NDArray[np.int16]


async def measure(place: Server, lengths: Lengths) -> list[Figure]:
    """Measure with scans of 110 parameters, as the real tool has, and with scans of 1,000."""
    figures = []
    for parameters, goal in ((110, GOAL), (1_000, GOAL)):
        dsn = await place.database()
        folder = place.folder / f"copy-{parameters}"
        folder.mkdir()
        figures.append(await _measure(place, dsn, folder, lengths, parameters=parameters, goal=goal))
    return figures


async def _measure(place: Server, dsn: str, folder: Path, lengths: Lengths, *, parameters: int, goal: float) -> Figure:
    scans_a_batch = -(-BATCH_ROWS // parameters)
    batch_rows = scans_a_batch * parameters
    scans = _make_scans(scans_a_batch * lengths.copy_batches, parameters)
    batches = [scans[i : i + scans_a_batch] for i in range(0, len(scans), scans_a_batch)]
    files = _write_files(folder, batches, parameters)
    rows = batch_rows * lengths.copy_batches
    async with claimed_writer(dsn, folder) as (writer, session), _psql(place, dsn) as psql:
        ours = _Ours(writer, session, parameters)
        rates: list[tuple[float, float]] = []
        await ours.write(batches[:2])
        psql.copy(files[:2])
        for number in range(lengths.copy_rounds):
            seconds = {}
            for way in ("ours", "psql") if number % 2 else ("psql", "ours"):
                await _empty(dsn)
                seconds[way] = await ours.write(batches) if way == "ours" else psql.copy(files)
            rates.append((rows / seconds["ours"], rows / seconds["psql"]))
        stored = await _count(dsn)
    assert stored == rows, f"{stored} rows stored instead of {rows}"
    ratios = sorted(ours / psql for ours, psql in rates)
    our_rate, psql_rate = (median(column) for column in zip(*rates, strict=True))
    return Figure(
        row=ROW,
        what=f"of psql's rows/s, scans of {parameters:,}",
        value=median(ratios),
        bound="at least",
        goal=goal,
        note=f"{our_rate:,.0f} rows/s against {psql_rate:,.0f}; {len(rates)} rounds of {lengths.copy_batches} "
        f"batches of {batch_rows:,} rows, ratios {ratios[0]:.2f} to {ratios[-1]:.2f}",
        detail={"rows_per_s": our_rate, "psql_rows_per_s": psql_rate, "ratios": ratios, "batch_rows": batch_rows},
    )


def _make_scans(count: int, parameters: int) -> list[_Scan]:
    """Scans of today, of which 5 % of the values are bad and a fifth of the parameters have a set-value of the tool."""
    random = np.random.default_rng(1)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    first_us = (noon - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    row = np.arange(parameters)
    has_set_value, is_bad = row % 5 == 0, row % 20 == 7
    values = np.where(is_bad, np.nan, random.normal(100.0, 20.0, (count, parameters)))
    set_values = np.where(has_set_value, 100.0, np.nan)
    quality = np.where(is_bad, 16, 192).astype(np.int16)
    return [
        _Scan(
            # as from blocks of about twenty parameters, half a millisecond apart
            timestamps_us=first_us + number * _INTERVAL_US + (row // 20) * 500,
            values=values[number],
            set_values=set_values,
            quality=quality,
        )
        for number in range(count)
    ]


def _encode(encoder: RowEncoder, scan: _Scan) -> bytes:
    return encoder.encode(
        process_id=_PROCESS,
        timestamps_us=scan.timestamps_us,
        values=scan.values,
        set_values=scan.set_values,
        quality=scan.quality,
    )


def _write_files(folder: Path, batches: list[list[_Scan]], parameters: int) -> list[Path]:
    """The same rows, ready in PostgreSQL's binary COPY format, a file a batch."""
    encoder = RowEncoder(np.arange(parameters, dtype=np.int32))
    files = []
    for number, batch in enumerate(batches):
        path = folder / f"{number}.copy"
        path.write_bytes(copy_payload([_encode(encoder, scan) for scan in batch]))
        files.append(path)
    return files


class _Ours:
    """The way of the recorder: encode, then commit."""

    def __init__(self, writer: Writer, session: Session, parameters: int) -> None:
        self._writer = writer
        self._session = session
        self._encoder = RowEncoder(np.arange(parameters, dtype=np.int32))
        self._sequence = 0

    async def write(self, batches: list[list[_Scan]]) -> float:
        """Encode and commit batch after batch; returns seconds."""
        started = time.perf_counter()
        for batch in batches:
            await self._writer.commit(self._session, [self._spooled(scan) for scan in batch])
        return time.perf_counter() - started

    def _spooled(self, scan: _Scan) -> SpooledEntry:
        first_us, last_us = int(scan.timestamps_us[0]), int(scan.timestamps_us[-1])
        rows = len(scan.values)
        self._sequence += 1
        count = SlotCount(
            process_id=_PROCESS,
            device="plc",
            interval_ms=_INTERVAL_US // 1000,
            minute=first_us // 60_000_000 * 60,
            outcome=Outcome.COMPLETED,
            slots=1,
            rows=rows,
        )
        entry = Entry(
            kind=EntryKind.POINTS,
            rows=_encode(self._encoder, scan),
            row_count=rows,
            accounting=(count,),
            first_us=first_us,
            last_us=last_us,
        )
        return SpooledEntry(sequence=self._sequence, entry=entry)


@asynccontextmanager
async def claimed_writer(dsn: str, folder: Path) -> AsyncIterator[tuple[Writer, Session]]:
    """The real writer over the real pool, with its stream claimed; its spool stays empty."""
    settings = DatabaseSettings(dsn=dsn, schema=SCHEMA, pool_min=1, pool_max=1, prepared=PREPARED)
    async with Spool(folder / "spool.sqlite3", max_bytes=1_000_000) as spool, Database(settings) as database:
        writer = Writer(
            database=database,
            spool=spool,
            holder=Holder.here(0),
            machine=MACHINE,
            clock=Clock(),
            latency=LatencyRecorder(),
            marks={},
        )
        async with database.session() as session:
            await writer.claim(session)
            yield writer, session


class _Psql:
    """A psql that is connected and waits for commands."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.say([])

    def copy(self, files: list[Path]) -> float:
        """Copy file after file, a transaction each; returns seconds."""
        columns = '"timestamp", process_id, value, set_value, parameter_id, quality'
        started = time.perf_counter()
        self.say([f"\\copy {SCHEMA}.process_data_points ({columns}) from '{f}' with (format binary)" for f in files])
        return time.perf_counter() - started

    def say(self, commands: list[str]) -> None:
        """Send commands, and wait until psql has done them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n".join([*commands, f"\\echo {_DONE}", ""]))
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == _DONE, f"psql failed: {answer}"


@contextmanager
def _running_psql(place: Server, dsn: str) -> Iterator[_Psql]:
    process = subprocess.Popen(place.psql(dsn), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            yield _Psql(process)
        finally:
            process.terminate()


@asynccontextmanager
async def _psql(place: Server, dsn: str) -> AsyncIterator[_Psql]:
    with _running_psql(place, dsn) as psql:
        yield psql


async def _empty(dsn: str) -> None:
    connection = await connect_once(dsn, schema=SCHEMA)
    try:
        await connection.execute("TRUNCATE process_data_points")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _count(dsn: str) -> int:
    connection = await connect_once(dsn, schema=SCHEMA)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM process_data_points")
    finally:
        await connection.close()
    return count
