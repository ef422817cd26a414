-- What PostgreSQL refused for its content, and who holds a stream
-- depends: 0006_coherence_group

-- migrate: apply

ALTER TABLE recorder_streams ADD COLUMN holder text NOT NULL DEFAULT '';
COMMENT ON COLUMN recorder_streams.holder IS 'process that took this epoch; empty where an older release did';

CREATE TABLE recorder_quarantine (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id uuid NOT NULL,
    sequence int8 NOT NULL,
    row_index int,
    kind text NOT NULL CHECK (kind IN ('row', 'event', 'entry')),
    columns text[] NOT NULL DEFAULT '{}',
    header bytea NOT NULL DEFAULT '',
    content bytea NOT NULL DEFAULT '',
    row_count int NOT NULL,
    sqlstate text NOT NULL,
    error text NOT NULL,
    process_id int8,
    device text NOT NULL DEFAULT '',
    occurred_at timestamptz,
    slot_counts jsonb,
    quarantined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    retried_at timestamptz
);
COMMENT ON TABLE recorder_quarantine IS
    'what PostgreSQL refused for its content: one row of points, an event, or an entry that could not be taken apart';
COMMENT ON COLUMN recorder_quarantine.row_index IS 'which row of its entry, from 0; NULL where it is no single row';
COMMENT ON COLUMN recorder_quarantine.header IS 'header of the entry as it was spooled; empty for a row';
COMMENT ON COLUMN recorder_quarantine.content IS 'rows in binary COPY format without signature and trailer';
COMMENT ON COLUMN recorder_quarantine.row_count IS 'rows that are here rather than in process_data_points';
COMMENT ON COLUMN recorder_quarantine.sqlstate IS 'of PostgreSQL; ALQ01 where this release cannot read or write it';
COMMENT ON COLUMN recorder_quarantine.slot_counts IS
    'keys of acquisition_minutes and how many rows each no longer counts; NULL where the slots are not counted at all';

CREATE INDEX idx_recorder_quarantine_process ON recorder_quarantine (process_id);

CREATE FUNCTION is_refusal_of_content(state text) RETURNS boolean LANGUAGE sql IMMUTABLE
    SET search_path FROM CURRENT AS $$
    SELECT left(state, 2) IN ('21', '22', '23', '44', '54', 'P0')
$$;
COMMENT ON FUNCTION is_refusal_of_content IS
    'whether an error is about what was written, and would come again; recorder.errors holds the same list';

CREATE FUNCTION store_points_singly(
    timestamps_us int8[], process_ids int8[], "values" float8[], set_values float8[], parameter_ids int4[],
    qualities int2[]
) RETURNS TABLE (row_index int, state text, message text) LANGUAGE plpgsql
    SET search_path FROM CURRENT
    SET timezone TO 'UTC' AS $$
DECLARE
    -- a stack of ranges that are still to be stored
    firsts int[] := ARRAY[1];
    lasts int[] := ARRAY[cardinality(timestamps_us)];
    first int;
    last int;
    middle int;
BEGIN
    WHILE cardinality(firsts) > 0 LOOP
        first := firsts[cardinality(firsts)];
        last := lasts[cardinality(lasts)];
        firsts := trim_array(firsts, 1);
        lasts := trim_array(lasts, 1);
        CONTINUE WHEN first > last;
        BEGIN
            -- whole days apart, since a product of an interval is computed in float8
            INSERT INTO process_data_points ("timestamp", process_id, value, set_value, parameter_id, quality)
            SELECT timestamptz '2000-01-01 00:00:00+00'
                   + point.timestamp_us / 86400000000 * interval '1 day'
                   + point.timestamp_us % 86400000000 * interval '1 microsecond',
                   point.process_id, point.value, point.set_value, point.parameter_id, point.quality
              FROM unnest(timestamps_us[first:last], process_ids[first:last], "values"[first:last],
                          set_values[first:last], parameter_ids[first:last], qualities[first:last])
                   AS point (timestamp_us, process_id, value, set_value, parameter_id, quality);
        EXCEPTION WHEN OTHERS THEN
            IF NOT is_refusal_of_content(SQLSTATE) THEN
                RAISE;
            ELSIF first = last THEN
                row_index := first - 1;
                state := SQLSTATE;
                message := SQLERRM;
                RETURN NEXT;
            ELSE
                middle := (first + last) / 2;
                firsts := firsts || ARRAY[middle + 1, first];
                lasts := lasts || ARRAY[last, middle];
            END IF;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store_points_singly IS
    'stores points, bisecting what is refused for its content until each bad row stands alone; returns those';

CREATE FUNCTION claim_stream(stream_id uuid, recorder smallint, holder text, held_epoch int8)
    RETURNS TABLE (epoch int8, last_sequence int8) LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    newest recorder_streams;
BEGIN
    -- one claim at a time for each recorder
    PERFORM FROM recorders WHERE number = claim_stream.recorder FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'recorder % is not claimed', claim_stream.recorder
            USING ERRCODE = 'AL004', HINT = 'call claim_recorder first';
    END IF;
    -- waits, under lock_timeout, for a transaction still in flight: a plain read would miss it
    PERFORM FROM recorder_streams s WHERE s.stream_id = claim_stream.stream_id FOR UPDATE;
    SELECT * INTO newest FROM recorder_streams s
     WHERE s.recorder = claim_stream.recorder ORDER BY s.epoch DESC LIMIT 1;
    IF claim_stream.held_epoch > 0 AND newest.epoch > claim_stream.held_epoch
       AND newest.holder <> claim_stream.holder THEN
        RAISE EXCEPTION 'recorder % was fenced off: epoch % is held by %, this is epoch %',
            claim_stream.recorder, newest.epoch,
            coalesce(nullif(newest.holder, ''), 'a process of an older release'), claim_stream.held_epoch
            USING ERRCODE = 'AL001';
    END IF;
    RETURN QUERY
        INSERT INTO recorder_streams AS s (stream_id, recorder, epoch, last_sequence, holder)
        VALUES (claim_stream.stream_id, claim_stream.recorder,
                greatest(newest.epoch, claim_stream.held_epoch) + 1, 0, claim_stream.holder)
            ON CONFLICT (stream_id) DO UPDATE
           SET recorder = EXCLUDED.recorder,
               epoch = greatest(EXCLUDED.epoch, s.epoch + 1),
               holder = EXCLUDED.holder,
               updated_at = clock_timestamp()
        RETURNING s.epoch, s.last_sequence;
END
$$;
COMMENT ON FUNCTION claim_stream(uuid, smallint, text, int8) IS
    'takes the next epoch of a recorder for a stream, or raises AL001 where another process took one after held_epoch';

-- migrate: rollback
