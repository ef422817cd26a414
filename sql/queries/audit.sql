-- name: audit_snapshot
-- Lets all statements of one audit see the same moment, and change nothing.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: audit_memory
-- Lets the moments of a long run be grouped in memory.
SET LOCAL work_mem TO '64MB';

-- name: audit_head
-- The run that is audited, and the processes of the same recorder just before and after it.
SELECT run.id, machine.name AS machine, run.kind, run.recipe, run.operator, run.lot, run.status, run.started_at,
       run.ended_at, run.time_scale, run.clock_synchronised, run.audited_at, run.audit_verdict,
       -- the recorder's clock may be ahead of the server's
       greatest(now(), (SELECT max(counted.minute) + interval '1 minute'
                          FROM acquisition_minutes counted
                         WHERE counted.process_id = run.id)) AS now,
       before.id AS before_id, before.ended_at AS before_ended_at, after.id AS after_id,
       after.started_at AS after_started_at
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
  LEFT JOIN LATERAL (SELECT other.id, other.ended_at
                       FROM process_runs other
                      WHERE other.machine_id = run.machine_id AND other.id < run.id
                        AND (other.id >> 12) & 1023 = (run.id >> 12) & 1023
                      ORDER BY other.id DESC
                      LIMIT 1) before ON true
  LEFT JOIN LATERAL (SELECT other.id, other.started_at
                       FROM process_runs other
                      WHERE other.machine_id = run.machine_id AND other.id > run.id
                        AND (other.id >> 12) & 1023 = (run.id >> 12) & 1023
                      ORDER BY other.id
                      LIMIT 1) after ON true
 WHERE run.id = $1::int8;

-- name: audit_newest_run
-- The newest run of a machine that is no idle time.
SELECT run.id
  FROM process_runs run
  JOIN machines machine ON machine.id = run.machine_id
 WHERE machine.name = $1::text AND run.kind <> 'idle'
 ORDER BY run.started_at DESC, run.id DESC
 LIMIT 1;

-- name: audit_outcomes
-- How the slots of a process ended, and the rows that they must have stored.
SELECT device, interval_ms, outcome, cause, sum(slots)::int8 AS slots, sum(rows)::int8 AS rows
  FROM acquisition_minutes
 WHERE process_id = $1::int8
 GROUP BY device, interval_ms, outcome, cause
 ORDER BY device, interval_ms, outcome, cause;

-- name: audit_spans
-- Slot numbers of a process by device and interval: first and last, those with rows too, and how many different ones.
SELECT device, interval_ms, is_numbered, counted, lower(range_merge(with_rows)) AS first_with_rows,
       upper(range_merge(with_rows)) - 1 AS last_with_rows, lower(range_merge(covered)) AS first_slot,
       upper(range_merge(covered)) - 1 AS last_slot,
       (SELECT sum(upper(part) - lower(part))::int8 FROM unnest(covered) part) AS different
  FROM (SELECT device, interval_ms, bool_and(slots_at IS NOT NULL) AS is_numbered, sum(slots)::int8 AS counted,
               range_agg(slots_at) AS covered, range_agg(slots_at) FILTER (WHERE rows > 0) AS with_rows
          FROM acquisition_minutes
         WHERE process_id = $1::int8
         GROUP BY device, interval_ms) key
 ORDER BY device, interval_ms;

-- name: audit_holes
-- Slots of a process between its first and its last that nothing accounts for.
SELECT device, interval_ms, lower(hole) AS first_slot, upper(hole) - 1 AS last_slot
  FROM (SELECT device, interval_ms, range_agg(slots_at) AS covered
          FROM acquisition_minutes
         WHERE process_id = $1::int8
         GROUP BY device, interval_ms
        HAVING bool_and(slots_at IS NOT NULL)) key
 CROSS JOIN LATERAL unnest(int8multirange(range_merge(covered)) - covered) hole
 ORDER BY device, interval_ms, hole
 LIMIT $2::int;

