"""Exactly once, whatever happens to connection, database or recorder."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recorder.cli.fault_lab.proxy import Proxy, confirms_commit
from recorder.database import connect_once
from recorder.spool.entry import Entry, EntryKind
from recorder.spool.spool import Spool
from recorder.writer.writer import WriterState
from tests.recorder.entries import event, points, run_started
from tests.recorder.writing import WAITING, Desk, assert_stored_once, desk, events, kill_backends


@pytest.fixture
async def proxy(short_directory: Path, database_url: str) -> AsyncIterator[Proxy]:
    """A way to the database that can be cut."""
    async with Proxy(database_url, short_directory).listening() as proxy:
        yield proxy


@pytest.fixture
async def desk_behind_proxy(tmp_path: Path, proxy: Proxy, database_url: str) -> AsyncIterator[Desk]:
    """A writer that reaches the database through the proxy."""
    async with desk(tmp_path, proxy.url, sql_url=database_url) as d:
        yield d


async def test_a_session_killed_between_two_commits_costs_nothing(tmp_path: Path, database_url: str) -> None:
    """An administrator, a restart of the server: the next entries go over a new connection."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        for number in range(4):
            await d.spool.append([points(number)])
            await d.drained()
            await kill_backends(d)
        await d.spool.append([points(4)])
        await d.drained()
        await assert_stored_once(d, 5)


