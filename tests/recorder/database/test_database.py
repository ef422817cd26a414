"""The pool: prepared as it opens, one clear line an error, and usable again afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from recorder.cli.fault_lab.proxy import Proxy
from recorder.database import (
    Database,
    DatabaseSettings,
    connect_once,
    single_session,
    translate,
)
from recorder.database.dsn import describe_dsn
from recorder.database.jsonb import to_json
from recorder.errors import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachableError,
    RightMissingError,
    StreamFencedError,
    StreamOutOfStepError,
)
from recorder.writer.statements import PREPARED
from sql import QUERIES

SECRET = "s3cret"


def settings(url: str, **fields: object) -> DatabaseSettings:
    """A small pool."""
    chosen: dict[str, object] = {"pool_min": 2, "pool_max": 3, "connect_timeout_s": 5.0, "acquire_timeout_s": 5.0}
    return DatabaseSettings(dsn=url, **{**chosen, **fields})  # type: ignore[arg-type]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open pool."""
    async with Database(settings(database_url, prepared=PREPARED)) as database:
        yield database


async def prepared_texts(database: Database) -> set[str]:
    """The statements that a connection of the pool has prepared."""
    async with database.session() as session:
        rows = await session._connection.fetch("SELECT statement FROM pg_prepared_statements")
    return {row["statement"] for row in rows}


async def test_each_connection_prepares_the_frequent_statements_as_it_opens(database: Database) -> None:
    """Before anyone asks for them; and they are still there after a release."""
    expected = {QUERIES[name].text for name in PREPARED}
    assert {"set_values_of_machine", "set_values_by_id", "get_process_run", "page_of_runs"} < set(PREPARED)
    async with database.session(), database.session(), database.session() as third:
        rows = await third._connection.fetch("SELECT statement FROM pg_prepared_statements")
        assert expected <= {row["statement"] for row in rows}
    assert expected <= await prepared_texts(database)


async def test_behind_a_pooler_nothing_is_prepared(database_url: str) -> None:
    """PgBouncer in transaction mode would hand the next statement to another session."""
    async with Database(settings(database_url, prepared=PREPARED, prepared_statements=False)) as database:
        assert await prepared_texts(database) & {QUERIES[name].text for name in PREPARED} == set()
        async with database.session() as session:
            assert await session.fetch("load_definitions", "tool") == []


async def test_a_session_looks_at_the_schema_in_utc_with_its_time_limits(database: Database) -> None:
    """Whatever the role's defaults are; and again after a release."""
    for _ in range(2):
        async with database.session() as session:
            for name, value in {
                "search_path": '"ald"',
                "timezone": "UTC",
                "statement_timeout": "1min",
                "lock_timeout": "10s",
                "application_name": "ald-recorder",
            }.items():
                assert await session._connection.fetchval("SELECT current_setting($1)", name) == value
            async with session.transaction():
                await session._connection.execute("SET LOCAL timezone TO 'Asia/Tokyo'")


async def test_a_pool_keeps_its_sizes(database: Database) -> None:
    """Open and idle connections; none where it is not open."""
    assert database.size == (2, 2)
    async with database.session():
        assert database.size == (2, 1)
    await database.close()
    assert database.size == (0, 0)
    await database.close()


async def test_a_pool_with_nothing_left_says_so(database_url: str) -> None:
    """In time, as an error of the database."""
    async with (
        Database(settings(database_url, pool_min=1, pool_max=1, acquire_timeout_s=0.05)) as database,
        database.session(),
    ):
        with pytest.raises(DatabaseUnreachableError, match="acquire: "):
            async with database.session():
                pass


