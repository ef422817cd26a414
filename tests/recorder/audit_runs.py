"""Runs in a database as the writer leaves them, made from slots, for tests that break them on purpose."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import asyncpg

from recorder.audit.audit import Audit, audit
from recorder.database import single_session

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PARAMETERS = 3
INTERVAL_MS = 100
SLOTS = 1500
"""Two and a half minutes."""
RUN = (1 << 22) * 1_000_000 + (1 << 12)
"""An id of recorder 1."""


def at(slot: float, interval_ms: int = INTERVAL_MS) -> datetime:
    """When a slot after noon is due."""
    return NOON + timedelta(milliseconds=slot * interval_ms)


@dataclass(frozen=True, kw_only=True)
class AuditBench:
    """A database with idle time, a run and idle time again, every slot of which is accounted for."""

    url: str
    sql: asyncpg.Connection

    async def make(self) -> None:
        """Three processes that follow each other: 50 slots of idle time, the run, 50 more."""
        await self.sql.execute(
            "INSERT INTO machines (name) VALUES ('tool');"
            "INSERT INTO machine_components (machine_id, name) VALUES (1, 'c');"
            "INSERT INTO component_parameters (component_id, name) SELECT 1, 'p' || n FROM generate_series(1, 3) n"
        )
        for day in range(3):
            await self.sql.execute("SELECT ensure_day_partition($1)", date(2026, 11, 1) + timedelta(days=day))
        await self.process(RUN - 4096 * 1024, "idle", -50, 0)
        await self.process(RUN, "recipe", 0, SLOTS)
        await self.process(RUN + 4096 * 1024, "idle", SLOTS, SLOTS + 50)

    async def process(self, process: int, kind: str, first: int, end: int, *, ended: bool = True) -> None:
        """A process of slots `first` up to but without `end`, all completed, with three rows each."""
        await self.sql.execute(
            "INSERT INTO process_runs (id, machine_id, kind, recipe, status, started_at, ended_at)"
            " VALUES ($1, 1, $2, 'Al2O3', $3, $4, $5)",
            *(process, kind, "completed" if ended else "running", at(first), at(end) if ended else None),
        )
        await self.slots(process, range(first, end))

    async def slots(
        self, process: int, slots: Iterable[int], outcome: str = "completed", cause: str = "", *, rows: int = PARAMETERS
    ) -> None:
        """Account for slots and store their rows."""
        numbers = list(slots)
        base = round(NOON.timestamp() * 1000) // INTERVAL_MS
        counts: dict[int, list[int]] = {}
        for slot in numbers:
            counts.setdefault((base + slot) * INTERVAL_MS // 60_000 * 60, []).append(base + slot)
        await self.sql.execute(
            "INSERT INTO recorders (number, machine, host) VALUES (1, 'tool', 'h') ON CONFLICT DO NOTHING"
        )
        await self.sql.execute(
            "INSERT INTO recorder_streams (stream_id, recorder, epoch, last_sequence)"
            " VALUES ('00000000-0000-0000-0000-000000000001', 1, 1, 0) ON CONFLICT DO NOTHING"
        )
        accounting = [
            {
                "process_id": process,
                "device": "plc",
                "interval_ms": INTERVAL_MS,
                "minute": minute,
                "outcome": outcome,
                "cause": cause,
                "slots": len(members),
                "rows": len(members) * rows,
                "slots_at": "{" + ",".join(f"[{slot},{slot + 1})" for slot in members) + "}",
            }
            for minute, members in counts.items()
        ]
        await self.sql.execute(
            "SELECT advance_stream(stream_id, epoch, last_sequence, last_sequence + 1, $1::jsonb)"
            " FROM recorder_streams",
            json.dumps(accounting),
        )
        times = [at(slot) + timedelta(milliseconds=2) for slot in numbers]
        await self.sql.execute(
            "INSERT INTO process_data_points"
            " SELECT t, $1, 1.5, NULL, p, 192 FROM unnest($2::timestamptz[]) t, generate_series(1, $3::int) p",
            *(process, times, rows),
        )

    async def audit(self, run: int = RUN) -> Audit:
        """Audit a run."""
        async with single_session(self.url, "ald") as session:
            return await audit(session, run)
