"""Row-level security by machine: who sees what, in a database that several machines share."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from recorder.database import connect_once
from tests.postgres import TestServer
from tests.sql.roles import Roles, refused, roles_of
from tests.sql.test_plans import indexes, nodes

FIRST, SECOND = (1 << 62 | number << 12 for number in (1, 2))
"""Process ids minted by recorders 1 and 2."""

FILL = """
    INSERT INTO machines (name) VALUES ('ald-1'), ('ald-2');
    INSERT INTO recorders (number, machine, host) SELECT id, name, 'controller' FROM machines;
    INSERT INTO recorder_streams SELECT gen_random_uuid(), number, 1, 1 FROM recorders;
    INSERT INTO recorder_events (recorder, occurred_at, kind) SELECT number, now(), 'test' FROM recorders;
    INSERT INTO recorder_quarantine (stream_id, sequence, kind, row_count, sqlstate, error)
    SELECT stream_id, 1, 'row', 1, '22003', 'x' FROM recorder_streams;
    INSERT INTO machine_components (machine_id, name) SELECT id, 'reactor' FROM machines;
    INSERT INTO component_parameters (component_id, name) SELECT id, 'temperature' FROM machine_components;
    UPDATE component_parameters SET unit = 'K';
    INSERT INTO set_value_changes (changed_at, parameter_id, changed_by, source, outcome)
    SELECT now(), id, 'x', 'tool', 'y' FROM component_parameters;
    INSERT INTO process_runs (id, machine_id, kind, recipe, status, started_at, ended_at)
    SELECT ((1::int8 << 40) << 22) | (id << 12), id, 'recipe', 'Al2O3', 'completed', '2024-03-10 00:00+00',
           '2024-03-10 01:00+00' FROM machines;
    INSERT INTO process_steps (process_id, kind, started_at, number) SELECT id, 'step', started_at, 1 FROM process_runs;
    INSERT INTO acquisition_minutes SELECT id, 'plc', 100, started_at, 'completed', '', 1, 1 FROM process_runs;
    SELECT ensure_day_partition('2024-03-10');
    INSERT INTO process_data_points
    SELECT r.started_at + n * interval '100 ms', r.id, n, NULL, r.machine_id, 192
      FROM process_runs r, generate_series(1, 20000) n;
    INSERT INTO process_data_times SELECT id, 1, started_at, '{0}' FROM process_runs;
    INSERT INTO process_data_chunks SELECT id, machine_id, 1, started_at, '{1}', NULL, '{192}' FROM process_runs;
    SELECT summarise_run(id) FROM process_runs;
    SELECT refresh_recipe_statistics();
    ANALYZE;