async def test_a_session_is_usable_after_an_error(database: Database) -> None:
    """A refused statement, a refused payload, a refused row of many: the connection stays."""
    async with database.session() as session:
        pid = await session._connection.fetchval("SELECT pg_backend_pid()")
        with pytest.raises(DatabaseError, match=r"^start_process_step: "):
            await session.execute("start_process_step", 1, "nonsense", 0, 1)
        with pytest.raises(DatabaseError, match=r"^commit: "):
            await session.commit([], bytearray(b"nonsense"))
        with pytest.raises(DatabaseError, match=r"^claim_stream: .* recorder 7 is not claimed"):
            await session.fetch_one("claim_stream", "00000000-0000-0000-0000-000000000000", 7, "me", 0)
        with pytest.raises(DatabaseError, match=r"^insert_recorder_event: "):
            await session.execute_many(
                "insert_recorder_event", [(1, 0, "x", None, "", "{}"), (1, 0, "x", None, "", "{")]
            )
        assert await session._connection.fetchval("SELECT pg_backend_pid()") == pid
        assert await session._connection.fetchval("SELECT count(*) FROM recorder_events") == 0


async def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    """Committed at its end, rolled back by any error, also by our own."""
    async with database.session() as session:
        async with session.transaction():
            await session.execute("insert_recorder_event", 1, 0, "kept", None, "", "{}")

        async def fail() -> None:
            async with session.transaction():
                await session.execute("insert_recorder_event", 1, 0, "gone", None, "", "{}")
                raise KeyError

        with pytest.raises(KeyError):
            await fail()
        rows = await session._connection.fetch("SELECT kind FROM recorder_events")
        assert [row["kind"] for row in rows] == ["kept"]


async def test_a_pool_opens_once_it_can(short_directory: Path, database_url: str) -> None:
    """Refused while the server is away, opened when it is there, the same pool for all who ask at once."""
    proxy = Proxy(database_url, short_directory)
    database = Database(settings(proxy.url))
    try:
        for _ in range(2):
            with pytest.raises(DatabaseUnreachableError, match=r"^connect: .* is not reachable \("):
                await database.ensure_open()
        async with proxy.listening():
            await asyncio.gather(*(database.ensure_open() for _ in range(5)))
            assert database.size == (2, 2)
            async with database.session() as session:
                assert await session.fetch_one("server_version") is not None
            await database.close()
    finally:
        await database.close()


async def lose_in_use(database: Database, proxy: Proxy) -> None:
    """Have a session whose second request is lost."""
    async with database.session() as session:
        await session.fetch_one("server_version")
        proxy.lose_request = lambda _request: True
        await session.fetch_one("server_version")


