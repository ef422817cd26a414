# ruff: noqa: INP001 - pogo loads migrations by their path; the folder is no package
"""Indexes of the partitioned points, made while rows arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sql import load_query

if TYPE_CHECKING:
    import asyncpg

__depends__ = {"0003_indexes"}
__transaction__ = False

SHORT_WAIT = "500ms"
INDEXES = (
    ("idx_process_data_points_process_timestamp", "process_id_timestamp_idx", '(process_id, "timestamp")'),
    ("idx_process_data_points_timestamp_brin", "timestamp_idx", 'USING brin ("timestamp")'),
)
"""Name on the parent, ending of the name on a partition (what PostgreSQL itself would choose), definition."""


async def apply(connection: asyncpg.Connection) -> None:
    """Build each index on the parent alone, then concurrently on each partition, and attach.

    Asks for the steps again until none is left, so that a partition made meanwhile is not forgotten
    and an interrupted migration goes on where it was.
    """
    patience = await connection.fetchval(load_query("read_lock_timeout"))
    for name, suffix, definition in INDEXES:
        while steps := await connection.fetch(
            load_query("partitioned_index_steps"), name, "process_data_points", suffix, definition
        ):
            for step in steps:
                # whoever waits for ON ONLY or ATTACH holds up the writers behind it, so that is tried shortly and
                # the runner tries again; a concurrent build may wait
                wait = patience if step["is_concurrent"] else SHORT_WAIT
                await connection.execute(load_query("set_lock_timeout"), wait)
                await connection.execute(step["statement"])
    await connection.execute(load_query("set_lock_timeout"), patience)


async def rollback(connection: asyncpg.Connection) -> None:
    """Do nothing: migrations go forward only."""
