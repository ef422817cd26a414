-- name: get_process_run
-- One run with its slots, its last 200 steps and cycles and its last values, as one document; NULL where there is none.
SELECT get_process_run($1::int8) AS run;

-- name: page_of_runs
-- A page of the list of all runs, newest first: after run $1 of the page before or from the start (NULL), idle times
-- only where $2, as many as $3.
SELECT run.id, machine.name AS machine, run.kind, run.recipe, run.operator, run.lot, run.status, run.started_at,
       run.ended_at, run.audit_verdict,
       (SELECT count(*) FROM process_steps step WHERE step.process_id = run.id AND step.kind = 'cycle') AS cycles
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 -- one condition with or without a run to begin after, so that every plan can take it to the index
 WHERE (run.started_at, run.id) < (
           CASE WHEN $1::int8 IS NULL THEN 'infinity'
                ELSE (SELECT last.started_at FROM process_runs last WHERE last.id = $1::int8) END,
           coalesce($1::int8, 9223372036854775807))
   AND ($2::boolean OR run.kind <> 'idle')
 ORDER BY run.started_at DESC, run.id DESC
 LIMIT $3::int;

-- name: page_of_machine_runs
-- The same of one machine, $4.
SELECT run.id, machine.name AS machine, run.kind, run.recipe, run.operator, run.lot, run.status, run.started_at,
       run.ended_at, run.audit_verdict,
       (SELECT count(*) FROM process_steps step WHERE step.process_id = run.id AND step.kind = 'cycle') AS cycles
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 -- not by the name in the join: a machine that is known first lets the index give the order
 WHERE run.machine_id = (SELECT named.id FROM machines named WHERE named.name = $4::text)
   AND (run.started_at, run.id) < (
           CASE WHEN $1::int8 IS NULL THEN 'infinity'
                ELSE (SELECT last.started_at FROM process_runs last WHERE last.id = $1::int8) END,
           coalesce($1::int8, 9223372036854775807))
   AND ($2::boolean OR run.kind <> 'idle')
 ORDER BY run.started_at DESC, run.id DESC
 LIMIT $3::int;

-- name: recipe_statistics
-- What the completed runs of a recipe ($2) on a machine ($1) have in common, over the whole run (its step is NULL) and,
-- where $3, in each step too.
SELECT nullif(statistics.step, -1) AS step, statistics.parameter_id, component.name AS component, parameter.name AS parameter,
       parameter.unit, statistics.runs, statistics.points, statistics.good_points, statistics.mean,
       statistics.deviation_between_runs, statistics.value_min AS lowest, statistics.value_max AS highest,
       statistics.last_run_at
  FROM recipe_statistics statistics
  JOIN machines machine ON machine.id = statistics.machine_id
  JOIN component_parameters parameter ON parameter.id = statistics.parameter_id
  JOIN machine_components component ON component.id = parameter.component_id
 WHERE machine.name = $1::text AND statistics.recipe = $2::text AND ($3::boolean OR statistics.step = -1)
 ORDER BY statistics.step, component.name, parameter.name;

-- name: recipes_with_statistics
-- The recipes of a machine ($1) of which a run was completed and summarised, the one that ran last first.
SELECT statistics.recipe, max(statistics.runs) AS runs, max(statistics.last_run_at) AS last_run_at
  FROM recipe_statistics statistics
  JOIN machines machine ON machine.id = statistics.machine_id
 WHERE machine.name = $1::text AND statistics.step = -1
 GROUP BY statistics.recipe
 ORDER BY last_run_at DESC, statistics.recipe;
