-- name: console_runs_page
-- One page of the runs of a machine, newest first, up to a moment; a search looks at id, recipe and labels.
SELECT run.id, run.kind, run.recipe, run.operator, run.lot, run.substrate, run.note, run.status,
       run.started_at, run.ended_at, run.audit_verdict
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 WHERE machine.name = $1::text
   AND run.kind <> 'idle'
   AND run.started_at <= $2::timestamptz
   AND ($3::text = '' OR strpos(lower(concat_ws(' ', run.id, run.recipe, run.operator, run.lot, run.substrate,
                                                run.note, run.status)), lower($3::text)) > 0)
 ORDER BY run.started_at DESC
OFFSET $4::int
 LIMIT $5::int;

-- name: console_runs_count
-- How many runs of a machine there are up to a moment, under the same search.
SELECT count(*) AS runs
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 WHERE machine.name = $1::text
   AND run.kind <> 'idle'
   AND run.started_at <= $2::timestamptz
   AND ($3::text = '' OR strpos(lower(concat_ws(' ', run.id, run.recipe, run.operator, run.lot, run.substrate,
                                                run.note, run.status)), lower($3::text)) > 0);

-- name: console_trend
-- Lowest, highest and last value of a few parameters of one run in so many equal parts of a span.
SELECT point.parameter_id,
       width_bucket(extract(epoch FROM point."timestamp"),
                    extract(epoch FROM $3::timestamptz), extract(epoch FROM $4::timestamptz), $5::int) AS part,
       min(point.value) AS low, max(point.value) AS high
  FROM process_data point
 WHERE point.process_id = $1::int8
   AND point.parameter_id = ANY ($2::int[])
   AND point."timestamp" >= $3::timestamptz
   AND point."timestamp" < $4::timestamptz
   AND point.value IS NOT NULL
 GROUP BY 1, 2
 ORDER BY 1, 2;
