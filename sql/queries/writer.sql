-- name: claim_recorder
-- Claims a recorder number for a machine and host, and says who holds it.
SELECT is_claimed, holder_machine, holder_host FROM claim_recorder($1::smallint, $2::text, $3::text);

-- name: claim_stream
-- Takes the next epoch of a recorder for its stream, unless a newer process has one, and reads the watermark.
SELECT epoch, last_sequence FROM claim_stream($1::uuid, $2::smallint, $3::text, $4::int8);

-- name: advance_stream
-- Moves the watermark of a stream over what this transaction carries and adds its accounting.
SELECT advance_stream($1::uuid, $2::int8, $3::int8, $4::int8, $5::jsonb);

-- name: rebase_stream
-- Sets the watermark of a stream to what its spool acknowledged, after the database was restored from a backup.
UPDATE recorder_streams SET last_sequence = $3::int8, updated_at = now()
 WHERE stream_id = $1::uuid AND epoch = $2::int8;

-- name: ensure_day_partition
-- Makes the partition of points of one UTC day where it is missing.
SELECT ensure_day_partition($1::date);

-- name: database_day
-- The UTC day by the clock of the database.
SELECT (now() AT TIME ZONE 'UTC')::date AS day;

-- name: old_day_partitions
-- Partitions of points whose whole day lies before the given one.
SELECT partition.relname AS name
  FROM pg_inherits
  JOIN pg_class partition ON partition.oid = pg_inherits.inhrelid
 WHERE pg_inherits.inhparent = to_regclass('process_data_points')
   AND partition.relname ~ '^process_data_points_\d{8}$'
   AND to_date(right(partition.relname, 8), 'YYYYMMDD') < $1::date
 ORDER BY partition.relname;

-- name: drop_day_partition
-- Drops one partition of points by its day; true if there was one.
SELECT drop_day_partition($1::date) AS dropped;

-- name: start_process_run
-- Begins a run, an idle time or a manual run; the machine is made where it is missing.
WITH machine AS (
    INSERT INTO machines (name) VALUES ($2::text)
        ON CONFLICT (name) DO UPDATE SET name = excluded.name
    RETURNING id
)
INSERT INTO process_runs (id, machine_id, kind, recipe, operator, lot, substrate, note, run_counter, started_at,
                          definitions_version, time_scale, clock_synchronised, clock_offset_us)
SELECT $1::int8, machine.id, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::int8,
       to_timestamp(0) + $10::int8 * interval '1 microsecond', $11::text, $12::float8, $13::boolean,
       coalesce($14::int8, 0)
  FROM machine
    ON CONFLICT (id) DO NOTHING;

-- name: end_process_run
-- Ends a run.
UPDATE process_runs
   SET status = $2::text, ended_at = to_timestamp(0) + $3::int8 * interval '1 microsecond',
       clock_offset_us = coalesce($4::int8, clock_offset_us)
 WHERE id = $1::int8;

-- name: start_process_step
-- Begins a step or cycle of a run.
INSERT INTO process_steps (process_id, kind, started_at, number)
VALUES ($1::int8, $2::text, to_timestamp(0) + $3::int8 * interval '1 microsecond', $4::int)
    ON CONFLICT (process_id, kind, started_at) DO UPDATE SET number = excluded.number;

-- name: end_process_step
-- Ends a step or cycle of a run.
UPDATE process_steps
   SET ended_at = to_timestamp(0) + $4::int8 * interval '1 microsecond'
 WHERE process_id = $1::int8 AND kind = $2::text
   AND started_at = to_timestamp(0) + $3::int8 * interval '1 microsecond';

-- name: insert_recorder_event
-- Records what happened to clock, device, spool or database.
INSERT INTO recorder_events (recorder, occurred_at, kind, process_id, device, detail)
VALUES ($1::smallint, to_timestamp(0) + $2::int8 * interval '1 microsecond', $3::text, $4::int8, $5::text, $6::jsonb);

-- name: look_at_recorder
-- Who holds a recorder number and its newest epoch, without waiting for any lock, and which session asks.
SELECT recorder.machine, recorder.host, newest.epoch, newest.holder, pg_backend_pid() AS backend
  FROM (VALUES ($1::smallint)) AS wanted (number)
  LEFT JOIN recorders recorder USING (number)
  LEFT JOIN LATERAL (SELECT stream.epoch, stream.holder
                       FROM recorder_streams stream
                      WHERE stream.recorder = wanted.number
                      ORDER BY stream.epoch DESC
                      LIMIT 1) newest ON true;

-- name: end_stale_sessions
-- Ends what the server still holds of our predecessors, by application name, and of our own lost connections, by pid.
SELECT count(*) FILTER (WHERE pg_terminate_backend(stale.pid)) AS ended
  FROM pg_stat_activity stale
 WHERE stale.datname = current_database() AND stale.usename = session_user AND stale.pid <> pg_backend_pid()
   AND starts_with(stale.application_name, $1::text)
   AND (stale.application_name <> $2::text OR stale.pid = ANY($3::int[]));

-- name: check_constraints_now
-- Lets deferred constraints speak at each statement of this transaction rather than at its end.
SET CONSTRAINTS ALL IMMEDIATE;

-- name: store_points_singly
-- Stores points and returns those that are refused for their content, each with its place and why.
SELECT row_index, state, message
  FROM store_points_singly($1::int8[], $2::int8[], $3::float8[], $4::float8[], $5::int4[], $6::int2[]);

-- name: quarantine
-- Keeps what was refused: a row of points, an event or a whole entry.
INSERT INTO recorder_quarantine (stream_id, sequence, row_index, kind, columns, header, content, row_count, sqlstate,
                                 error, process_id, device, occurred_at, slot_counts)
VALUES ($1::uuid, $2::int8, $3::int, $4::text, $5::text[], $6::bytea, $7::bytea, $8::int, $9::text, $10::text,
        $11::int8, $12::text, $13::timestamptz, $14::jsonb);
