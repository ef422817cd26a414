"""A statement above the threshold is named in the log."""

import pytest
from structlog.testing import capture_logs

from recorder.database import Database, DatabaseSettings
from recorder.database.slow_statement import told_if_slow


async def test_a_slow_statement_is_named_and_a_quick_one_is_not(database_url: str) -> None:
    """By its name in sql/queries, with the seconds it took; the threshold is configured."""
    for slow_s, named in ((0.0, ["server_version"]), (60.0, [])):
        settings = DatabaseSettings(dsn=database_url, pool_min=1, pool_max=1, slow_statement_s=slow_s)
        async with Database(settings) as database, database.session() as session:
            with capture_logs() as logs:
                await session.fetch("server_version")
        assert [entry["statement"] for entry in logs if entry["event"] == "statement_slow"] == named
        assert all(entry["seconds"] >= 0 for entry in logs)


def test_what_fails_late_is_named_too() -> None:
    """A statement that ran into its time limit is the one to know of."""
    with capture_logs() as logs, pytest.raises(ZeroDivisionError), told_if_slow("run_trace", slow_s=-1.0):
        _ = 1 // 0
    assert [entry["statement"] for entry in logs] == ["run_trace"]
