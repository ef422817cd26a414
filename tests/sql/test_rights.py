"""What each role may do, what it must not, and that nobody else comes in; every login is a real one."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from recorder.care.rights import apply_roles, renew_rights
from recorder.database import connect_once
from recorder.database.migration import migrate
from recorder.errors import DatabaseError
from tests.postgres import TestServer
from tests.sql.migration_folder import RELEASED
from tests.sql.roles import Roles, refused, roles_of
from tests.sql.test_streams import PROCESS

HOSTILE = (
    # what managed services do, so that every table is an HTTP resource
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO %anon%",
    "ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO %anon%",
    "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO %anon%",
)
RELATIONS = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'ald'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition
    UNION SELECT 'process_data_points'
"""
MACHINE = "INSERT INTO machines (name) VALUES ('ald-1')"
RUN = f"INSERT INTO process_runs (id, machine_id, kind, started_at) SELECT {PROCESS}, id, 'recipe', now() FROM machines"
SET_VALUE_CHANGE = (
    "INSERT INTO set_value_changes (changed_at, parameter_id, changed_by, source, outcome)"
    " VALUES (now(), 1, 'recorder', 'tool', 'followed')"
)
WRITER_MAY = (
    "INSERT INTO machines (name) VALUES ('ald-1') ON CONFLICT (name) DO UPDATE SET name = excluded.name",
    "SELECT * FROM claim_recorder(1::int2, 'ald-1', 'controller')",
    "SELECT ensure_day_partition('2024-03-10')",
    "UPDATE process_runs SET status = 'completed', ended_at = now()",
    "UPDATE component_parameters SET set_value = 3",
    "INSERT INTO recorder_events (recorder, occurred_at, kind) VALUES (1, now(), 'test')",
    SET_VALUE_CHANGE,
    "SELECT count(*) FROM process_data_points",
    "SELECT summarise_run(1)",
    "SELECT refresh_recipe_statistics()",
    "SELECT analyze_points()",
)
WRITER_MUST_NOT = (
    "DELETE FROM process_runs",
    "DELETE FROM process_data_points",
    "TRUNCATE process_data_points",
    "DROP TABLE process_data_points",
    "SELECT drop_day_partition('2020-01-01')",
    "UPDATE component_parameters SET max_value = 1e9",
    "INSERT INTO component_parameters (component_id, name) VALUES (1, 'x')",
    "INSERT INTO component_parameter_versions VALUES (1, 1, '{}', now())",
    "INSERT INTO process_run_summaries (process_id, parameter_id) VALUES (1, 1)",
    "UPDATE set_value_changes SET reason = ''",
    "UPDATE recorder_events SET kind = ''",
    "INSERT INTO machine_access SELECT 1, 'public'",
    "INSERT INTO schema_migrations (name, content_hash) VALUES ('9999', '')",
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE process_runs DISABLE ROW LEVEL SECURITY",
)
OPERATOR_MAY = (
    "INSERT INTO machines (name) VALUES ('ald-2')",
    "INSERT INTO machine_components (machine_id, name) SELECT id, 'chamber' FROM machines",
    "UPDATE component_parameters SET unit = 'K'",
    "SELECT count(*) FROM process_data",
    "SELECT get_process_run(1)",
)
OPERATOR_MUST_NOT = (
    "INSERT INTO process_data_points VALUES (now(), 1, 1, 1, 1, 192)",
    RUN,
    "UPDATE process_runs SET status = 'completed'",
    "DELETE FROM component_parameters",
    "DELETE FROM component_parameter_versions",
    "SELECT ensure_day_partition('2024-03-10')",
    "SELECT summarise_run(1)",
    "SELECT * FROM claim_recorder(1::int2, 'ald-1', 'elsewhere')",
    "UPDATE acquisition_minutes SET slots = 0",
)
READER_MUST_NOT = (
    *OPERATOR_MUST_NOT,
    MACHINE,
    "UPDATE machines SET name = 'x'",
    "UPDATE component_parameters SET set_value = 1",
    "SELECT * FROM process_runs FOR UPDATE",
    "LOCK TABLE process_runs IN ROW EXCLUSIVE MODE",
    "SELECT refresh_recipe_statistics()",
)
OUTSIDER_MUST_NOT = (
    "SELECT ald.ensure_day_partition('2024-03-10')",
    "SELECT ald.get_process_run(1)",
    "SELECT ald.drop_day_partition('2020-01-01')",
    "SELECT ald.visible_machines()",
    "CREATE TABLE ald.mine (id int)",
)


