"""What the database holds of a run, and whether it balances."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from recorder.audit.audit import audit
from recorder.database import single_session
from tests.system.spool_file import PointKey

LATE_S: Final = 10.0
"""How late a machine that is very busy may scan, and so begin or end a process."""


@dataclass(frozen=True, kw_only=True)
class SlotSum:
    """Slots of one outcome and cause, for one device and interval of a run."""

    device: str
    interval_ms: int
    outcome: str
    cause: str
    slots: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Records:
    """One recorder's database, asked with statements of the tests' own."""

    dsn: str

    def fetch(self, statement: str, *arguments: object) -> list[Mapping[str, Any]]:
        """Run one statement and return its rows."""

        async def work() -> list[Mapping[str, Any]]:
            connection = await asyncpg.connect(self.dsn, server_settings={"search_path": "ald"})
            try:
                return [dict(row) for row in await connection.fetch(statement, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(work())

    def value(self, statement: str, *arguments: object) -> Any:
        """Run one statement and return the one value of its answer."""
        (row,) = self.fetch(statement, *arguments)
        return next(iter(row.values()))

    def runs(self, kind: str = "recipe") -> list[Mapping[str, Any]]:
        """Runs of one kind, oldest first."""
        return self.fetch("SELECT * FROM process_runs WHERE kind = $1 ORDER BY id", kind)

    def slots(self, run: int) -> list[SlotSum]:
        """How the slots of a run ended."""
        rows = self.fetch(
            "SELECT device, interval_ms, outcome, cause, sum(slots)::int8 AS slots, sum(rows)::int8 AS rows "
            "FROM acquisition_minutes WHERE process_id = $1 GROUP BY 1, 2, 3, 4",
            run,
        )
        return [SlotSum(**row) for row in rows]

    def slots_of_cause(self, run: int, cause: str) -> int:
        """How many slots of a run ended for one cause."""
        return sum(slot.slots for slot in self.slots(run) if slot.cause == cause)

    def watermark(self, stream_id: str) -> int:
        """The last entry of a spool that is in the database."""
        found: int = self.value(
            "SELECT coalesce(max(last_sequence), 0) FROM recorder_streams WHERE stream_id = $1::text::uuid", stream_id
        )
        return found

    def writers(self, number: int = 0) -> int:
        """How many sessions of a recorder the server still has."""
        found: int = self.value(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE starts_with(application_name, $1) AND datname = current_database()",
            f"ald-recorder/{number}@",
        )
        return found

    def points(self, run: int) -> set[PointKey]:
        """All points of a run."""
        rows = self.fetch(
            "SELECT parameter_id, (extract(epoch FROM timestamp) * 1000000)::int8 AS us "
            "FROM process_data_points WHERE process_id = $1",
            run,
        )
        return {PointKey(parameter_id=row["parameter_id"], timestamp_us=row["us"], process_id=run) for row in rows}

    def parameter(self, full_name: str) -> int:
        """Id of ``component/parameter``."""
        component, _, name = full_name.partition("/")
        found: int = self.value(
            "SELECT p.id FROM component_parameters p JOIN machine_components c ON c.id = p.component_id "
            "WHERE c.name = $1 AND p.name = $2",
            component,
            name,
        )
        return found

    def values(self, run: int, full_name: str) -> list[float | None]:
        """Values of one parameter in a run, in order of time."""
        rows = self.fetch(
            "SELECT value FROM process_data_points WHERE process_id = $1 AND parameter_id = $2 ORDER BY timestamp",
            run,
            self.parameter(full_name),
        )
        return [row["value"] for row in rows]

    def events(self, kind: str) -> int:
        """How many events of a kind were recorded."""
        found: int = self.value("SELECT count(*) FROM recorder_events WHERE kind = $1", kind)
        return found

    def check_balance(self) -> None:
        """Assert what must hold of every database at rest: no orphan, nothing twice, rows as accounted for."""
        assert (
            self.fetch(
                "SELECT DISTINCT process_id FROM process_data_points p "
                "WHERE NOT EXISTS (SELECT FROM process_runs r WHERE r.id = p.process_id)"
            )
            == []
        ), "points that belong to no run"
        assert (
            self.fetch(
                "SELECT parameter_id, timestamp, count(*) FROM process_data_points GROUP BY 1, 2 HAVING count(*) > 1"
            )
            == []
        ), "points that are stored twice"
        assert (
            self.fetch(
                "SELECT process_id, stored.points, counted.rows "
                "FROM (SELECT process_id, count(*)::int8 AS points FROM process_data_points GROUP BY 1) stored "
                "FULL JOIN (SELECT process_id, sum(rows)::int8 AS rows FROM acquisition_minutes GROUP BY 1) counted "
                "USING (process_id) WHERE stored.points IS DISTINCT FROM counted.rows AND counted.rows <> 0"
            )
            == []
        ), "runs whose points are not those that were accounted for"
        assert self.events("database_restored") == 0, "the recorder found entries missing that were confirmed"
        assert self.audit() == {}, "processes that the recorder's own audit does not find to balance"

    def audit(self) -> dict[int, str]:
        """What the recorder's own audit says of each process that does not balance."""

        async def work() -> dict[int, str]:
            async with single_session(self.dsn, "ald") as session:
                audits = [await audit(session, row["id"]) for row in processes]
            return {row["id"]: found.line for row, found in zip(processes, audits, strict=True) if found.findings}

        processes = self.fetch("SELECT id FROM process_runs ORDER BY id")
        return asyncio.run(work())

    def check_slots_are_contiguous(self, run: int) -> None:
        """Assert that a run has every slot of its time, none twice.

        A slot's number is its time in UTC divided by the interval; a run begins and ends with a scan.
        """
        began, ended = self.fetch("SELECT started_at, ended_at FROM process_runs WHERE id = $1", run)[0].values()
        for slots in self.check_slot_numbers(run):
            for number, moment in ((slots["first"], began), (slots["after"], ended)):
                apart_s = number * slots["interval_ms"] / 1000 - moment.timestamp()
                assert abs(apart_s) <= LATE_S, f"{slots['device']}: slot {number} is {apart_s:.1f} s from {moment}"

    def check_slot_numbers(self, *processes: int) -> list[Mapping[str, Any]]:
        """Assert that processes that followed each other have their slots without a hole and none twice, by number.

        Returns:
            Of each device and interval the first number, and that after the last.
        """
        found = self.fetch(
            "SELECT device, interval_ms, lower(numbers) AS first, upper(numbers) AS after, "
            "(SELECT count(*) FROM unnest(numbers)) AS ranges, "
            "(SELECT sum(slots)::int8 FROM acquisition_minutes WHERE process_id = ANY($1::int8[]) "
            "AND (device, interval_ms) = (counted.device, counted.interval_ms)) AS slots "
            "FROM (SELECT device, interval_ms, range_agg(part) AS numbers FROM acquisition_minutes, "
            "unnest(slots_at) part WHERE process_id = ANY($1::int8[]) GROUP BY 1, 2) AS counted",
            list(processes),
        )
        assert found
        for row in found:
            where = f"device {row['device']} every {row['interval_ms']} ms"
            assert (row["ranges"], row["slots"]) == (1, row["after"] - row["first"]), f"{where}: slots missing or twice"
        return found
