-- name: api_runs
-- A page of the runs of a machine ($1), newest first, after the run that began at $2 with id $3: of kinds $4, and where
-- given of statuses $5, of recipe $6, with $7 in id or labels, begun from $8 and before $9; as many as $10.
SELECT run.id, run.kind, run.recipe, run.operator, run.lot, run.substrate, run.note, run.status, run.started_at,
       run.ended_at, run.audit_verdict,
       (SELECT count(*) FROM process_steps step WHERE step.process_id = run.id AND step.kind = 'cycle') AS cycles
  FROM process_runs run
 -- not by the name in a join: a machine that is known first lets the index give the order
 WHERE run.machine_id = (SELECT machine.id FROM machines machine WHERE machine.name = $1::text)
   AND (run.started_at, run.id) < ($2::timestamptz, $3::int8)
   AND run.kind = ANY ($4::text[])
   AND ($5::text[] IS NULL OR run.status = ANY ($5::text[]))
   AND ($6::text IS NULL OR run.recipe = $6::text)
   AND ($7::text IS NULL OR strpos(lower(concat_ws(' ', run.id, run.recipe, run.operator, run.lot, run.substrate,
                                                   run.note)), lower($7::text)) > 0)
   AND run.started_at >= $8::timestamptz
   AND run.started_at < $9::timestamptz
 ORDER BY run.started_at DESC, run.id DESC
 LIMIT $10::int;

-- name: api_run
-- One run of a machine ($2) with its slots, its last steps and cycles and its last values, as one document.
SELECT get_process_run(run.id) AS document
  FROM process_runs run
 WHERE run.id = $1::int8
   AND run.machine_id = (SELECT machine.id FROM machines machine WHERE machine.name = $2::text);

-- name: api_run_summaries
-- What each parameter did in a run of a machine ($2), over the whole run and, where $3, in each step too.
SELECT nullif(summary.step, -1) AS step, summary.parameter_id, component.name AS component,
       parameter.name AS parameter, parameter.unit, summary.points, summary.good_points,
       CASE WHEN summary.value_count > 0 THEN summary.value_sum / summary.value_count END AS mean,
       CASE WHEN summary.value_count > 1 THEN sqrt(greatest(0, summary.value_square_sum
           - summary.value_sum / summary.value_count * summary.value_sum) / (summary.value_count - 1)) END AS deviation,
       summary.value_min AS lowest, summary.value_max AS highest
  FROM process_run_summaries summary
  JOIN process_runs run ON run.id = summary.process_id
  JOIN component_parameters parameter ON parameter.id = summary.parameter_id
  JOIN machine_components component ON component.id = parameter.component_id
 WHERE summary.process_id = $1::int8
   AND run.machine_id = (SELECT machine.id FROM machines machine WHERE machine.name = $2::text)
   AND ($3::boolean OR summary.step = -1)
 ORDER BY summary.step, component.name, parameter.name;

-- name: api_run_head
-- Whether a machine ($2) has this run, when it ran, and what changes where its content does.
SELECT run.id, run.status, run.started_at, run.ended_at, run.audited_at, run.audit_verdict, run.summarised_at
  FROM process_runs run
 WHERE run.id = $1::int8
   AND run.machine_id = (SELECT machine.id FROM machines machine WHERE machine.name = $2::text);

-- name: api_parameter_names
-- All parameters that a machine ever had, by id.
SELECT parameter.id, component.name AS component, parameter.name AS parameter, parameter.unit
  FROM component_parameters parameter
  JOIN machine_components component ON component.id = parameter.component_id
 WHERE component.machine_id = (SELECT machine.id FROM machines machine WHERE machine.name = $1::text)
 ORDER BY parameter.id;

-- name: api_points
-- Points of a run ($1) from $2 up to and with $3, of some parameters ($4) or of all (NULL), in order of time.
SELECT point."timestamp", point.parameter_id, point.value, point.set_value, point.quality
  FROM process_data point
 WHERE point.process_id = $1::int8
   AND point."timestamp" >= $2::timestamptz
   AND point."timestamp" <= $3::timestamptz
   AND ($4::int4[] IS NULL OR point.parameter_id = ANY ($4::int4[]))
 ORDER BY point."timestamp", point.parameter_id;