@pytest.fixture
def roles(server: TestServer) -> Iterator[Roles]:
    """Roles on a database whose administrator gave everything to everybody by default."""
    with roles_of(server, before=HOSTILE) as roles:
        yield roles


async def fill(roles: Roles) -> None:
    """A machine with a parameter and a run."""
    connection = await connect_once(roles.url, schema="ald")
    try:
        await connection.execute(f"{MACHINE}; {RUN};")
        await connection.execute(
            "INSERT INTO machine_components (machine_id, name) SELECT id, 'reactor' FROM machines;"
            "INSERT INTO component_parameters (component_id, name) SELECT id, 'temperature' FROM machine_components"
        )
    finally:
        await connection.close()


async def test_each_role_may_what_it_needs_and_nothing_else(roles: Roles) -> None:
    """Statement by statement, by a login that is in the role alone."""
    await fill(roles)
    async with roles.sessions("writer", "operator", "reader") as (writer, operator, reader):
        allowed = [(writer, WRITER_MAY), (operator, OPERATOR_MAY), (reader, OPERATOR_MAY[3:])]
        assert [text for who, texts in allowed for text in texts if await refused(who, text)] == []
        forbidden = [(writer, WRITER_MUST_NOT), (operator, OPERATOR_MUST_NOT), (reader, READER_MUST_NOT)]
        assert [text for who, texts in forbidden for text in texts if not await refused(who, text)] == []
        for relation in await reader.fetch(RELATIONS):
            # what is stored for statistics has no policies, so that readers have a view of it
            is_hidden = relation["relname"] == "recipe_statistics_stored"
            assert await refused(reader, f"SELECT * FROM {relation['relname']} LIMIT 1") is is_hidden, relation


async def test_the_writer_records_a_run_from_its_claim_to_its_end(roles: Roles) -> None:
    """COPY into a partition that it made, watermark, accounting, steps: all that the daemon does."""
    await fill(roles)
    async with roles.session("writer") as writer:
        await writer.execute("SELECT claim_recorder(1::int2, 'ald-1', 'controller')")
        stream = "5e3f1f8e-0000-4000-8000-000000000001"
        epoch = await writer.fetchval("SELECT epoch FROM claim_stream($1, 1::int2)", stream)
        await writer.execute("SELECT ensure_day_partition('2024-03-10')")
        async with writer.transaction():
            accounting = (
                f'[{{"process_id": {PROCESS}, "device": "plc", "interval_ms": 100, "minute": 1710028800,'
                ' "outcome": "completed", "cause": "", "slots": 1, "rows": 1}]'
            )
            await writer.execute("SELECT advance_stream($1, $2, 0, 1, $3::jsonb)", stream, epoch, accounting)
            row = (datetime(2024, 3, 10, tzinfo=UTC), PROCESS, 1.5, None, 1, 192)
            await writer.copy_records_to_table("process_data_points", records=[row])
        await writer.execute(f"INSERT INTO process_steps VALUES ({PROCESS}, 'step', now(), NULL, 1)")
        await writer.execute("UPDATE process_runs SET status = 'completed', ended_at = now()")
        assert await writer.fetchval("SELECT count(*) FROM process_data") == 1


async def test_a_changed_definition_keeps_its_version_though_nobody_may_write_versions(roles: Roles) -> None:
    """The trigger has the owner's rights, so that the history cannot be forged by who may change the present."""
    await fill(roles)
    async with roles.session("operator") as operator:
        await operator.execute("UPDATE component_parameters SET unit = 'K'")
        assert await operator.fetchval("SELECT count(*) FROM component_parameter_versions") == 1


async def test_nobody_else_comes_in(roles: Roles) -> None:
    """Neither PUBLIC nor a login of a managed service that had been given everything sees or runs anything."""
    connection = await connect_once(roles.url_of(roles.anonymous), schema="ald")
    try:
        relations = [row["relname"] for row in await connection.fetch(RELATIONS)]
        assert "process_data" in relations
        let_in = [name for name in relations if not await refused(connection, f"SELECT * FROM ald.{name} LIMIT 1")]
        assert let_in == []
        assert [text for text in OUTSIDER_MUST_NOT if not await refused(connection, text)] == []
    finally:
        await connection.close()


async def test_without_the_roles_too_the_schema_lets_nobody_in(empty_url: str, server: TestServer) -> None:
    """As migrated, before anybody thought of rights: PUBLIC may not even look into the schema."""
    await migrate(empty_url)
    with roles_of(server) as other:
        roles = Roles(url=empty_url, prefix=other.prefix, password=other.password)
        async with roles.session("reader") as stranger:
            assert await refused(stranger, "SELECT * FROM ald.process_data")
            assert [text for text in OUTSIDER_MUST_NOT if not await refused(stranger, text)] == []
            by_public = (
                "SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'ald'::regnamespace AND prosecdef"
                " AND has_function_privilege('public', oid, 'EXECUTE')"
            )
            assert await stranger.fetch(by_public) == []


