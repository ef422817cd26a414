-- name: lab_points
-- All stored points in order of time, hot and sealed, times in microseconds since 1970.
SELECT (extract(epoch FROM "timestamp") * 1000000)::int8 AS timestamp_us, process_id, parameter_id, value, quality
  FROM process_data
 ORDER BY "timestamp", process_id, parameter_id;

-- name: lab_doubles
-- How many points are stored more than once: same parameter, same time.
SELECT count(*) AS doubles
  FROM (SELECT FROM process_data GROUP BY parameter_id, "timestamp" HAVING count(*) > 1) twice;

-- name: lab_orphans
-- How many points belong to no run.
SELECT count(*) AS orphans
  FROM process_data point
 WHERE NOT EXISTS (SELECT FROM process_runs run WHERE run.id = point.process_id);

-- name: lab_imbalance
-- Runs whose stored points are not as many as their accounting says.
SELECT process_id, coalesce(stored.points, 0) AS stored, coalesce(counted.rows, 0) AS accounted
  FROM (SELECT process_id, count(*)::int8 AS points FROM process_data GROUP BY 1) stored
  FULL JOIN (SELECT process_id, sum(rows)::int8 AS rows FROM acquisition_minutes GROUP BY 1) counted
 USING (process_id)
 WHERE coalesce(stored.points, 0) <> coalesce(counted.rows, 0)
 ORDER BY process_id;

-- name: lab_slots
-- How slots ended, by device, kind of process, outcome and cause.
SELECT counted.device, run.kind, counted.outcome, counted.cause, sum(counted.slots)::int8 AS slots
  FROM acquisition_minutes counted
  JOIN process_runs run ON run.id = counted.process_id
 GROUP BY 1, 2, 3, 4
 ORDER BY 1, 2, 3, 4;

-- name: lab_events
-- What the recorder recorded of clock, devices, spool and database, oldest first.
SELECT kind, device, detail FROM recorder_events ORDER BY id;

-- name: lab_refuse_rows
-- Makes the database refuse one value in seven above 1000, as a constraint of somebody's own would.
ALTER TABLE process_data_points
    ADD CONSTRAINT lab_refuses CHECK (value IS NULL OR value < 1000 OR value::int8 % 7 <> 0) NOT VALID;

-- name: lab_quarantine
-- What is in quarantine: its kind, its rows in binary COPY format, and how many they are.
SELECT kind, content, row_count, error FROM recorder_quarantine ORDER BY id;

-- name: lab_set_value
-- What the database wants of a parameter ($1), and what the last scan says that the tool holds.
SELECT parameter.set_value AS desired,
       (SELECT point.value FROM process_data point
         WHERE point.parameter_id = parameter.id AND point.value IS NOT NULL
         ORDER BY point."timestamp" DESC LIMIT 1) AS held
  FROM component_parameters parameter
  JOIN machine_components component ON component.id = parameter.component_id
 WHERE component.name || '/' || parameter.name = $1::text;

-- name: lab_set_value_changes
-- What is on record of changes of set-values, oldest first.
SELECT source, new_value, outcome, reason FROM set_value_changes ORDER BY id;

-- name: lab_narrow_limit
-- Makes the highest value of a parameter ($1) another ($2), as somebody at the database would.
UPDATE component_parameters parameter
   SET max_value = $2::float8
  FROM machine_components component
 WHERE component.id = parameter.component_id AND component.name || '/' || parameter.name = $1::text;

-- name: lab_cut_listener
-- Cuts the connection on which the recorder hears of changes.
SELECT count(pg_terminate_backend(pid)) AS cut
  FROM pg_stat_activity
 WHERE datname = current_database() AND application_name = 'ald-recorder/0 listener';