-- name: audit_gaps
-- Stretches of slots without values, each with its cause; the longest, and how many there are in all.
SELECT device, interval_ms, outcome, cause, lower(gap) AS first_slot, upper(gap) - 1 AS last_slot,
       count(*) OVER () AS gaps
  FROM (SELECT device, interval_ms, outcome, cause, range_agg(slots_at) AS covered
          FROM acquisition_minutes
         WHERE process_id = $1::int8 AND outcome IN ('failed', 'skipped', 'shed')
         GROUP BY device, interval_ms, outcome, cause) key
 CROSS JOIN LATERAL unnest(covered) gap
 ORDER BY (upper(gap) - lower(gap)) * interval_ms DESC, lower(gap), device
 LIMIT $2::int;

-- name: audit_rows
-- Rows of a process that are stored from $2 to $3: how many, of which devices, of whose parameters, and outside $4 to $5.
WITH stored AS MATERIALIZED (
    SELECT parameter_id, count(*) AS points, min("timestamp") AS first_at, max("timestamp") AS last_at,
           count(*) FILTER (WHERE "timestamp" < $4::timestamptz OR "timestamp" > $5::timestamptz) AS outside
      FROM process_data
     WHERE process_id = $1::int8 AND "timestamp" >= $2::timestamptz AND "timestamp" <= $3::timestamptz
     GROUP BY parameter_id
), owned AS (
    SELECT stored.*, parameter.device, component.machine_id IS NOT DISTINCT FROM run.machine_id AS is_of_machine
      FROM stored
      JOIN process_runs run ON run.id = $1::int8
      LEFT JOIN component_parameters parameter ON parameter.id = stored.parameter_id
      LEFT JOIN machine_components component ON component.id = parameter.component_id
)
SELECT coalesce(device, '') AS device, is_of_machine, sum(points)::int8 AS points, sum(outside)::int8 AS outside,
       min(first_at) AS first_at, max(last_at) AS last_at,
       (array_agg(parameter_id ORDER BY parameter_id))[:5] AS parameters
  FROM owned
 GROUP BY 1, 2
 ORDER BY 1, 2;

-- name: audit_differences
-- Where stored rows and accounted ones differ: neighbouring minutes in one, those that make up for each other left out.
WITH stored AS (
    SELECT parameter_id, date_trunc('minute', "timestamp") AS minute, count(*) AS points
      FROM process_data
     WHERE process_id = $1::int8 AND "timestamp" >= $2::timestamptz AND "timestamp" <= $3::timestamptz
     GROUP BY 1, 2
), stored_minutes AS (
    SELECT parameter.device, stored.minute, sum(stored.points) AS points
      FROM stored
      LEFT JOIN component_parameters parameter ON parameter.id = stored.parameter_id
     GROUP BY 1, 2
), expected_minutes AS (
    SELECT device, minute, sum(rows) AS points
      FROM acquisition_minutes
     WHERE process_id = $1::int8
     GROUP BY 1, 2
), differing AS (
    SELECT coalesce(device, '') AS device, minute, coalesce(expected.points, 0) AS expected,
           coalesce(stored.points, 0) AS stored
      FROM expected_minutes expected
      FULL JOIN stored_minutes stored USING (device, minute)
     WHERE coalesce(expected.points, 0) <> coalesce(stored.points, 0)
), numbered AS (
    SELECT *, minute - interval '1 minute' * row_number() OVER (PARTITION BY device ORDER BY minute) AS stretch
      FROM differing
)
SELECT device, min(minute) AS first_minute, max(minute) AS last_minute, sum(expected)::int8 AS expected,
       sum(stored)::int8 AS stored
  FROM numbered
 GROUP BY device, stretch
HAVING sum(expected) <> sum(stored)
 ORDER BY abs(sum(expected) - sum(stored)) DESC, 2
 LIMIT $4::int;