async def test_a_function_with_the_owners_rights_finds_no_table_of_its_caller(roles: Roles) -> None:
    """A temporary table of the same name is passed over: pg_temp is last in the path of each such function."""
    async with roles.session("writer") as writer:
        await writer.execute("CREATE TEMP TABLE process_data_points (LIKE ald.process_data_points)")
        assert await writer.fetchval("SELECT ensure_day_partition('2024-03-10')") is True
        assert await writer.fetchval("SELECT to_regclass('ald.process_data_points_20240310') IS NOT NULL")
        paths = await writer.fetch(
            "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'ald'::regnamespace"
        )
    assert {row["proname"] for row in paths} >= {"ensure_day_partition", "drop_day_partition", "summarise_run"}
    assert [row["proname"] for row in paths if "search_path=ald, pg_temp" not in row["proconfig"]] == []


async def test_today_and_yesterday_cannot_be_dropped_by_anybody(connection: asyncpg.Connection) -> None:
    """Not even by the owner of the function, whatever a configuration says."""
    day = datetime.now(UTC).date() - timedelta(days=1)
    await connection.execute("SELECT ensure_day_partition($1)", day)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="always kept"):
        await connection.execute("SELECT drop_day_partition($1)", day)


async def test_every_relation_was_given_to_somebody_on_purpose(roles: Roles) -> None:
    """A table of a later migration must be named in sql/queries/rights.sql, or nobody but the owner sees it."""
    text = (RELEASED.parent / "queries" / "rights.sql").read_text(encoding="utf-8")
    async with roles.session("reader") as reader:
        missing = [row["relname"] for row in await reader.fetch(RELATIONS) if row["relname"] not in text]
    assert missing == ["recipe_statistics_stored"]


async def test_repeating_changes_nothing(roles: Roles) -> None:
    """Rights after a second time are those after the first, and no role is made twice."""
    rights = """
        SELECT relname, relowner::regrole::text, relacl::text FROM pg_class WHERE relnamespace = 'ald'::regnamespace
        UNION SELECT oid::regprocedure::text, proowner::regrole::text, proacl::text FROM pg_proc
               WHERE pronamespace = 'ald'::regnamespace ORDER BY 1
    """
    async with roles.session("reader") as reader:
        before = await reader.fetch(rights)
        again = await roles.apply()
        assert await reader.fetch(rights) == before
    assert not [statement for statement in again if statement.startswith(("CREATE ROLE", "ALTER TABLE"))]


async def test_what_a_member_of_the_owner_migrates_belongs_to_the_owner(roles: Roles, tmp_path: Path) -> None:
    """A later migration by a login that is in the owner's role; the rights of the others reach what it made."""
    owner = roles.url_of(roles.login("owner"))
    folder = tmp_path / "next"
    folder.mkdir()
    for path in RELEASED.glob("0*"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "9000_next.sql").write_text(
        "-- A test\n-- depends: 0013_care\n\n-- migrate: apply\n\nCREATE TABLE extra (id int);\n"
        "CREATE FUNCTION extra() RETURNS int LANGUAGE sql AS 'SELECT 1';\n\n-- migrate: rollback\n",
        encoding="utf-8",
    )
    assert await migrate(owner, folder=folder) == ["9000_next"]
    assert await renew_rights(owner, schema="ald") == roles.prefix
    async with roles.sessions("reader", "owner") as (reader, other):
        assert await other.fetchval("SELECT relowner::regrole::text FROM pg_class WHERE relname = 'extra'") == (
            f"{roles.prefix}_owner"
        )
        assert await refused(reader, "SELECT ald.extra()")
        assert not await refused(reader, "SELECT * FROM process_runs")


async def test_a_role_that_may_not_make_roles_is_told_so(roles: Roles) -> None:
    """In one line, and how to go on; printing needs no such right."""
    reader = roles.url_of(roles.login("reader"))
    with pytest.raises(DatabaseError, match=r"must have CREATEROLE .* print the statements for who may: --sql"):
        await apply_roles(reader, schema="ald", prefix=roles.prefix)
    assert await apply_roles(reader, schema="ald", prefix=roles.prefix, dry_run=True)


async def test_without_roles_there_is_nothing_to_renew(empty_url: str) -> None:
    """A single login that owns everything goes on as before."""
    await migrate(empty_url)
    assert await renew_rights(empty_url, schema="ald") is None
