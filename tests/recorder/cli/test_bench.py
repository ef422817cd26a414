"""``bench validate``: a whole measurement that leaves nothing behind and touches no tool."""

import asyncio
import json

import asyncpg
import pytest

from recorder.check.spread import Spread
from recorder.cli import bench
from recorder.measure import ways
from recorder.measure.record_time import RecordTimes
from tests.recorder.cli.command import Commands


def schemas(url: str) -> set[str]:
    """Schemas of a database."""

    async def work() -> set[str]:
        connection = await asyncpg.connect(url)
        try:
            return {row[0] for row in await connection.fetch("SELECT nspname FROM pg_namespace")}
        finally:
            await connection.close()

    return asyncio.run(work())


def configured(commands: Commands, database: str) -> None:
    """A configuration whose tool would refuse any connection."""
    text = f'[recorder]\ndata_directory = "var"\n[database]\n{database}\n[devices.plc]\nport = 1\n'
    (commands.folder / "config.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("is_pooled", [False, True], ids=["direct", "pooler"])
def test_a_database_is_measured_in_a_schema_that_is_gone_afterwards(
    commands: Commands, database_url: str, is_pooled: bool, request: pytest.FixtureRequest
) -> None:
    """Every way to ask, the spool, the commit and the step; status 1 says that something was missed, alone."""
    database = f'dsn = "{database_url}"'
    if is_pooled:
        pooler = request.getfixturevalue("pooler_url")
        database = f'dsn = "{pooler}"\ndirect_dsn = "{database_url}"\nprepared_statements = false'
    configured(commands, database)
    before = schemas(database_url)
    said = commands.run_apart("bench", "validate", "--scans", "5", "--json")
    result = json.loads(said.stdout)
    assert said.status == (1 if result["missed"] else 0), said.stderr
    assert [row["way"] for row in result["ways"]] == [way.name for way in ways.WAYS]
    assert result["ways"][-1]["queries_a_minute"] == 1
    assert result["ways"][0]["queries_a_minute"] == 60 * (result["parameters"])
    assert result["record_ms"]["count"] == result["step_ms"]["count"] == 5
    assert 0 < result["spool_ms"]["p50_ms"] < result["record_ms"]["p50_ms"]
    assert schemas(database_url) == before
    assert not list((commands.folder / "var").iterdir())


def test_what_takes_too_long_in_the_median_is_missed() -> None:
    """Each by its own goal; a single long one is not."""
    short, long = Spread.of([1.0, 1.0, 99.0]), Spread.of([1.0, 41.0, 41.0])
    for record, step, missed in (
        (short, short, []),
        (long, short, ["record"]),
        (short, long, ["step"]),
        (long, long, ["record", "step"]),
    ):
        times = RecordTimes(spooled=short, committed=record)
        assert bench.Measured(parameters=1, costs=(), record=times, step=step).missed == missed


def test_a_database_that_is_away_is_one_line(commands: Commands) -> None:
    """And no configuration is another."""
    configured(commands, 'dsn = "postgresql://nobody@127.0.0.1:1/none"')
    assert "127.0.0.1:1" in commands.refused("bench", "validate", status=3, apart=True)
    configured(commands, "")
    assert "dsn is empty" in commands.refused("bench", "validate", status=2)
