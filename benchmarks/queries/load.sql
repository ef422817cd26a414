-- name: load_fill_runs
-- Runs of a machine ($1), as many as $2, one an hour until now, each over, audited, summarised and sealed.
INSERT INTO process_runs (id, machine_id, kind, recipe, operator, lot, substrate, note, status, started_at, ended_at,
                          audited_at, audit_verdict, summarised_at, sealed_at)
SELECT number, machine.id, CASE WHEN number % 5 = 0 THEN 'manual' ELSE 'recipe' END,
       (ARRAY['Al2O3', 'TiO2', 'HfO2', 'ZnO', 'AlN'])[1 + number % 5],
       (ARRAY['Ada', 'Grace', 'Lise', 'Emmy', 'Rosalind', 'Chien-Shiung', 'Maria'])[1 + number % 7],
       'lot-' || to_char(number, 'FM00000'), 'wafer-' || substr(md5(number::text), 1, 8),
       'thickness ' || (20 + number % 30) || ' nm, ' || (ARRAY['as planned', 'again', 'after cleaning'])[1 + number % 3],
       CASE WHEN number % 11 = 0 THEN 'aborted' ELSE 'completed' END,
       now() - (1 + $2::int - number) * interval '1 hour', now() - ($2::int - number) * interval '1 hour',
       now(), 'balances', now(), now()
  FROM machines machine, generate_series(1, $2::int) number
 WHERE machine.name = $1::text;

-- name: load_fill_steps
-- Cycles of the runs that load_fill_runs made, as many as $1 in each.
INSERT INTO process_steps (process_id, kind, started_at, ended_at, number)
SELECT run.id, 'cycle', run.started_at + number * interval '1 minute',
       run.started_at + (number + 1) * interval '1 minute', number
  FROM process_runs run, generate_series(1, $1::int) number
 WHERE run.sealed_at IS NOT NULL;

-- name: load_fill_summaries
-- What each parameter did in each of the runs that load_fill_runs made.
INSERT INTO process_run_summaries (process_id, step, parameter_id, points, good_points, value_count, value_sum,
                                   value_square_sum, value_min, value_max)
SELECT run.id, -1, parameter.id, 36000, 36000, 36000, 36000 * (run.id % 97), 36000 * (run.id % 97) ^ 2, run.id % 97,
       run.id % 97
  FROM process_runs run
  JOIN machine_components component ON component.machine_id = run.machine_id
  JOIN component_parameters parameter ON parameter.component_id = component.id
 WHERE run.sealed_at IS NOT NULL;

-- name: load_settle
-- Let the planner know what was filled, and leave no first reading of it to the searches.
VACUUM ANALYZE process_runs, process_steps, process_run_summaries;
