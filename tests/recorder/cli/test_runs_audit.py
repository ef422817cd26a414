"""``runs audit`` as a user types it, on a database alone."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from recorder.database import connect_once
from tests.postgres import apart
from tests.recorder.audit_runs import RUN, SLOTS, AuditBench
from tests.recorder.cli.command import Commands

CONFIG = '[recorder]\nmachine = "tool"\n[database]\ndsn = "{dsn}"\n'


def work(url: str, task: Callable[[AuditBench], Coroutine[Any, Any, object]]) -> None:
    """Do something to the database."""

    async def main() -> None:
        sql = await connect_once(url, schema="ald")
        try:
            await task(AuditBench(url=url, sql=sql))
        finally:
            await sql.close()

    apart(main)


@pytest.fixture
def url(database_url: str, commands: Commands) -> str:
    """A database with a run, and a configuration that names it."""
    work(database_url, AuditBench.make)
    (commands.folder / "config.toml").write_text(CONFIG.format(dsn=database_url), encoding="utf-8")
    return database_url


def test_a_run_that_balances_ends_with_status_0(commands: Commands, url: str) -> None:
    """By id or as the last one; the database is not changed."""
    for name in (str(RUN), "last"):
        said = commands.run("runs", "audit", name)
        assert (said.status, said.stderr) == (0, "")
        lines = said.stdout.splitlines()
        assert lines[0] == f"Audit of run {RUN}"
        assert lines[-1] == f"balances: {SLOTS} slots and {3 * SLOTS} rows, each accounted for once"
    assert json.loads(commands.run("runs", "list", "--json").stdout)[0]["audit_verdict"] is None


def test_a_run_that_does_not_balance_ends_with_status_1(commands: Commands, url: str) -> None:
    """Page and JSON alike; `--store` keeps the verdict, and list and show tell it."""
    statement = "DELETE FROM process_data_points WHERE process_id = $1 AND parameter_id = 2"
    work(url, lambda bench: bench.sql.execute(statement, RUN))
    assert commands.run("runs", "audit", "last").status == 1
    said = commands.run("runs", "audit", "last", "--store", "--json")
    assert said.status == 1
    audited = json.loads(said.stdout)
    assert (audited["run"], audited["verdict"]) == (RUN, "does not balance")
    assert audited["slots"]["scheduled"] == audited["slots"]["completed"] == SLOTS
    assert audited["rows"] == {"expected": 3 * SLOTS, "stored": 2 * SLOTS, "quarantined": 0}
    assert [finding["code"] for finding in audited["findings"]] == ["rows_missing"]
    listed = commands.run("runs", "list").stdout
    assert "UNBALANCED" in listed
    assert max(map(len, listed.splitlines())) <= 80
    shown = commands.run("runs", "show", str(RUN)).stdout
    assert "audit: does not balance: 1500 rows missing of plc from 2026-11-02" in shown


@pytest.mark.parametrize("run", ["4711", "first", "99999999999999999999"])
def test_a_run_that_cannot_be_is_wrong_use(commands: Commands, url: str, run: str) -> None:
    """In one line."""
    assert "no run" in commands.refused("runs", "audit", run, status=2)


def test_no_run_at_all_is_said(commands: Commands, database_url: str) -> None:
    """Where `last` finds none."""
    (commands.folder / "config.toml").write_text(CONFIG.format(dsn=database_url), encoding="utf-8")
    assert "no run of 'tool' is recorded yet" in commands.refused("runs", "audit", "last", status=2)
