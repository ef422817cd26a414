-- name: list_runs
-- Runs of all machines, newest first, idle times only when asked for.
SELECT run.id, machine.name AS machine, run.kind, run.recipe, run.operator, run.lot, run.substrate, run.status,
       run.started_at, run.ended_at, run.time_scale, run.audit_verdict,
       (SELECT count(*) FROM process_steps step WHERE step.process_id = run.id AND step.kind = 'cycle') AS cycles
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 WHERE ($1::boolean OR run.kind <> 'idle')
 ORDER BY run.started_at DESC, run.id DESC
 LIMIT $2::int;

-- name: run_qualities
-- Points of one run by quality.
SELECT coalesce(code.name, point.quality::text) AS quality, count(*) AS points
  FROM process_runs run
  JOIN process_data point ON point.process_id = run.id
       AND point."timestamp" >= run.started_at - interval '1 minute'
       AND point."timestamp" <= coalesce(run.ended_at, now()) + interval '1 minute'
  LEFT JOIN quality_codes code ON code.code = point.quality
 WHERE run.id = $1::int8
 GROUP BY 1
 ORDER BY 1;

-- name: run_trace
-- Values of one parameter in one run, in order of time.
SELECT point."timestamp", point.value, point.set_value, point.quality
  FROM process_runs run
  JOIN process_data point ON point.process_id = run.id
       AND point."timestamp" >= run.started_at - interval '1 minute'
       AND point."timestamp" <= coalesce(run.ended_at, now()) + interval '1 minute'
 WHERE run.id = $1::int8 AND point.parameter_id = $2::int4
 ORDER BY point."timestamp";

-- name: run_notes
-- What people wrote about a run, oldest first.
SELECT occurred_at AS at, detail ->> 'by' AS by, detail ->> 'text' AS text
  FROM recorder_events
 WHERE process_id = $1::int8 AND kind = 'run_note'
 ORDER BY occurred_at, id;

-- name: is_run_of_machine
-- A row where a machine has this run.
SELECT run.id
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 WHERE run.id = $1::int8 AND machine.name = $2::text;
