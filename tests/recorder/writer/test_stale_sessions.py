"""Sessions that the server still holds after their client has gone: recording does not wait for them."""

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import Database, DatabaseSettings, connect_once
from recorder.database.keepalive import keep_alive, server_keepalives
from recorder.writer.holder import Holder
from recorder.writer.writer import WriterState
from tests.recorder.entries import points
from tests.recorder.writing import Desk, desk

BACK_S = 5.0
"""Within so long of its start a recorder is to be recording into the database again."""

HOLDS = {
    "idle": [],
    "the stream": ["BEGIN", "UPDATE recorder_streams SET updated_at = now()"],
    "the number": ["BEGIN", "SELECT FROM recorders FOR UPDATE"],
}


@pytest.fixture
async def proxy(short_directory: Path, database_url: str) -> AsyncIterator[Proxy]:
    """A way to the database that can fall silent."""
    async with Proxy(database_url, short_directory).listening() as proxy:
        yield proxy


async def backends(sql: asyncpg.Connection, prefix: str = "ald-recorder/") -> set[int]:
    """Sessions whose application name begins so."""
    query = "SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, $1) AND datname = current_database()"
    return {row["pid"] for row in await sql.fetch(query, prefix)}


@asynccontextmanager
async def predecessor(d: Desk, proxy: Proxy, statements: list[str]) -> AsyncIterator[set[int]]:
    """Whoever recorded before: its sessions stay on the server after its power has gone, with what they hold."""
    d.start()
    await d.spool.append([points(0)])
    await d.drained()
    async with d.database.session() as session:
        for statement in statements:
            await session._connection.execute(statement)
        stale = await backends(d.sql)
        proxy.fall_silent()
        await d.stop()
        yield stale
        proxy.cut()


@pytest.mark.parametrize("statements", HOLDS.values(), ids=HOLDS)
async def test_recording_is_back_within_5_s_of_a_start_after_a_power_cut(
    tmp_path: Path, proxy: Proxy, database_url: str, statements: list[str]
) -> None:
    """The server holds the old sessions, and what they have locked; the new start ends them rather than wait."""
    async with (
        desk(tmp_path, proxy.url, sql_url=database_url) as before,
        predecessor(before, proxy, statements) as stale,
        desk(tmp_path, proxy.url, sql_url=database_url, spool=before.spool) as after,
    ):
        assert stale
        await before.spool.append([points(1)])
        began = time.monotonic()
        after.start()
        await after.drained()
        assert time.monotonic() - began < BACK_S
        assert await after.values() == [0, 1]
        assert not stale & await backends(after.sql)
        assert after.writer.epoch == before.writer.epoch + 1


async def test_the_sessions_of_others_are_left_alone(tmp_path: Path, database_url: str) -> None:
    """Of another recorder, of this number on another host, of people, and this process's own."""
    here = Holder.here(1)
    names = [
        Holder.here(10).application_name,
        Holder.here(2).application_name,
        here.application_name.replace(here.session_prefix, "ald-recorder/1@elsewhere/"),
        "ald-recorder",
        "psql",
    ]
    others = [await connect_once(database_url, schema="ald", application_name=name) for name in names]
    try:
        async with desk(tmp_path, database_url) as d:
            stale = await connect_once(database_url, schema="ald", application_name=here.application_name)
            ended = asyncio.Event()
            stale.add_termination_listener(lambda _: ended.set())
            d.start()
            await d.spool.append([points(0)])
            await d.drained()
            async with asyncio.timeout(5):
                await ended.wait()
            assert d.writer.epoch == 1, "none of our own was ended"
            for other in others:
                assert await other.fetchval("SELECT 1") == 1
    finally:
        for other in others:
            await other.close()


async def test_our_own_lost_connection_does_not_hold_us_up(tmp_path: Path, proxy: Proxy, database_url: str) -> None:
    """The cable is pulled in mid-commit and put back: the statement times out, the old session is ended."""
    async with desk(tmp_path, proxy.url, sql_url=database_url, statement_timeout_s=1) as d:
        d.start()
        await d.spool.append([points(0)])
        await d.drained()
        [writing] = await session_that_writes(d)
        await d.sql.execute("BEGIN")
        await d.sql.execute("LOCK TABLE process_data_points IN EXCLUSIVE MODE")
        await d.spool.append([points(1)])
        async with asyncio.timeout(5):
            while not await d.sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1", writing):
                pass
        proxy.fall_silent()
        await d.sql.execute("SET LOCAL lock_timeout TO 0")
        began = time.monotonic()
        await d.away()
        await d.sql.execute("ROLLBACK")
        await d.drained()
        assert time.monotonic() - began < BACK_S
        assert await d.values() == [0, 1]
        assert writing not in await backends(d.sql)


async def session_that_writes(d: Desk) -> list[int]:
    """The session that moved the watermark last."""
    query = (
        "SELECT pid FROM pg_stat_activity"
        " WHERE query LIKE '%advance_stream%' AND pid <> pg_backend_pid() AND datname = current_database()"
    )
    return [row["pid"] for row in await d.sql.fetch(query)]