async def test_a_session_killed_in_mid_commit_stores_nothing_of_it(tmp_path: Path, database_url: str) -> None:
    """It waits for the watermark's row, is ended there, and all of it comes with the next attempt."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0)])
        d.start()
        await d.drained()
        blocker = await connect_once(database_url, schema="ald")
        try:
            await blocker.execute("BEGIN")
            await blocker.execute("SELECT FROM recorder_streams FOR UPDATE")
            await d.spool.append([points(1), points(2)])
            async with asyncio.timeout(10):
                while not await d.sql.fetchval(WAITING):
                    pass
            await kill_backends(d)
            await d.away()
            await blocker.execute("ROLLBACK")
        finally:
            await blocker.close()
        await d.drained()
        await assert_stored_once(d, 3)


@pytest.mark.parametrize("entries", [[points(0)], [run_started()], [run_started(), points(0), event()]])
async def test_a_lost_reply_to_a_commit_stores_nothing_twice(
    desk_behind_proxy: Desk, proxy: Proxy, entries: list[Entry]
) -> None:
    """It was committed and nobody heard: the watermark tells, after a new claim."""
    d = desk_behind_proxy
    d.start()
    await d.spool.append([event("first")])
    await d.drained()
    has_rows = any(entry.rows for entry in entries)
    proxy.lose_reply = confirms_commit if has_rows else lambda reply: True
    await d.spool.append(entries)
    await d.drained()
    assert proxy.lost == 1
    assert d.writer.epoch == 2
    rows = sum(entry.row_count for entry in entries)
    events = sum(entry.kind is EntryKind.EVENT for entry in entries)
    assert await d.sql.fetchval("SELECT count(*) FROM process_data_points") == rows
    assert await d.sql.fetchval("SELECT coalesce(sum(rows), 0) FROM acquisition_minutes") == rows
    assert await d.sql.fetchval("SELECT count(*) FROM recorder_events") == events + 1
    assert await d.sql.fetchval("SELECT count(*) FROM process_runs") == len(entries) - events - (rows > 0)
    assert await d.watermark() == d.spool.last_sequence


@pytest.mark.parametrize("seed", range(3))
async def test_replies_to_commits_lost_at_random_store_nothing_twice(
    desk_behind_proxy: Desk, proxy: Proxy, seed: int
) -> None:
    """The connection is cut between COMMIT and its reply, now and again, also while the doubt of the last one lasts."""
    d, chance = desk_behind_proxy, random.Random(seed)
    d.start()
    for number in range(40):
        if chance.random() < 0.5:
            proxy.lose_reply = confirms_commit
        await d.spool.append([points(number)])
        if chance.random() < 0.5:
            await d.drained()
    proxy.lose_reply = None
    await d.drained()
    assert proxy.lost > 3
    await assert_stored_once(d, 40)


async def test_a_lost_request_is_sent_again(desk_behind_proxy: Desk, proxy: Proxy) -> None:
    """The rows never arrived: nothing was committed, and all of it comes once."""
    d = desk_behind_proxy
    d.start()
    await d.spool.append([points(0)])
    await d.drained()
    proxy.lose_request = lambda request: b"PGCOPY" in request
    await d.spool.append([points(1)])
    await d.drained()
    assert proxy.lost == 1
    await assert_stored_once(d, 2)


@pytest.mark.parametrize("seed", range(4))
async def test_cuts_at_random_moments_lose_and_repeat_nothing(desk_behind_proxy: Desk, proxy: Proxy, seed: int) -> None:
    """Requests and replies of claims, partitions and commits are lost in any order while entries go on coming."""
    d, chance = desk_behind_proxy, random.Random(seed)
    d.start()
    for number in range(60):
        await d.spool.append([points(number)])
        if chance.random() < 0.3:
            skip = chance.randrange(6)

            def is_lost(_data: bytes, skip: list[int] = [skip]) -> bool:  # noqa: B006  (a count that it keeps)
                skip[0] -= 1
                return skip[0] < 0

            if chance.random() < 0.5:
                proxy.lose_reply = is_lost
            else:
                proxy.lose_request = is_lost
        if chance.random() < 0.3:
            await asyncio.sleep(chance.random() * 0.02)
    proxy.lose_reply = proxy.lose_request = None
    await d.drained()
    assert proxy.lost > 0
    await assert_stored_once(d, 60)


async def test_a_database_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, short_directory: Path, database_url: str
) -> None:
    """Spooling goes on, one word says what is wrong, and everything comes once it is there."""
    proxy = Proxy(database_url, short_directory)
    async with desk(tmp_path, proxy.url, sql_url=database_url) as d:
        d.start()
        await d.spool.append([points(0)])
        await d.away()
        assert d.writer.last_error is not None
        assert "not reachable" in d.writer.last_error
        assert "\n" not in d.writer.last_error
        await d.spool.append([points(1)])
        async with proxy.listening():
            await d.drained()
            await assert_stored_once(d, 2)
            await d.stop()
        assert d.writer.totals.entries == 2


async def test_a_crash_of_the_recorder_in_mid_commit_loses_and_repeats_nothing(
    tmp_path: Path, database_url: str
) -> None:
    """Cancelled at any moment, started again on the same spool: each entry is stored once."""
    chance = random.Random(1)
    async with Spool(tmp_path / "spool.sqlite3", max_bytes=10**8) as spool:
        for life in range(10):
            async with desk(tmp_path, database_url, spool=spool) as d:
                await spool.append([points(life * 2), points(life * 2 + 1)])
                d.start()
                await asyncio.sleep(chance.random() * 0.05)
        async with desk(tmp_path, database_url, spool=spool) as d:
            d.start()
            await d.drained()
            await assert_stored_once(d, 20)


async def test_text_with_a_nul_stops_nothing(tmp_path: Path, database_url: str) -> None:
    """PostgreSQL can hold none, neither in text nor in jsonb: it is left out."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([run_started(operator="A\0da"), event(reason="a\0b", path="c:\\u0000")])
        await d.drained()
        assert await d.sql.fetchval("SELECT operator FROM process_runs") == "Ada"
        [(_, detail)] = await events(d)
        assert detail == {"reason": "ab", "path": "c:\\u0000"}


async def test_a_spool_that_cannot_be_read_is_tried_again(tmp_path: Path, database_url: str) -> None:
    """An error of the disk is told, and the writer goes on when it is gone."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.until(lambda: d.writer.state is WriterState.WRITING)
        reader = d.spool._store._reader
        reader._connection.execute("PRAGMA query_only = 1")
        d.spool._store._writer.execute("ALTER TABLE entries RENAME TO hidden")
        d.spool._store._writer.commit()
        d.spool.last_sequence += 1
        d.spool._arrived.set()
        await d.until(lambda: d.writer.state is WriterState.UNREADABLE)
        assert "cannot be read" in (d.writer.last_error or "")
        d.spool._store._writer.execute("ALTER TABLE hidden RENAME TO entries")
        d.spool._store._writer.commit()
        d.spool.last_sequence -= 1
        await d.spool.append([points(0)])
        await d.drained()
        assert await d.values() == [0]
