"""Exactly once, whatever happens to connection, database or recorder."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from recorder.cli.fault_lab.proxy import Proxy, confirms_commit
from recorder.database import connect_once
from recorder.entry import Entry, EntryKind
from recorder.spool import Spool
from recorder.writer import WriterState
from tests.recorder.entries import NOON_US, PROCESS, event, points, run_started
from tests.recorder.writing import Desk, desk

TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE application_name LIKE 'ald-recorder/%' AND datname = current_database()
"""
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


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


async def kill_backends(d: Desk) -> None:
    """End every session of the writer from the server's side."""
    await d.sql.fetch(TERMINATE)


async def assert_stored_once(d: Desk, numbers: int, *, rows: int = 2) -> None:
    """Every entry's rows, each once, and accounting that agrees."""
    assert await d.values() == [float(number) for number in range(numbers)]
    assert await d.sql.fetchval("SELECT count(*) FROM process_data_points") == numbers * rows
    assert await d.sql.fetchval("SELECT sum(rows) FROM acquisition_minutes") == numbers * rows
    assert await d.sql.fetchval("SELECT sum(slots) FROM acquisition_minutes") == numbers
    assert await d.watermark() == d.spool.last_sequence == d.spool.acknowledged


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


async def test_a_database_put_back_from_a_backup_is_recorded_with_what_it_lost(
    tmp_path: Path, database_url: str
) -> None:
    """Its watermark is behind what it once confirmed: an event names the range, and recording goes on behind it."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0), points(1)])
        await d.drained()
        await d.spool.append([points(number) for number in range(2, 6)])
        await d.drained()
        await d.sql.execute("DELETE FROM process_data_points WHERE value >= 2")
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 2")
        await d.spool.append([points(6)])
        await d.drained()
        assert await d.values() == [0, 1, 6]
        assert await events(d) == [
            (
                "database_restored",
                {
                    "stream_id": str(d.spool.stream_id),
                    "lost_after_sequence": 2,
                    "lost_to_sequence": 6,
                    "confirmed_to_sequence": 6,
                },
            )
        ]
        assert await d.watermark() == 7


async def test_entries_that_a_restored_database_lost_are_sent_again_where_the_file_still_has_them(
    tmp_path: Path, database_url: str
) -> None:
    """Acknowledged entries leave the file with the next append; the event names what is really gone."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0), points(1)])
        await d.drained()
        await d.spool.append([points(number) for number in range(2, 6)])
        await d.drained()
        await d.stop()
        await d.sql.execute("DELETE FROM process_data_points WHERE value >= 1")
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 1")
        d.start()
        await d.until(lambda: d.writer.epoch == 2)
        await d.spool.append([points(6)])
        await d.drained()
        assert await d.values() == [0, 2, 3, 4, 5, 6]
        assert await events(d) == [
            (
                "database_restored",
                {
                    "stream_id": str(d.spool.stream_id),
                    "lost_after_sequence": 1,
                    "lost_to_sequence": 2,
                    "confirmed_to_sequence": 6,
                },
            )
        ]
        assert await d.watermark() == 7


async def test_what_is_kept_of_confirmed_entries_is_sent_again_to_a_restored_database(
    tmp_path: Path, database_url: str
) -> None:
    """With room for them nothing is lost: not by an older backup, and not by a crash of the recorder in between."""
    path = tmp_path / "kept.sqlite3"
    async with (
        Spool(path, max_bytes=10**8, keep_bytes=10**7) as spool,
        desk(tmp_path, database_url, spool=spool) as d,
    ):
        d.start()
        for number in range(20):
            await spool.append([points(number)])
            await d.drained()
        assert spool.depth.entries == 0
    async with (
        Spool(path, max_bytes=10**8, keep_bytes=10**7) as spool,
        desk(tmp_path, database_url, spool=spool) as d,
    ):
        await d.sql.execute("DELETE FROM process_data_points WHERE value >= 3")
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 3")
        await spool.append([points(20)])
        d.start()
        await d.drained()
        assert await d.values() == list(range(21))
        assert await d.watermark() == spool.acknowledged == 21
        [(kind, detail)] = await events(d)
        assert kind == "database_restored"
        assert (detail["lost_after_sequence"], detail["lost_to_sequence"], detail["confirmed_to_sequence"]) == (
            3,
            3,
            20,
        )


async def events(d: Desk) -> list[tuple[str, Any]]:
    """What happened, by the database."""
    await d.sql.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")
    return [tuple(row) for row in await d.sql.fetch("SELECT kind, detail FROM recorder_events ORDER BY id")]