async def end_from_outside(database: Database, *, in_transaction: bool) -> None:
    """Have a session that another ends."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(database.session())
        other = await stack.enter_async_context(database.session())
        pid = await session._connection.fetchval("SELECT pg_backend_pid()")
        if in_transaction:
            await stack.enter_async_context(session.transaction())
        await other._connection.execute("SELECT pg_terminate_backend($1)", pid)
        await session.fetch_one("server_version")


async def test_lost_connections_are_replaced(short_directory: Path, database_url: str) -> None:
    """A cut in mid-use is an error of the database; the next session is a new connection."""
    async with Proxy(database_url, short_directory).listening() as proxy, Database(settings(proxy.url)) as database:
        for _ in range(3):
            with pytest.raises(DatabaseUnreachableError):
                await lose_in_use(database, proxy)
            async with asyncio.timeout(5):
                async with database.session() as session:
                    assert await session.fetch_one("server_version") is not None


async def test_a_session_that_is_ended_by_the_server_is_an_error_of_the_database(database: Database) -> None:
    """In a transaction and outside of one, and leaving it raises nothing else."""
    for in_transaction in (False, True):
        with pytest.raises(DatabaseError):
            await end_from_outside(database, in_transaction=in_transaction)


async def test_a_command_has_a_session_of_its_own(database_url: str) -> None:
    """Outside the pool, closed at its end."""
    async with single_session(database_url, "ald") as session:
        assert await session.fetch("load_definitions", "tool") == []


@pytest.mark.parametrize(
    ("dsn", "described"),
    [
        (f"postgresql://ada:{SECRET}@db.fab:6543/ald", "database ald at db.fab:6543"),
        (f"postgresql://ada:{SECRET}@db.fab/ald?sslmode=require", "database ald at db.fab:5432"),
        (f"postgresql://ada:{SECRET}@/ald?host=%2Frun%2Fpg&port=5433", "database ald at /run/pg:5433"),
        (f"postgresql://ada:{SECRET}@db.fab", "database ada at db.fab:5432"),
        ("postgresql:///", "database postgres at the local socket:5432"),
        (f"postgresql://ada:{SECRET}/x@db.fab/ald", "the configured DSN"),
        (f"postgresql://ada:12/{SECRET}@db.fab/ald", "the configured DSN"),
        (f"postgresql://[{SECRET}", "the configured DSN"),
    ],
)
def test_a_database_is_named_without_its_password(dsn: str, described: str) -> None:
    """Also where the DSN is wrong in such a way that the password stands in another place."""
    assert describe_dsn(dsn) == described


@pytest.mark.parametrize(
    "dsn",
    [f"mysql://ada:{SECRET}@db/ald", f"postgresql://ada:{SECRET}/x@db/ald", f"postgresql://ada:x@db:{SECRET}/ald"],
)
async def test_a_dsn_that_cannot_be_understood_is_a_fault_of_the_configuration(dsn: str) -> None:
    """One line that says what is expected, and shows nothing of the password."""
    for connecting in (connect_once(dsn), Database(settings(dsn)).ensure_open()):
        with pytest.raises(ConfigurationError, match=r"^\[database\] dsn: .*expected postgresql://user") as caught:
            await connecting
        assert SECRET not in str(caught.value)


async def test_a_database_that_is_not_there_says_what_to_do(database_url: str) -> None:
    """Create it."""
    with pytest.raises(DatabaseError, match="does not exist; create it with CREATE DATABASE"):
        await connect_once(database_url.replace("?", "_nothing?") if "?" in database_url else f"{database_url}_nothing")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (asyncpg.InvalidPasswordError("no"), DatabaseError, "refused the login: no; check user and password"),
        (
            asyncpg.InsufficientPrivilegeError("denied"),
            RightMissingError,
            "denied; grant the right or use another role",
        ),
        (ConnectionRefusedError(111, "refused"), DatabaseUnreachableError, "is not reachable ([Errno 111] refused)"),
        (TimeoutError(), DatabaseUnreachableError, "is not reachable (TimeoutError)"),
        (asyncpg.InterfaceError("connection is closed"), DatabaseUnreachableError, "connection is closed"),
        (asyncpg.InterfaceError("cannot use x"), DatabaseError, "cannot use x"),
        (
            asyncpg.CannotConnectNowError("starting up\nDETAIL: soon"),
            DatabaseUnreachableError,
            "starting up DETAIL: soon",
        ),
    ],
)
def test_a_foreign_error_becomes_one_line_of_ours(error: Exception, kind: type[DatabaseError], says: str) -> None:
    """It names the operation, the place and what to do."""
    ours = translate(error, operation="migrate", dsn=f"postgresql://ada:{SECRET}@db/ald")
    assert type(ours) is kind
    assert str(ours).startswith("migrate: database ald at db:5432")
    assert says in str(ours)
    assert "\n" not in str(ours)
    assert SECRET not in str(ours)


@pytest.mark.parametrize(
    ("state", "kind"), [("AL001", StreamFencedError), ("AL002", StreamOutOfStepError), ("AL003", DatabaseError)]
)
async def test_what_our_own_functions_raise_has_its_own_error(
    database: Database, state: str, kind: type[DatabaseError]
) -> None:
    """By its SQLSTATE."""
    async with database.session() as session:
        raising = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
        with pytest.raises(asyncpg.PostgresError) as caught:
            await session._connection.execute(raising)
    assert type(translate(caught.value, operation="x", dsn="postgresql:///")) is kind


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ({"a": "é"}, '{"a":"é"}'),
        ({"a": "x\0y"}, '{"a":"xy"}'),
        ({"a": "\\u0000"}, '{"a":"\\\\u0000"}'),
        ({"a": "\\\0\\\\\0\0"}, '{"a":"\\\\\\\\\\\\"}'),
        ([1, None, True], "[1,null,true]"),
    ],
)
def test_json_for_postgresql_holds_no_nul(value: object, encoded: str) -> None:
    """But a backslash that only looks like one stays."""
    assert to_json(value) == encoded
