"""``ald-recorder runs list`` and ``runs show``: pages of runs, and a run in one question."""

import asyncio
import json

import asyncpg
import pytest

from tests.recorder.cli.command import Commands

RUNS = 45
FILL = f"""
    INSERT INTO machines (name) VALUES ('ald-1'), ('ald-2');
    INSERT INTO process_runs (id, machine_id, kind, recipe, status, started_at, ended_at)
    SELECT n, (SELECT id FROM machines WHERE name = CASE WHEN n % 5 = 0 THEN 'ald-2' ELSE 'ald-1' END),
           'recipe', 'Al2O3', 'completed', timestamptz '2026-11-02 12:00+00' + n / 2 * interval '1 hour',
           timestamptz '2026-11-02 12:30+00' + n / 2 * interval '1 hour'
      FROM generate_series(1, {RUNS}) n;
    SELECT ensure_day_partition(date '2026-11-02');
    INSERT INTO process_data_points SELECT timestamptz '2026-11-02 12:00:01+00', 1, 1.5, NULL, 1, 192;
    INSERT INTO acquisition_minutes (process_id, device, interval_ms, minute, outcome, cause, slots, rows)
    VALUES (1, 'plc', 100, '2026-11-02 12:00+00', 'completed', '', 2, 2);
    INSERT INTO process_steps (process_id, kind, started_at, number)
    SELECT 1, 'cycle', timestamptz '2026-11-02 12:00+00' + n * interval '1 second', n FROM generate_series(1, 300) n;
"""


@pytest.fixture
def history(database_url: str, commands: Commands) -> None:
    """A database with runs, two of them at each moment, and the way to it."""

    async def fill() -> None:
        connection = await asyncpg.connect(database_url, server_settings={"search_path": "ald"})
        try:
            await connection.execute(FILL)
        finally:
            await connection.close()

    asyncio.run(fill())
    commands.environment.setenv("ALD_DATABASE__DSN", database_url)


@pytest.mark.usefixtures("history")
def test_runs_are_listed_a_page_at_a_time(commands: Commands) -> None:
    """Twenty, and the way to the next; each run once, the newest first, of one machine where that is asked for."""
    found: list[int] = []
    after: list[str] = []
    for expected in (20, 20, 5):
        page = [run["id"] for run in json.loads(commands.run("runs", "list", "--json", *after).stdout)]
        assert len(page) == expected
        found += page
        after = ["--after", str(page[-1])]
    assert found == list(range(RUNS, 0, -1))
    assert f"older ones: add --after {found[19]}" in commands.run("runs", "list").stdout
    assert "older ones" not in commands.run("runs", "list", "--after", str(found[39])).stdout
    assert commands.run("runs", "list", "--after", "1").stdout == "no runs before 1\n"
    of_one = json.loads(commands.run("runs", "list", "--machine", "ald-2", "--limit", "3", "--json").stdout)
    assert [run["id"] for run in of_one] == [45, 40, 35]


@pytest.mark.usefixtures("history")
def test_a_run_is_shown_as_it_is_accounted_for_and_counted_only_when_asked_for(commands: Commands) -> None:
    """However many cycles and points it has; counting reads all of them, and finds what is missing."""
    shown = json.loads(commands.run("runs", "show", "1", "--json").stdout)
    assert (shown["cycle_count"], len(shown["steps"]), shown["rows"]) == (300, 200, 2)
    assert [value["value"] for value in shown["last_values"]] == [1.5]
    assert "points" not in shown
    page = commands.run("runs", "show", "1").stdout
    assert "300 cycles and 0 steps" in page
    assert "2 points accounted for" in page
    assert "points stored" not in page
    assert "1 points stored: 1 good" in commands.run("runs", "show", "1", "--count").stdout


@pytest.mark.usefixtures("history")
def test_the_completed_runs_of_a_recipe_have_statistics(commands: Commands, database_url: str) -> None:
    """Which recipes there are, then parameter by parameter, by step where asked for; a wrong name names the right."""
    assert "no recipe was completed and summarised yet" in commands.run("runs", "statistics", "--machine", "x").stdout

    async def summarise() -> None:
        connection = await asyncpg.connect(database_url, server_settings={"search_path": "ald"})
        try:
            await connection.execute(
                """
                INSERT INTO machine_components (machine_id, name)
                SELECT id, 'Chamber' FROM machines WHERE name = 'ald-1';
                INSERT INTO component_parameters (component_id, name, unit)
                SELECT id, 'pressure', 'Torr' FROM machine_components;
                INSERT INTO process_run_summaries (process_id, step, parameter_id, points, good_points, value_count,
                                                   value_sum, value_square_sum, value_min, value_max)
                SELECT run, step, 1, 10, 9, 10, 10 * run, 10 * run * run, run - 0.5, run + 0.5
                  FROM (VALUES (1), (2), (3)) runs (run), (VALUES (-1), (4)) steps (step);
                SELECT refresh_recipe_statistics();
                """
            )
        finally:
            await connection.close()

    asyncio.run(summarise())
    of = ("--machine", "ald-1")
    [recipe] = json.loads(commands.run("runs", "statistics", *of, "--json").stdout)
    assert (recipe["recipe"], recipe["runs"]) == ("Al2O3", 3)
    assert "Al2O3" in commands.run("runs", "statistics", *of).stdout
    [whole] = json.loads(commands.run("runs", "statistics", "Al2O3", *of, "--json").stdout)
    assert (whole["step"], whole["mean"], whole["deviation_between_runs"]) == (None, 2.0, 1.0)
    assert (whole["lowest"], whole["highest"]) == (0.5, 3.5)
    page = commands.run("runs", "statistics", "Al2O3", *of, "--steps").stdout
    assert [line.split()[0] for line in page.splitlines() if "Chamber/pressure" in line] == ["whole", "4"]
    assert "there are: 'Al2O3'" in commands.refused("runs", "statistics", "al2o3", *of, status=2)


@pytest.mark.usefixtures("history")
def test_a_run_is_one_line_of_80_columns_and_the_last_one_has_a_name(commands: Commands) -> None:
    """As in `runs audit last`; what is no run is refused as there."""
    commands.environment.setenv("ALD_RECORDER__MACHINE", "ald-1")
    listed = commands.run("runs", "list", "--machine", "ald-1", "--limit", "3").stdout.splitlines()
    assert [line.split()[:2] for line in listed[2:5]] == [["44", "Al2O3"], ["43", "Al2O3"], ["42", "Al2O3"]]
    assert json.loads(commands.run("runs", "show", "last", "--json").stdout)["id"] == 44
    assert "Invalid value for 'run': 'newest' is no run; give its id" in commands.refused(
        "runs", "show", "newest", status=2
    )
