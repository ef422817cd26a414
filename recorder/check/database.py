"""Whether PostgreSQL is there, is ours to write into, and how far away it is."""

import time
from typing import Final

from recorder.check.spread import Spread, milliseconds
from recorder.check.verdict import Report, Verdict
from recorder.config.file import Config
from recorder.database import Session, single_session
from recorder.database.dsn import describe_dsn
from recorder.database.migration import status
from recorder.errors import ConfigurationError, DatabaseError

SECTION: Final = "Database"
_ROUND_TRIPS: Final = 20
_CLOCKS_APART_MS: Final = 1000.0
_FAR_MS: Final = 500.0
_ROUND_TRIPS_OF_A_COMMIT: Final = 5
"""BEGIN, watermark, COPY, accounting, COMMIT."""


async def check_database(config: Config, report: Report, *, is_needed: bool) -> None:
    """Ask the database all that can be asked without writing.

    Args:
        config: its database section.
        report: takes the lines.
        is_needed: whether a missing DSN is a fault; a tool may be commissioned before there is a database.
    """
    try:
        dsn = config.require_dsn()
    except ConfigurationError as error:
        report.add(SECTION, Verdict.FAULT if is_needed else Verdict.NOT_ASKED, str(error))
        return
    schema = config.database.schema_name
    try:
        prepared = config.database.prepared_statements
        async with single_session(dsn, schema, prepared_statements=prepared) as session:
            server = await session.fetch_one("check_server")
            assert server is not None
            report.add(
                SECTION,
                Verdict.OK,
                f"PostgreSQL {server['version']}: {describe_dsn(dsn)} as {server['role']}",
                **server,
            )
            if await _check_schema(config.require_server_dsn(), schema, report):
                await _check_rights(session, schema, report)
            await _check_distance(session, report)
    except (DatabaseError, ConfigurationError) as error:
        report.add(SECTION, Verdict.FAULT, str(error))


async def _check_schema(dsn: str, schema: str, report: Report) -> bool:
    """Whether the schema is of this release."""
    try:
        state = await status(dsn, schema)
    except DatabaseError as error:
        report.add(SECTION, Verdict.FAULT, str(error))
        return False
    migrations = {"applied": list(state.applied), "pending": list(state.pending)}
    if state.pending:
        what = "has no tables yet" if not state.applied else f"lacks {len(state.pending)} migrations of this release"
        report.add(SECTION, Verdict.FAULT, f"schema {schema} {what}: ald-recorder database migrate", **migrations)
    else:
        report.add(SECTION, Verdict.OK, f"schema {schema} is up to date", **migrations)
    return not state.pending


async def _check_rights(session: Session, schema: str, report: Report) -> None:
    rows = await session.fetch("check_rights")
    missing = [row["needed"] for row in rows if not row["is_there"]]
    if not missing:
        report.add(SECTION, Verdict.OK, "may insert, update and make the partition of each day", missing=[])
        return
    message = f"{len(missing)} rights in schema {schema} are missing: GRANT them, or use the role that migrated"
    report.add(SECTION, Verdict.FAULT, message, *missing, missing=missing)


async def _check_distance(session: Session, report: Report) -> None:
    """Clock difference and latency from the same round trips; the shortest tells the clocks best."""
    trips: list[tuple[float, float]] = []
    for _ in range(_ROUND_TRIPS):
        asked_ns, asked_s = time.perf_counter_ns(), time.time()
        row = await session.fetch_one("check_clock")
        took_ms = (time.perf_counter_ns() - asked_ns) / 1e6
        assert row is not None
        trips.append((took_ms, (row["now"].timestamp() - asked_s) * 1000 - took_ms / 2))
    spread = Spread.of([took_ms for took_ms, _ in trips])
    shortest_ms, apart_ms = min(trips)
    commit = milliseconds(_ROUND_TRIPS_OF_A_COMMIT * spread.p50_ms)
    is_far = spread.p99_ms > _FAR_MS
    advice = ": rows are spooled meanwhile and none is lost, but they are seen late" if is_far else ""
    report.add(
        SECTION,
        Verdict.WARNING if is_far else Verdict.OK,
        f"a round trip takes {spread}, a commit about {commit}{advice}",
        **spread.to_plain(),
    )
    where = "ahead of" if apart_ms > 0 else "behind"
    figures = {"ahead_ms": round(apart_ms, 3), "uncertainty_ms": round(shortest_ms / 2, 3)}
    if abs(apart_ms) > _CLOCKS_APART_MS + shortest_ms:
        message = f"its clock is {milliseconds(abs(apart_ms))} {where} ours: one of the two is wrong, see Clock"
        report.add(SECTION, Verdict.WARNING, message, **figures)
    else:
        report.add(
            SECTION,
            Verdict.OK,
            f"its clock is {milliseconds(abs(apart_ms))} {where} ours, known to {milliseconds(shortest_ms / 2)}",
            **figures,
        )
