"""What a commit takes at a distance: one message against BEGIN, watermark, COPY and COMMIT one after the other.

Both write scans of 110 rows into the same table over the same line, which takes 0, 32 or 200 ms a round trip: beside
the database, and at the two sites of a real tool. Run by itself (``python -m benchmarks.commit_round_trips``) it prints
the table that stands in ``docs/decisions/0002-watermark-in-the-transaction.md``.
"""

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Final

import numpy as np

from benchmarks.figure import Figure
from benchmarks.rig import SCHEMA, Server, default_folder, server
from recorder.cli.app import run_async
from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import Database, DatabaseSettings, Session
from recorder.spool.batch import RowEncoder, copy_payload
from recorder.writer.holder import Holder

ROW: Final = "commit"
ROUND_TRIPS_MS: Final = (0.0, 32.0, 200.0)
PARAMETERS: Final = 110
GOAL_ROUND_TRIPS: Final = 1.0
_PREPARED: Final = ("claim_recorder", "claim_stream", "ensure_day_partition", "advance_stream")
_NOON: Final = datetime(2023, 11, 15, 12, tzinfo=UTC)
_RECORDER: Final = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What one way of committing costs."""

    round_trips: float
    milliseconds: float


class _Stream:
    """A claimed stream that both ways write to, in turn."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stream_id = uuid.uuid4()
        self._epoch = 0
        self._sequence = 0
        rows = RowEncoder(np.arange(PARAMETERS, dtype=np.int32)).encode(
            process_id=4711,
            timestamps_us=np.full(PARAMETERS, int(_NOON.timestamp()) * 1_000_000, np.int64),
            values=np.ones(PARAMETERS),
            set_values=np.full(PARAMETERS, np.nan),
            quality=np.full(PARAMETERS, 192, np.int16),
        )
        self._payload = copy_payload([rows])

    async def claim(self) -> None:
        """As the writer does."""
        holder = Holder.here(_RECORDER)
        await self._session.execute("claim_recorder", _RECORDER, "bench", holder.host)
        row = await self._session.fetch_one("claim_stream", self._stream_id, _RECORDER, holder.description, 0)
        assert row is not None
        self._epoch = row["epoch"]
        await self._session.execute("ensure_day_partition", _NOON.date())

    def _advance(self) -> tuple[object, ...]:
        self._sequence += 1
        return self._stream_id, self._epoch, self._sequence - 1, self._sequence, "[]"

    async def one_message(self) -> None:
        """As `recorder.writer.writer` does."""
        await self._session.commit([("advance_stream", self._advance())], self._payload)

    async def one_after_the_other(self) -> None:
        """As one would with prepared statements and the library's own transaction."""
        async with self._session.transaction():
            await self._session.execute("advance_stream", *self._advance())
            await self._session.commit([], self._payload)


async def measure(place: Server, *, commits: int) -> list[Figure]:
    """Measure both ways at each distance."""
    figures = []
    for round_trip_ms in ROUND_TRIPS_MS:
        one, several = await costs(await place.database(), round_trip_ms=round_trip_ms, commits=commits)
        figures.append(
            Figure(
                row=ROW,
                what=f"round trips a commit, at {round_trip_ms:g} ms each",
                value=one.round_trips,
                goal=GOAL_ROUND_TRIPS,
                note=f"{one.milliseconds:.1f} ms p50; one after the other {several.round_trips:g} round trips, "
                f"{several.milliseconds:.1f} ms; {PARAMETERS} rows, {commits} commits each",
                detail={
                    "ms": one.milliseconds,
                    "one_after_the_other_ms": several.milliseconds,
                    "one_after_the_other_round_trips": several.round_trips,
                },
            )
        )
    return figures


async def costs(dsn: str, *, round_trip_ms: float, commits: int) -> tuple[Cost, Cost]:
    """One message, and one statement after the other."""
    async with Proxy(dsn, round_trip_ms=round_trip_ms).listening() as line:
        settings = DatabaseSettings(dsn=line.url, schema=SCHEMA, pool_min=1, pool_max=1, prepared=_PREPARED)
        async with Database(settings) as database, database.session() as session:
            stream = _Stream(session)
            await stream.claim()

            async def cost_of(way: Callable[[], Awaitable[None]]) -> Cost:
                await way()
                before = line.round_trips
                times_ms = []
                for _ in range(commits):
                    began = time.perf_counter()
                    await way()
                    times_ms.append((time.perf_counter() - began) * 1000)
                return Cost(round_trips=(line.round_trips - before) / commits, milliseconds=median(times_ms))

            return await cost_of(stream.one_message), await cost_of(stream.one_after_the_other)


async def _table(place: Server) -> str:
    lines = ["| one round trip | one message | BEGIN, advance, COPY, COMMIT |", "| --- | --- | --- |"]
    for figure in await measure(place, commits=50):
        several = figure.detail["one_after_the_other_ms"], figure.detail["one_after_the_other_round_trips"]
        distance = figure.what.rpartition(" at ")[2].removesuffix(" each")
        lines.append(
            f"| {distance} | {figure.detail['ms']:.1f} ms ({figure.value:g} round trips) "
            f"| {several[0]:.1f} ms ({several[1]:g} round trips) |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table of the decision."""
    with server(default_folder()) as place:
        print(run_async(_table(place)))


if __name__ == "__main__":
    main()
