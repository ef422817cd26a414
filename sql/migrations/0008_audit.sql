-- Which slots an account counts, and the verdict on each run
-- depends: 0007_quarantine

-- migrate: apply

ALTER TABLE acquisition_minutes ADD COLUMN slots_at int8multirange;
COMMENT ON COLUMN acquisition_minutes.slots_at IS
    'numbers of the slots counted here (time divided by interval); NULL where a release before the audit counted';

ALTER TABLE process_runs ADD COLUMN audited_at timestamptz, ADD COLUMN audit jsonb;
COMMENT ON COLUMN process_runs.audit_verdict IS 'balances, or does not balance and why; NULL until audited';
COMMENT ON COLUMN process_runs.audit IS 'the whole report behind the verdict';

-- small table: a plain build holds it for milliseconds
CREATE INDEX idx_process_runs_to_audit ON process_runs (ended_at) WHERE audited_at IS NULL AND ended_at IS NOT NULL;
COMMENT ON INDEX idx_process_runs_to_audit IS 'ended runs that wait for their audit';

CREATE OR REPLACE FUNCTION advance_stream(
    stream_id uuid, epoch int8, from_sequence int8, to_sequence int8, accounting jsonb
) RETURNS void LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    held recorder_streams;
BEGIN
    IF to_sequence <= from_sequence THEN
        RAISE EXCEPTION 'a stream cannot move from % to %', from_sequence, to_sequence
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE recorder_streams s
       SET last_sequence = to_sequence, updated_at = clock_timestamp()
     WHERE s.stream_id = advance_stream.stream_id
       AND s.epoch = advance_stream.epoch
       AND s.last_sequence = from_sequence;
    IF NOT FOUND THEN
        SELECT * INTO held FROM recorder_streams s WHERE s.stream_id = advance_stream.stream_id;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'stream % is not in this database', advance_stream.stream_id
                USING ERRCODE = 'AL003', HINT = 'call claim_stream first';
        END IF;
        IF held.epoch <> advance_stream.epoch THEN
            RAISE EXCEPTION 'stream % was fenced off: epoch % holds it, this is epoch %',
                advance_stream.stream_id, held.epoch, advance_stream.epoch
                USING ERRCODE = 'AL001',
                      DETAIL = jsonb_build_object('epoch', held.epoch, 'last_sequence', held.last_sequence);
        END IF;
        RAISE EXCEPTION 'stream % is out of step: it stands at %, not at %',
            advance_stream.stream_id, held.last_sequence, from_sequence
            USING ERRCODE = 'AL002',
                  DETAIL = jsonb_build_object('epoch', held.epoch, 'last_sequence', held.last_sequence);
    END IF;
    -- summed first: one key may stand in several entries of the same transaction
    INSERT INTO acquisition_minutes AS a
           (process_id, device, interval_ms, minute, outcome, cause, slots, rows, slots_at)
    SELECT counted.process_id, counted.device, counted.interval_ms, to_timestamp(counted.minute), counted.outcome,
           coalesce(counted.cause, ''), sum(counted.slots)::int8, sum(counted.rows)::int8,
           CASE WHEN count(counted.slots_at) = count(*) THEN range_agg(counted.slots_at) END
      FROM jsonb_to_recordset(accounting) AS counted (
               process_id int8, device text, interval_ms int, minute int8,
               outcome text, cause text, slots int8, rows int8, slots_at int8multirange)
     GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (process_id, device, interval_ms, minute, outcome, cause) DO UPDATE
       SET slots = a.slots + EXCLUDED.slots, rows = a.rows + EXCLUDED.rows,
           slots_at = a.slots_at + EXCLUDED.slots_at;
END
$$;
COMMENT ON FUNCTION advance_stream IS
    'moves a watermark and adds the accounting, or raises AL001 fenced off, AL002 out of step, AL003 unknown stream';

-- migrate: rollback
