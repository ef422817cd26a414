-- Functions by which the recorder claims its number and streams, moves its watermark and makes its partitions
-- depends: 0001_schema

-- migrate: apply

-- Every function carries SET search_path FROM CURRENT: it works on the schema it was made in,
-- whatever the session that calls it looks at.

CREATE FUNCTION ensure_day_partition(day date) RETURNS boolean LANGUAGE plpgsql
    SET search_path FROM CURRENT
    SET timezone TO 'UTC'
    SET datestyle TO 'ISO' AS $$
DECLARE
    parent constant regclass := 'process_data_points'::regclass;
    partition constant text := 'process_data_points_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF EXISTS (SELECT FROM pg_inherits
                WHERE inhparent = parent AND inhrelid = to_regclass(quote_ident(partition))) THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(parent::oid::int, day - date '2000-01-01');
    IF EXISTS (SELECT FROM pg_inherits
                WHERE inhparent = parent AND inhrelid = to_regclass(quote_ident(partition))) THEN
        RETURN false;
    END IF;
    -- CREATE TABLE ... PARTITION OF would lock out readers of the parent and queue behind a long one;
    -- ATTACH does not, and makes the indexes too
    EXECUTE format('CREATE TABLE %I (LIKE process_data_points INCLUDING ALL EXCLUDING INDEXES)', partition);
    EXECUTE format('ALTER TABLE process_data_points ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                   partition, day::timestamptz, (day + 1)::timestamptz);
    RETURN true;
END
$$;
COMMENT ON FUNCTION ensure_day_partition IS
    'makes the partition of one UTC day where it is missing; true where it did; safe when two call at once';

CREATE FUNCTION claim_recorder(number smallint, machine text, host text)
    RETURNS TABLE (is_claimed boolean, holder_machine text, holder_host text) LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO recorders AS held (number, machine, host)
    VALUES (claim_recorder.number, claim_recorder.machine, claim_recorder.host)
        ON CONFLICT (number) DO UPDATE SET claimed_at = clock_timestamp()
     WHERE held.machine = EXCLUDED.machine AND held.host = EXCLUDED.host;
    RETURN QUERY
        SELECT held.machine = claim_recorder.machine AND held.host = claim_recorder.host, held.machine, held.host
          FROM recorders held
         WHERE held.number = claim_recorder.number;
END
$$;
COMMENT ON FUNCTION claim_recorder IS
    'claims a recorder number for a machine and host; one row that says whether, and who holds it';

CREATE FUNCTION claim_stream(stream_id uuid, recorder smallint)
    RETURNS TABLE (epoch int8, last_sequence int8) LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    next_epoch int8;
BEGIN
    -- one claim at a time for each recorder
    PERFORM FROM recorders WHERE number = claim_stream.recorder FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'recorder % is not claimed', claim_stream.recorder
            USING ERRCODE = 'AL004', HINT = 'call claim_recorder first';
    END IF;
    -- waits, under lock_timeout, for a transaction still in flight: a plain read would miss it
    PERFORM FROM recorder_streams s WHERE s.stream_id = claim_stream.stream_id FOR UPDATE;
    SELECT coalesce(max(s.epoch), 0) + 1 INTO next_epoch
      FROM recorder_streams s
     WHERE s.recorder = claim_stream.recorder;
    RETURN QUERY
        INSERT INTO recorder_streams AS s (stream_id, recorder, epoch, last_sequence)
        VALUES (claim_stream.stream_id, claim_stream.recorder, next_epoch, 0)
            ON CONFLICT (stream_id) DO UPDATE
           SET recorder = EXCLUDED.recorder,
               epoch = greatest(EXCLUDED.epoch, s.epoch + 1),
               updated_at = clock_timestamp()
        RETURNING s.epoch, s.last_sequence;
END
$$;
COMMENT ON FUNCTION claim_stream IS
    'takes the next epoch of a recorder for a stream, which fences off whoever held it, and reads the watermark';

CREATE FUNCTION advance_stream(
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
           (process_id, device, interval_ms, minute, outcome, cause, slots, rows)
    SELECT counted.process_id, counted.device, counted.interval_ms, to_timestamp(counted.minute), counted.outcome,
           coalesce(counted.cause, ''), sum(counted.slots)::int8, sum(counted.rows)::int8
      FROM jsonb_to_recordset(accounting) AS counted (
               process_id int8, device text, interval_ms int, minute int8,
               outcome text, cause text, slots int8, rows int8)
     GROUP BY 1, 2, 3, 4, 5, 6
        ON CONFLICT (process_id, device, interval_ms, minute, outcome, cause) DO UPDATE
       SET slots = a.slots + EXCLUDED.slots, rows = a.rows + EXCLUDED.rows;
END
$$;
COMMENT ON FUNCTION advance_stream IS
    'moves a watermark and adds the accounting, or raises AL001 fenced off, AL002 out of step, AL003 unknown stream';

-- Migrations run what this returns, one statement at a time, and ask again until nothing is left:
-- PostgreSQL refuses CREATE INDEX CONCURRENTLY in a function and on a partitioned table.
CREATE FUNCTION partitioned_index_steps(index_name text, table_name text, suffix text, definition text)
    RETURNS TABLE (statement text, is_concurrent boolean) LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT AS $$
DECLARE
    parent_table constant regclass := to_regclass(quote_ident(table_name));
    parent_index constant regclass := to_regclass(quote_ident(index_name));
    partition record;
BEGIN
    IF parent_index IS NULL THEN
        -- alone, so that the partitions are looked at only after it stands: later ones get it by themselves
        RETURN QUERY SELECT format('CREATE INDEX %I ON ONLY %I %s', index_name, table_name, definition), false;
        RETURN;
    END IF;
    FOR partition IN
        SELECT c.relname AS table_name, c.relname || '_' || suffix AS index_name, i.indisvalid AS is_valid
          FROM pg_inherits h
          JOIN pg_class c ON c.oid = h.inhrelid
          LEFT JOIN pg_index i
                 ON i.indrelid = c.oid AND i.indexrelid = to_regclass(quote_ident(c.relname || '_' || suffix))
         WHERE h.inhparent = parent_table
           AND NOT EXISTS (SELECT
                             FROM pg_inherits attached
                             JOIN pg_index child ON child.indexrelid = attached.inhrelid
                            WHERE attached.inhparent = parent_index AND child.indrelid = c.oid)
         ORDER BY c.relname
    LOOP
        IF NOT partition.is_valid THEN
            RETURN QUERY SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', partition.index_name), true;
        END IF;
        IF partition.is_valid IS NOT TRUE THEN
            RETURN QUERY SELECT format('CREATE INDEX CONCURRENTLY %I ON %I %s',
                                       partition.index_name, partition.table_name, definition), true;
        END IF;
        RETURN QUERY SELECT format('ALTER INDEX %I ATTACH PARTITION %I', index_name, partition.index_name), false;
    END LOOP;
END
$$;
COMMENT ON FUNCTION partitioned_index_steps IS
    'statements that are still to be run until an index of a partitioned table is whole; none when it is';

-- migrate: rollback
