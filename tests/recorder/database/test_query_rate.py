"""Statements of the last minute, split by what they are for."""

from recorder.database import Database, DatabaseSettings
from recorder.database.query_rate import QueryRate
from recorder.set_values.source import DatabaseSetValues


def test_only_the_last_minute_counts() -> None:
    """By the second, whatever the rate is."""
    now_s = 0.0
    rate = QueryRate(monotonic_s=lambda: now_s)
    for second in range(120):
        now_s = second + 0.5
        for _ in range(100):
            rate.add("commit")
        if second % 30 == 0:
            rate.add("set_values_of_machine")
    assert rate.picture() == {"all": 6002, "set_values": 2, "other": 6000}
    now_s = 149.5
    assert rate.picture() == {"all": 3001, "set_values": 1, "other": 3000}
    now_s = 1000.0
    assert rate.picture() == {"all": 0, "set_values": 0, "other": 0}


async def test_every_statement_of_the_pool_is_counted(database_url: str) -> None:
    """Whoever runs it, through whichever connection."""
    async with Database(DatabaseSettings(dsn=database_url, pool_min=1, pool_max=2)) as database:
        set_values = DatabaseSetValues(database, machine="tool")
        assert (await set_values.all(), await set_values.some([1])) == ([], [])
        async with database.session() as session, session.transaction():
            await session.execute("analyze_points")
        assert await database.read("get_process_run", 1) == [{"run": None}]
        assert database.times.rate.picture() == {"all": 4, "set_values": 2, "other": 2}