async def test_an_older_process_whose_connection_is_lost_does_not_take_the_stream_back(
    tmp_path: Path, database_url: str
) -> None:
    """It finds a newer epoch of another process, says whose, and leaves that one's sessions alone."""
    async with desk(tmp_path, database_url) as first:
        first.start()
        await first.spool.append([points(0)])
        await first.drained()
        # with a folder of its own: no stream of the second ever fences the first
        async with desk(tmp_path / "second", database_url) as second:
            second.start()
            await second.spool.append([points(1)])
            await second.drained()
            assert first.task is not None
            await first.spool.append([points(2)])
            await asyncio.wait([first.task], timeout=10)
            assert first.task.done()
            assert first.writer.state is WriterState.FENCED
            said = first.writer.last_error or ""
            assert "epoch 2 is held by process " in said
            assert second.writer._claimant._holder.token in said
            await second.spool.append([points(3)])
            await second.drained()
            assert second.writer.epoch == 2


async def test_whoever_is_fenced_off_in_a_commit_says_who_holds_the_stream(tmp_path: Path, database_url: str) -> None:
    """Its session lives on, and its next commit meets a newer epoch."""
    async with desk(tmp_path, database_url) as d:
        d.start()
        await d.spool.append([points(0)])
        await d.drained()
        await d.sql.execute("UPDATE recorder_streams SET epoch = 7, holder = 'process 1 on host other'")
        await d.spool.append([points(1)])
        assert d.task is not None
        await asyncio.wait([d.task], timeout=10)
        assert d.writer.state is WriterState.FENCED
        assert (d.writer.last_error or "").endswith("; it is held by process 1 on host other")
        assert await d.values() == [0]


async def test_a_holder_fits_into_an_application_name() -> None:
    """Whatever its host is called: PostgreSQL cuts names at 63 bytes and takes ASCII alone."""
    long = Holder(recorder=1023, host="ö" * 64, token=Holder.here(0).token, description="")
    assert len(long.application_name.encode()) <= 63
    assert long.application_name.isascii()
    assert long.application_name.startswith("ald-recorder/1023@____")


async def settings_of(url: str, **changes: Any) -> Any:
    """Keepalive settings of a pooled session as it asked for them, and its socket."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    settings = DatabaseSettings(dsn=url, pool_min=1, pool_max=1, **changes)
    async with Database(settings) as database, database.session() as session:
        # over a Unix socket the server shows 0, but keeps what it was asked for
        rows = await session._connection.fetch("SELECT name, reset_val FROM pg_settings WHERE name = ANY($1)", names)
        wire = session._connection._con.wire  # type: ignore[union-attr]
        options = []
        if wire.family == socket.AF_INET and sys.platform == "linux":
            of_tcp = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            options = [
                wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                *(wire.getsockopt(socket.IPPROTO_TCP, option) for option in of_tcp),
            ]
        return {row["name"]: row["reset_val"] for row in rows}, options


async def test_a_session_asks_the_server_to_drop_a_silent_client(database_url: str) -> None:
    """So that what a dead connection has locked is free after about 10 s, not after two hours."""
    asked, _ = await settings_of(database_url)
    assert asked == dict(server_keepalives(10))
    assert int(asked["tcp_keepalives_idle"]) + 3 * int(asked["tcp_keepalives_interval"]) == 10
    assert asked["tcp_user_timeout"] == "10000"


async def test_a_session_over_tcp_notices_a_silent_server(database_url: str) -> None:
    """The options are set on the real socket of each pooled connection."""
    async with Proxy(database_url).listening() as proxy:
        _, options = await settings_of(proxy.url, dead_after_s=6)
    if sys.platform == "linux":
        assert options == [1, 3, 1, 3, 6000]


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
async def test_a_server_that_takes_nothing_any_more_is_given_up_in_time(tmp_path: Path, database_url: str) -> None:
    """A large COPY into a line that has died: the kernel ends it, long before the statement times out."""
    async with (
        Proxy(database_url).listening() as proxy,
        desk(tmp_path, proxy.url, sql_url=database_url, dead_after_s=2) as d,
    ):
        d.start()
        await d.spool.append([points(0)])
        await d.drained()
        proxy.fall_silent()
        began = time.monotonic()
        await d.spool.append([points(number, rows=10_000) for number in range(1, 11)])
        await d.away()
        await d.drained()
        assert time.monotonic() - began < 15
        assert await d.values() == [float(number) for number in range(11)]


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_a_peer_that_reads_nothing_is_dead_after_the_time_that_was_asked_for() -> None:
    """By the kernel alone, on a socket that waits for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        keep_alive(client, 1)
        peer, _ = listener.accept()
        with peer:
            began = time.monotonic()
            with pytest.raises(TimeoutError):
                client.sendall(bytes(1 << 28))
            assert time.monotonic() - began < 10


async def test_a_statement_that_hangs_on_the_server_is_ended(tmp_path: Path, database_url: str) -> None:
    """A lock that nobody gives back: statement and lock time-outs free the session, and all comes once it is gone."""
    async with desk(tmp_path, database_url, statement_timeout_s=0.5) as d:
        d.start()
        await d.spool.append([points(0)])
        await d.drained()
        await d.sql.execute("BEGIN")
        await d.sql.execute("LOCK TABLE acquisition_minutes IN EXCLUSIVE MODE")
        await d.spool.append([points(1)])
        await d.away()
        await d.sql.execute("ROLLBACK")
        await d.drained()
        assert await d.values() == [0, 1]