-- name: audit_duplicates
-- Moments of a process in which a parameter is stored more than once; each set of parameters is looked at once.
WITH moments AS (
    -- no count(DISTINCT) here: it would sort all points; a doubled parameter changes the count and the sum
    SELECT "timestamp", count(*) AS points, sum(hashint4(parameter_id)) AS signature
      FROM process_data
     WHERE process_id = $1::int8 AND "timestamp" >= $2::timestamptz AND "timestamp" <= $3::timestamptz
     GROUP BY "timestamp"
), sets AS (
    SELECT count(*) AS moments, min("timestamp") AS first_at, points
      FROM moments
     GROUP BY points, signature
)
SELECT sets.first_at, sets.moments, (sets.moments * (sets.points - looked_at.parameters))::int8 AS excess
  FROM sets
 CROSS JOIN LATERAL (SELECT count(DISTINCT point.parameter_id) AS parameters
                       FROM process_data point
                      WHERE point.process_id = $1::int8 AND point."timestamp" = sets.first_at) looked_at
 WHERE sets.points > looked_at.parameters
 ORDER BY sets.first_at;

-- name: audit_strays
-- Rows of a process that lie before $2 or after $3, on whatever day; asked only where rows are missing.
SELECT count(*) AS points, min("timestamp") AS first_at, max("timestamp") AS last_at
  FROM process_data_points
 WHERE process_id = $1::int8 AND ("timestamp" < $2::timestamptz OR "timestamp" > $3::timestamptz);

-- name: audit_quarantine
-- Rows and entries of a process that PostgreSQL refused for their content and that wait in quarantine.
SELECT coalesce(sum(row_count) FILTER (WHERE slot_counts IS NOT NULL), 0)::int8 AS rows,
       count(*) FILTER (WHERE slot_counts IS NULL) AS uncounted_entries
  FROM recorder_quarantine
 WHERE process_id = $1::int8;

-- name: audit_orphan_points
-- Processes that have points from $1 up to $2 (whole UTC days) but no run; by steps through the index, not by reading.
WITH RECURSIVE found AS (
    (SELECT process_id
       FROM process_data_points
      WHERE "timestamp" >= $1::timestamptz AND "timestamp" < $2::timestamptz
      ORDER BY process_id
      LIMIT 1)
    UNION ALL
    SELECT (SELECT point.process_id
              FROM process_data_points point
             WHERE point."timestamp" >= $1::timestamptz AND point."timestamp" < $2::timestamptz
               AND point.process_id > found.process_id
             ORDER BY point.process_id
             LIMIT 1)
      FROM found
     WHERE found.process_id IS NOT NULL
)
SELECT found.process_id, count(*) AS points
  FROM found
  JOIN process_data_points point
    ON point.process_id = found.process_id AND point."timestamp" >= $1::timestamptz
       AND point."timestamp" < $2::timestamptz
 WHERE NOT EXISTS (SELECT FROM process_runs run WHERE run.id = found.process_id)
 GROUP BY found.process_id
 ORDER BY found.process_id
 LIMIT $3::int;

-- name: audit_orphan_steps
-- Steps and cycles from $1 up to $2 that belong to no run.
SELECT process_id, count(*) AS steps
  FROM process_steps step
 WHERE started_at >= $1::timestamptz AND started_at < $2::timestamptz
   AND NOT EXISTS (SELECT FROM process_runs run WHERE run.id = step.process_id)
 GROUP BY process_id
 ORDER BY process_id
 LIMIT $3::int;

-- name: audit_events
-- What happened to clock, devices, spool and database from $2 to $3, by the recorder of the process.
SELECT kind, device, count(*) AS events, min(occurred_at) AS first_at,
       coalesce(jsonb_agg(detail) FILTER (WHERE kind = 'plan_changed'), '[]') AS plans
  FROM recorder_events
 WHERE recorder = ($1::int8 >> 12) & 1023 AND occurred_at >= $2::timestamptz AND occurred_at <= $3::timestamptz
 GROUP BY kind, device
 ORDER BY min(occurred_at), kind, device;

-- name: audit_waiting
-- Ended runs of one recorder that were not audited since, oldest first.
SELECT id, ended_at
  FROM process_runs
 WHERE audited_at IS NULL AND ended_at IS NOT NULL AND (id >> 12) & 1023 = $1::int8
 ORDER BY ended_at
 LIMIT $2::int;

-- name: store_audit
-- Keeps the verdict on a run with the run.
UPDATE process_runs SET audit_verdict = $2::text, audit = $3::jsonb, audited_at = now()
 WHERE id = $1::int8;
