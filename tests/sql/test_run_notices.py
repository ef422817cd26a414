"""Whoever keeps runs in a cache is told which of them are others."""

import asyncio
import json
from typing import Any

import asyncpg

RUN = """
    INSERT INTO process_runs (id, machine_id, kind, recipe, started_at)
    SELECT n, 1, 'recipe', 'Al2O3', timestamptz '2024-05-01 00:00:00+00' + n * interval '1 minute'
      FROM generate_series($1::int, $2::int) n
"""


async def told(connection: asyncpg.Connection, *statements: str, runs: tuple[int, int] | None = None) -> list[Any]:
    """The notices that statements cause, in order; the last one is our own."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    await connection.add_listener("ald_runs", lambda *notice: heard.put_nowait(notice[3]))
    if runs is not None:
        await connection.execute(RUN, *runs)
    for statement in statements:
        await connection.execute(statement)
    await connection.execute("NOTIFY ald_runs, 'end'")
    notices = []
    while (notice := await heard.get()) != "end":
        notices.append(json.loads(notice))
    await connection.reset()
    await connection.execute("SET search_path TO ald")
    return notices


async def test_a_run_tells_of_its_beginning_end_audit_and_deletion(connection: asyncpg.Connection) -> None:
    """By schema, machine and id, and nothing else."""
    await connection.execute("INSERT INTO machines (name) VALUES ('ald-1')")
    notice = {"schema": "ald", "machine": "ald-1", "runs": [7]}
    assert await told(connection, runs=(7, 7)) == [notice]
    changes = ("status = 'completed', ended_at = now()", "audit_verdict = 'balances'", "note = 'x'")
    assert await told(connection, *(f"UPDATE process_runs SET {change}" for change in changes)) == [notice] * 3
    assert await told(connection, "DELETE FROM process_runs") == [notice]


async def test_what_readers_cannot_see_is_no_notice(connection: asyncpg.Connection) -> None:
    """Neither sealing, nor the same once more, nor an update of nothing."""
    await connection.execute("INSERT INTO machines (name) VALUES ('ald-1')")
    await told(connection, runs=(1, 3))
    changes = ("sealed_at = now()", "status = status", "note = 'x' WHERE id = 99")
    assert await told(connection, *(f"UPDATE process_runs SET {change}" for change in changes)) == []


async def test_a_statement_about_thousands_of_runs_is_one_notice_without_ids(connection: asyncpg.Connection) -> None:
    """A notice has room for some; no ids means that any may have changed."""
    await connection.execute("INSERT INTO machines (name) VALUES ('ald-1')")
    assert await told(connection, runs=(1, 5000)) == [{"schema": "ald", "machine": "ald-1", "runs": None}]
    [notice] = await told(connection, "UPDATE process_runs SET note = 'x' WHERE id <= 300")
    assert sorted(notice["runs"]) == list(range(1, 301))
