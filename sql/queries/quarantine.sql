-- name: list_quarantine
-- What is in quarantine, the oldest first, without its content.
SELECT id, stream_id, sequence, row_index, kind, row_count, sqlstate, error, process_id, device, occurred_at,
       quarantined_at, retried_at
  FROM recorder_quarantine
 WHERE $1::int8 IS NULL OR process_id = $1::int8
 ORDER BY id
 LIMIT $2::int;

-- name: count_quarantine
-- How many refusals and rows are in quarantine.
SELECT count(*) AS refusals, coalesce(sum(row_count), 0)::int8 AS rows
  FROM recorder_quarantine
 WHERE $1::int8 IS NULL OR process_id = $1::int8;

-- name: read_quarantine
-- The next of what is in quarantine, with its content and the recorder that it comes from.
SELECT refusal.*, stream.recorder
  FROM recorder_quarantine refusal
  LEFT JOIN recorder_streams stream USING (stream_id)
 WHERE refusal.id > $1::int8 AND ($2::int8[] IS NULL OR refusal.id = ANY($2::int8[]))
 ORDER BY refusal.id
 LIMIT $3::int;

-- name: lock_quarantine
-- Lets one retry at a time look at the quarantine; the writer may go on adding to it.
SELECT pg_advisory_xact_lock('recorder_quarantine'::regclass::oid::int, 0);

-- name: count_rows_again
-- Gives the accounting back the rows of what leaves quarantine.
UPDATE acquisition_minutes counted
   SET rows = counted.rows + returned.rows
  FROM (SELECT slot.process_id, slot.device, slot.interval_ms, to_timestamp(slot.minute) AS minute, slot.outcome,
               slot.cause, sum(slot.rows)::int8 AS rows
          FROM recorder_quarantine refusal
         CROSS JOIN LATERAL jsonb_to_recordset(refusal.slot_counts) AS slot (
                   process_id int8, device text, interval_ms int, minute int8, outcome text, cause text, rows int8)
         WHERE refusal.id = ANY($1::int8[])
         GROUP BY 1, 2, 3, 4, 5, 6) returned
 WHERE counted.process_id = returned.process_id AND counted.device = returned.device
   AND counted.interval_ms = returned.interval_ms AND counted.minute = returned.minute
   AND counted.outcome = returned.outcome AND counted.cause = returned.cause;

-- name: add_accounting
-- Adds slot counts of an entry that was kept out of the accounting, as advance_stream does.
INSERT INTO acquisition_minutes AS a
       (process_id, device, interval_ms, minute, outcome, cause, slots, rows, slots_at)
SELECT counted.process_id, counted.device, counted.interval_ms, to_timestamp(counted.minute), counted.outcome,
       coalesce(counted.cause, ''), counted.slots, counted.rows, counted.slots_at
  FROM jsonb_to_recordset($1::jsonb) AS counted (
           process_id int8, device text, interval_ms int, minute int8,
           outcome text, cause text, slots int8, rows int8, slots_at int8multirange)
    ON CONFLICT (process_id, device, interval_ms, minute, outcome, cause) DO UPDATE
   SET slots = a.slots + EXCLUDED.slots, rows = a.rows + EXCLUDED.rows, slots_at = a.slots_at + EXCLUDED.slots_at;

-- name: leave_quarantine
-- Takes what is stored out of quarantine, and has its runs audited and summarised again.
WITH gone AS (
    DELETE FROM recorder_quarantine WHERE id = ANY($1::int8[]) RETURNING process_id
)
UPDATE process_runs SET audited_at = NULL, summarised_at = NULL WHERE id IN (SELECT process_id FROM gone);

-- name: stay_in_quarantine
-- Notes that one was tried again, and why it was refused again.
UPDATE recorder_quarantine SET retried_at = clock_timestamp(), sqlstate = $2::text, error = $3::text
 WHERE id = $1::int8;
