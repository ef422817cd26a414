"""Whether the database is well: every line is a named query that runs in psql, but for the plans of our statements."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from recorder.care.connection import care_connection
from recorder.care.schema import require_schema
from recorder.check.verdict import Report, Verdict
from recorder.database import Session
from sql import QUERIES

OPERATION: Final = "database health"
INDEX_USE_BAR_PERCENT: Final = 95.0
SECTIONS: Final = (
    ("Indexes", ("health_indexes", "health_unused_indexes", "health_bloat", "health_statistics")),
    ("Reading", ("health_scans",)),
    ("Connections", ("health_connections",)),
    ("Partitions", ("health_partitions",)),
    ("Sizes", ("health_sizes",)),
    ("Vacuum", ("health_vacuum",)),
)
_STATEMENTS: Final = "Statements"
_OF_CARE: Final = re.compile(
    r"(health|statement)_.*|.*_statements|ensure_days_ahead|runs_to_summarise|summarise_run|analyze_points"
    r"|refresh_recipe_statistics|applied_migrations|migration_.*"
)
"""Statements of health and maintenance themselves: long by nature, and no part of what recording and reading need."""


async def check_health(dsn: str, schema: str, report: Report, *, pool_max: int) -> None:
    """Ask the database how it is; changes nothing.

    Args:
        dsn: of a role that owns the schema, or a superuser.
        schema: the schema that holds all tables.
        report: takes the lines.
        pool_max: connections that a recorder may have.

    Raises:
        DatabaseError: no connection, not the right to ask, or a schema older than this release.
    """
    await require_schema(dsn, schema, operation=OPERATION)
    async with care_connection(dsn, schema, operation=OPERATION) as connection:
        session = Session(connection, dsn)
        for section, names in SECTIONS:
            for name in names:
                for row in await session.fetch(name):
                    _add(report, section, row)
            if section == "Connections":
                await _check_pools(session, report, pool_max=pool_max)
        await _check_statements(session, report, schema)


def _add(report: Report, section: str, row: Mapping[str, Any]) -> None:
    report.add(section, Verdict(row["verdict"]), f"{row['subject']}: {row['said']}", subject=row["subject"])


async def _check_pools(session: Session, report: Report, *, pool_max: int) -> None:
    for row in await session.fetch("recorder_connections"):
        verdict = Verdict.WARNING if row["busy"] >= pool_max else Verdict.OK
        said = f"pool of {row['application']}: {row['busy']} busy of {row['open']} open, {pool_max} at most"
        report.add("Connections", verdict, said, **row)


async def _check_statements(session: Session, report: Report, schema: str) -> None:
    """Index use and slow statements, from pg_stat_statements; its absence is a line and no fault."""
    state = await session.fetch_one("statement_statistics_state")
    assert state is not None
    if not state["is_answering"]:
        if state["is_made"]:
            said = "pg_stat_statements does not answer; add it to shared_preload_libraries, or grant pg_read_all_stats"
        else:
            said = "pg_stat_statements is not here; to know slow statements: CREATE EXTENSION pg_stat_statements"
        report.add(_STATEMENTS, Verdict.NOT_ASKED, said, **state)
        return
    known = {plan.query_id: plan for plan in await _plans(session, schema)}
    calls = {row["query_id"]: row["calls"] for row in await session.fetch("statement_calls")}
    large = {row["name"] for row in await session.fetch("large_relations")}
    _judge_index_use(report, known, calls, large)
    rows = await session.fetch("health_slow_statements")
    named = [{**row, "subject": known[row["query_id"]].name} if row["query_id"] in known else row for row in rows]
    slow = [row for row in named if not _OF_CARE.fullmatch(row["subject"])]
    for row in slow:
        _add(report, _STATEMENTS, row)
    if not slow:
        report.add(_STATEMENTS, Verdict.OK, "slow statements: none has a mean above 10 ms")
    if not state["may_read_all"]:
        report.add(_STATEMENTS, Verdict.NOT_ASKED, "statements of other roles; to know them: GRANT pg_read_all_stats")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    name: str
    query_id: int
    scanned: frozenset[str]
    """Relations that it reads whole."""
    is_ours: bool
    """Whether it touches a relation of the schema at all."""


async def _plans(session: Session, schema: str) -> list[_Plan]:
    """How each statement of ours is carried out; those of our own files alone, since planning may run functions."""
    rows = await session.fetch("statement_plans", list(QUERIES), [query.text for query in QUERIES.values()])
    plans = []
    for row in rows:
        plan = json.loads(row["plan"]) if row["plan"] is not None else {}
        if "Query Identifier" in plan:
            nodes = list(_nodes(plan["Plan"]))
            scanned = frozenset(node["Relation Name"] for node in nodes if node["Node Type"].endswith("Seq Scan"))
            is_ours = any(node.get("Schema") == schema for node in nodes)
            query_id = plan["Query Identifier"]
            plans.append(_Plan(name=row["name"], query_id=query_id, scanned=scanned, is_ours=is_ours))
    return plans


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _judge_index_use(report: Report, known: Mapping[int, _Plan], calls: Mapping[int, int], large: set[str]) -> None:
    called = {
        plan.name: (calls[query_id], plan.scanned & large)
        for query_id, plan in known.items()
        if query_id in calls and plan.is_ours and not _OF_CARE.fullmatch(plan.name)
    }
    total = sum(count for count, _ in called.values())
    if not total:
        report.add(_STATEMENTS, Verdict.NOT_ASKED, "index use: no statement of ours was called since statistics began")
        return
    whole = {name: (count, scanned) for name, (count, scanned) in called.items() if scanned}
    percent = 100.0 * (total - sum(count for count, _ in whole.values())) / total
    report.add(
        _STATEMENTS,
        Verdict.OK if percent >= INDEX_USE_BAR_PERCENT else Verdict.FAULT,
        f"index use: {percent:.1f} % of {total} calls read no table above 1,000 rows whole, "
        f"{INDEX_USE_BAR_PERCENT:g} % is the least",
        *(f"{name}: {count} calls read {', '.join(sorted(scanned))}" for name, (count, scanned) in whole.items()),
        percent=round(percent, 2),
        calls=total,
    )
