"""The benchmarks themselves: a row that no longer runs must not be found out only when a figure is wanted."""

import asyncio
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from benchmarks import request_count
from benchmarks.commit_watch import next_commit, watch_commits
from benchmarks.figure import QUICK, Figure
from benchmarks.rig import ROOT, SCHEMA, modbus_server
from hal.device import Device
from hal.modbus import ModbusTcpSettings, tcp_link
from hal.parameter import DataType, Parameter, RegisterKind
from hal.plan import plan_reads
from recorder.database import connect_once

pytestmark = pytest.mark.alone

SHORT = dataclasses.replace(QUICK, requests_s=0.1)


async def test_requests_are_counted_at_a_server_that_answers_all_four_functions() -> None:
    """What the server counts is what the plan says, and no value that it gives is bad."""
    kinds = {kind: DataType.BINARY if kind.is_bit else DataType.FLOAT32 for kind in RegisterKind}
    parameters = [
        Parameter(parameter_id=number, name=f"{kind}", kind=kind, address=3, data_type=data_type)
        for number, (kind, data_type) in enumerate(kinds.items())
    ]
    with modbus_server() as server:
        device = Device("plc", tcp_link(ModbusTcpSettings(device="plc", host="127.0.0.1", port=server.port)))
        connection = asyncio.create_task(device.run())
        try:
            await device.wait_connected()
            scan = await device.scan(plan_reads(parameters))
        finally:
            connection.cancel()
            await asyncio.wait([connection])
        assert server.counts() == {"requests": 4, **{f"function {code}": 1 for code in (1, 2, 3, 4)}}
    assert (scan.quality == 192).all()


async def test_the_row_of_requests_is_measured_or_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the map of the real tool is not there, the row is skipped and nothing fails."""
    figures = await request_count.measure(SHORT)
    assert figures[0].goal == 6
    if figures[0].value is not None:
        assert figures[0].is_reached
    monkeypatch.setattr(request_count, "REAL_MAP", Path("/nowhere/map.csv"))
    [skipped] = await request_count.measure(SHORT)
    assert skipped.verdict == "skipped"
    assert "/nowhere/map.csv" in skipped.note


@pytest.mark.parametrize(
    ("value", "bound", "verdict"),
    [
        (6.0, "at most", "reached"),
        (6.1, "at most", "MISSED"),
        (6.0, "at least", "reached"),
        (5.9, "at least", "MISSED"),
    ],
)
def test_a_figure_at_its_goal_has_reached_it(value: float, bound: str, verdict: str) -> None:
    """At most and at least, as they are read."""
    figure = Figure(row="x", what="x", value=value, goal=6, bound=bound)  # type: ignore[arg-type]
    assert figure.verdict == verdict


COMMIT = """
INSERT INTO process_data_points ("timestamp", process_id, parameter_id, quality)
SELECT clock_timestamp() - interval '30 ms', 1, 1, 192 RETURNING "timestamp"
"""


@asynccontextmanager
async def visitor(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that looks at the schema."""
    connection = await connect_once(url, schema=SCHEMA)
    try:
        yield connection
    finally:
        await connection.close()


async def test_the_watch_sees_each_commit_once_and_not_before_it(database_url: str) -> None:
    """Rows that are committed 30 ms after their time are seen 30 ms late or a little later, one after the other."""
    async with visitor(database_url) as committing, visitor(database_url) as watching:
        await committing.execute("SELECT ensure_day_partition((now() AT TIME ZONE 'UTC')::date)")
        seen = await committing.fetchval(COMMIT)
        for _ in range(5):
            waiting = asyncio.create_task(next_commit(watching, 1, after=seen))
            committed = await committing.fetchval(COMMIT)
            seen, late_ms = await waiting
            assert seen == committed
            assert late_ms >= 29


async def test_the_watch_follows_a_run_for_as_long_as_it_is_told(database_url: str) -> None:
    """However often rows come, those less than half an interval apart are one."""
    async with visitor(database_url) as connection:
        began = time.monotonic()
        await connection.execute("SELECT ensure_day_partition((now() AT TIME ZONE 'UTC')::date)")
        await connection.execute(COMMIT)
        async with asyncio.TaskGroup() as tasks:

            async def commit() -> None:
                while True:
                    await connection.execute(COMMIT)

            committing = tasks.create_task(commit())
            seen_ms = await watch_commits(database_url, 1, seconds=0.3, interval_ms=100)
            committing.cancel()
    assert 1 <= len(seen_ms) <= (time.monotonic() - began) * 1000 / 50
    assert min(seen_ms) >= 29


def test_the_command_prints_json_and_leaves_nothing(short_directory: Path) -> None:
    """One row, quick: the machine, the figures, and an empty folder."""
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "requests", "--quick", "--json", "--folder", short_directory],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    content = json.loads(said.stdout)
    assert {figure["row"] for figure in content["figures"]} == {"requests"}
    assert content["machine"]["fsyncs_per_s"] > 0
    assert not list(short_directory.iterdir())
