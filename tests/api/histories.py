"""Runs and points of a machine, put into a database at once."""

from typing import Final

import asyncpg

MACHINE: Final = "ALD tool"
OTHER_MACHINE: Final = "another tool"
RUNS: Final = 60
LONG_RUN: Final = 61
LONG_POINTS: Final = 12_000
OPEN_RUN: Final = 62
OTHER_RUN: Final = 63
STARTED: Final = "timestamptz '2026-11-01 00:00:00+00'"

_FILL: Final = f"""
    INSERT INTO machines (name) VALUES ('{MACHINE}'), ('{OTHER_MACHINE}');
    INSERT INTO machine_components (machine_id, name) VALUES (1, 'Process'), (2, 'Process');
    INSERT INTO component_parameters (component_id, name, unit)
    VALUES (1, 'pressure', 'Torr'), (1, 'temperature, "inner"', '°C'), (1, 'flow', 'sccm'), (2, 'pressure', 'mbar');
    INSERT INTO process_runs (id, machine_id, kind, recipe, operator, lot, status, started_at, ended_at, audited_at,
                              audit_verdict, summarised_at)
    SELECT n, 1, CASE WHEN n % 10 = 0 THEN 'idle' WHEN n % 3 = 0 THEN 'manual' ELSE 'recipe' END,
           CASE WHEN n % 2 = 0 THEN 'Al2O3' ELSE 'TiO2' END, 'Ada', 'lot' || n,
           CASE WHEN n % 7 = 0 THEN 'aborted' ELSE 'completed' END,
           -- some begin at the same moment
           {STARTED} + (n / 2) * interval '1 minute', {STARTED} + (n / 2 + 1) * interval '1 minute',
           now(), 'balances', now()
      FROM generate_series(1, {RUNS}) n;
    INSERT INTO process_runs (id, machine_id, kind, recipe, lot, status, started_at, ended_at, audited_at,
                              audit_verdict)
    VALUES ({LONG_RUN}, 1, 'recipe', 'HfO2', 'long', 'completed', {STARTED} + interval '2 hours',
            {STARTED} + interval '3 hours', now(), 'balances'),
           ({OTHER_RUN}, 2, 'recipe', 'HfO2', 'other', 'completed', {STARTED}, {STARTED} + interval '1 hour', now(),
            'balances');
    INSERT INTO process_runs (id, machine_id, kind, recipe, lot, started_at)
    VALUES ({OPEN_RUN}, 1, 'manual', '', 'open', {STARTED} + interval '4 hours');
    INSERT INTO process_steps (process_id, kind, started_at, ended_at, number)
    SELECT {LONG_RUN}, 'cycle', {STARTED} + interval '2 hours' + n * interval '1 second', NULL, n
      FROM generate_series(1, 5) n;
    INSERT INTO process_run_summaries (process_id, step, parameter_id, points, good_points, value_count, value_sum,
                                       value_square_sum, value_min, value_max)
    VALUES ({LONG_RUN}, -1, 1, 3, 3, 3, 6, 14, 1, 3), ({LONG_RUN}, 1, 1, 1, 0, 0, 0, 0, NULL, NULL);
    SELECT ensure_day_partition(date '2026-11-01');
    INSERT INTO process_data_points ("timestamp", process_id, value, set_value, parameter_id, quality)
    SELECT {STARTED} + interval '2 hours' + n / 3 * interval '100 milliseconds' + interval '1 microsecond', {LONG_RUN},
           CASE WHEN n % 100 = 0 THEN NULL ELSE n / 8.0 END, CASE WHEN n % 3 = 1 THEN 120.5 END, 1 + n % 3,
           CASE WHEN n % 100 = 0 THEN 24 ELSE 192 END
      FROM generate_series(0, {LONG_POINTS - 1}) n;
    INSERT INTO process_data_points ("timestamp", process_id, value, parameter_id, quality)
    SELECT {STARTED} + interval '4 hours' + n * interval '1 second', {OPEN_RUN}, n, 1, 192
      FROM generate_series(0, 9) n;
"""


async def fill(connection: asyncpg.Connection) -> None:
    """Sixty runs that are over, one of many points, one that goes on, and one of another machine."""
    await connection.execute(_FILL)