"""
SHARED = {"quality_codes", "schema_migrations", "machine_access"}
"""What is of no machine."""


@pytest.fixture
def roles(server: TestServer) -> Iterator[Roles]:
    """Roles on a fresh database."""
    with roles_of(server) as roles:
        yield roles


@pytest.fixture
async def owner(roles: Roles) -> AsyncIterator[asyncpg.Connection]:
    """The owner, on a database with two machines that have recorded the same; the reader may see the first."""
    connection = await connect_once(roles.url_of(roles.login("owner")), schema="ald")
    await connection.execute(FILL)
    await connection.execute("INSERT INTO machine_access VALUES (1, $1)", f"{roles.prefix}_reader")
    yield connection
    await connection.close()


async def counts(connection: asyncpg.Connection, owner: asyncpg.Connection) -> dict[str, int]:
    """Rows of each relation that a session sees."""
    names = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'ald'::regnamespace AND relkind IN ('r', 'p', 'v')"
        " AND (NOT relispartition OR relname = 'process_data_points')"
    )
    return {
        row["relname"]: await connection.fetchval(f"SELECT count(*) FROM {row['relname']}")
        for row in names
        if not await refused(connection, f"SELECT * FROM {row['relname']} LIMIT 1")
    }


async def test_everybody_sees_every_machine_until_it_is_switched_on(roles: Roles, owner: asyncpg.Connection) -> None:
    """Off by default: a single tool has nothing to hide from its own reader."""
    async with roles.session("reader") as reader:
        assert await counts(reader, owner) == await counts(owner, owner)
        assert await reader.fetchval("SELECT is_guarded()") is False


async def test_a_reader_sees_its_machine_alone_in_every_relation(roles: Roles, owner: asyncpg.Connection) -> None:
    """Half of everything, whichever way it asks; the way below the policies is closed, and off shows all again."""
    await roles.apply(by_machine=True)
    async with roles.session("reader") as reader:
        everything = await counts(owner, owner)
        seen = await counts(reader, owner)
        assert everything.keys() - seen.keys() == {"process_data_points"}
        assert seen == {name: everything[name] if name in SHARED else everything[name] // 2 for name in seen}
        assert everything["process_data"] == 40_002
        assert await reader.fetchval("SELECT get_process_run($1) IS NULL", SECOND)
        assert (await reader.fetchval("SELECT get_process_run($1) ->> 'machine'", FIRST)) == "ald-1"
        assert await reader.fetchval("SELECT DISTINCT process_id FROM process_data") == FIRST
        await roles.apply(by_machine=False)
        assert await counts(reader, owner) == everything


async def test_an_operator_without_a_machine_sees_and_changes_none(roles: Roles, owner: asyncpg.Connection) -> None:
    """Who is in no role of machine_access has an empty database, and can put nothing into another's machine."""
    await roles.apply(by_machine=True)
    async with roles.session("operator") as operator:
        seen = await counts(operator, owner)
        assert {name for name, count in seen.items() if count} == SHARED
        await operator.execute("UPDATE component_parameters SET unit = 'mK'")
        assert await refused(operator, "INSERT INTO machine_components (machine_id, name) VALUES (1, 'mine')")
    assert await owner.fetchval("SELECT count(*) FROM component_parameters WHERE unit = 'mK'") == 0


async def test_the_writer_copies_and_audits_as_if_there_were_no_policies(
    roles: Roles, owner: asyncpg.Connection
) -> None:
    """COPY is refused by PostgreSQL where a table has policies; they stand above the table that the writer knows."""
    await roles.apply(by_machine=True)
    async with roles.session("writer") as writer:
        before = await counts(owner, owner)
        # which the recorder does not read
        statistics = before.pop("recipe_statistics")
        assert statistics == 4
        assert await counts(writer, owner) == before
        moment = await writer.fetchval("SELECT max(started_at) FROM process_runs")
        await writer.copy_records_to_table("process_data_points", records=[(moment, SECOND, 1.0, None, 2, 192)])
        assert await writer.fetchval("SELECT count(*) FROM process_data") == before["process_data"] + 1
        await writer.execute("UPDATE process_runs SET audit_verdict = 'balanced'")
        plan = await nodes(writer, "SELECT count(*) FROM process_data_points WHERE process_id = 7", analyze=False)
        assert "Filter" not in plan[1]


async def test_a_reader_behind_policies_still_finds_a_run_by_its_index(roles: Roles, owner: asyncpg.Connection) -> None:
    """Process and time reach the index, and whom the reader may see is asked once and not once a point."""
    del owner
    await roles.apply(by_machine=True)
    async with roles.session("reader") as reader:
        plan = await nodes(
            reader,
            f"SELECT value FROM process_data WHERE process_id = {FIRST}"
            " AND timestamp BETWEEN '2024-03-10 00:10:00+00' AND '2024-03-10 00:10:05+00'",
            analyze=True,
        )
    assert "process_data_points_20240310_process_id_timestamp_idx" in indexes(plan)
    asked = [node for node in plan if str(node.get("Subplan Name", "")).startswith("InitPlan")]
    assert asked
    assert {node["Actual Loops"] for node in asked} <= {0, 1}