async def test_a_database_that_was_emptied_is_claimed_again(tmp_path: Path, database_url: str) -> None:
    """It knows neither stream nor recorder any more (AL003): a fresh claim, an event, and recording goes on."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0), points(1)])
        await d.drained()
        await d.sql.execute(
            "TRUNCATE recorder_streams, recorders, process_data_points, acquisition_minutes, recorder_events"
        )
        await d.spool.append([points(2)])
        await d.drained()
        assert await d.values() == [2]
        assert [kind for kind, _ in await events(d)] == ["database_restored"]
        assert await d.sql.fetchval("SELECT machine FROM recorders") == "tool"
        assert d.writer.state is WriterState.WRITING


async def test_a_schema_that_is_not_there_is_waited_for(tmp_path: Path, database_url: str) -> None:
    """A database that nobody migrated refuses every statement; the spool holds all."""
    async with desk(tmp_path, database_url) as d:
        await d.sql.execute("ALTER SCHEMA ald RENAME TO hidden")
        d.start()
        await d.spool.append([points(0)])
        await d.away()
        assert d.writer.last_error is not None
        assert d.writer.last_error.endswith("run: ald-recorder database migrate")
        await d.sql.execute("ALTER SCHEMA hidden RENAME TO ald")
        await d.drained()
        assert await d.values() == [0]


async def test_a_second_writer_of_the_stream_fences_the_first(tmp_path: Path, database_url: str) -> None:
    """The first stops for good, stores nothing any more, and its spool takes entries all the same."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(desk(tmp_path, database_url))
        first.start()
        await first.spool.append([points(0)])
        await first.drained()
        second = await stack.enter_async_context(desk(tmp_path, database_url, spool=first.spool))
        second.start()
        await second.until(lambda: second.writer.state is WriterState.WRITING)
        await first.spool.append([points(1)])
        assert first.task is not None
        await asyncio.wait([first.task], timeout=10)
        assert first.task.done()
        assert first.task.exception() is None
        assert first.writer.state is WriterState.FENCED
        assert first.writer.last_error is not None
        assert "fenced off" in first.writer.last_error
        await second.drained()
        await assert_stored_once(second, 2)
        assert await first.spool.append([points(2)]) == 3
        await second.drained()


async def test_a_number_that_another_machine_holds_is_said_and_spooling_goes_on(
    tmp_path: Path, database_url: str
) -> None:
    """One line names the holder and what to change; once the number is free it is taken."""
    async with desk(tmp_path, database_url, machine="tool B") as d:
        await d.sql.execute("SELECT claim_recorder(1::int2, 'tool A', 'host-a')")
        d.start()
        await d.spool.append([points(0)])
        await d.away()
        assert d.writer.last_error == (
            "recorder number 1 belongs to machine 'tool A' on host host-a; "
            "give this one another [recorder] number; spooling goes on"
        )
        assert await d.spool.append([points(1)]) == 2
        assert await d.values() == []
        await d.sql.execute("DELETE FROM recorders")
        await d.drained()
        await assert_stored_once(d, 2)


async def test_a_spool_put_back_from_an_older_copy_is_not_written_over_what_is_there(
    tmp_path: Path, database_url: str
) -> None:
    """The database is ahead of the file: sequences would be used twice, so nothing is written, and a line says why."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0)])
        d.start()
        await d.drained()
        await d.stop()
        await d.sql.execute("UPDATE recorder_streams SET last_sequence = 40")
        d.start()
        await d.spool.append([points(1)])
        await d.until(lambda: "older copy" in (d.writer.last_error or ""))
        assert d.writer.state is WriterState.AWAY
        assert await d.values() == [0]
        assert await d.watermark() == 40


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
async def test_a_claim_waits_for_a_transaction_that_is_still_in_flight(
    tmp_path: Path, database_url: str, end: str
) -> None:
    """What an older session is about to commit is seen, and not sent again; what it takes back is."""
    async with desk(tmp_path, database_url) as d:
        await d.spool.append([points(0)])
        d.start()
        await d.drained()
        await d.stop()
        await d.spool.append([points(1)])
        stale = await connect_once(database_url, schema="ald")
        try:
            await stale.execute("BEGIN")
            await stale.execute("SELECT advance_stream($1, $2, 1, 2, '[]')", d.spool.stream_id, d.writer.epoch)
            d.start()
            async with asyncio.timeout(10):
                while not await d.sql.fetchval(WAITING):
                    pass
            await stale.execute(end)
        finally:
            await stale.close()
        await d.drained()
        assert await d.values() == ([0] if end == "COMMIT" else [0, 1]), "the stale session moved over entry 2"
        assert await d.watermark() == 2


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


async def test_a_run_that_the_database_lost_can_still_end(tmp_path: Path, database_url: str) -> None:
    """After a restored backup the end of an unknown run changes nothing and stops nothing."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        header = {"event": "run_ended", "process_id": PROCESS, "status": "completed", "ended_us": NOON_US}
        await d.spool.append([Entry(kind=EntryKind.PROCESS, header=header), points(0)])
        await d.drained()
        assert await d.values() == [0]


async def test_a_spool_that_cannot_be_read_is_tried_again(tmp_path: Path, database_url: str) -> None:
    """An error of the disk is told, and the writer goes on when it is gone."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.until(lambda: d.writer.state is WriterState.WRITING)
        reader = d.spool._store._reader
        reader.execute("PRAGMA query_only = 1")
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
