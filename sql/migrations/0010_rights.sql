-- What roles and row-level security need of the schema; the roles themselves are made by `ald-recorder database roles`
-- depends: 0007_quarantine 0008_audit

-- migrate: apply

-- A function that runs with its owner's rights must not find a caller's temporary table first: pg_temp goes last
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE OR REPLACE FUNCTION keep_component_parameter_version() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    IF to_jsonb(NEW) - '{set_value,version,updated_at}'::text[]
       IS DISTINCT FROM to_jsonb(OLD) - '{set_value,version,updated_at}'::text[] THEN
        INSERT INTO component_parameter_versions (parameter_id, version, definition, valid_from)
        VALUES (OLD.id, OLD.version, to_jsonb(OLD) - '{set_value,version,updated_at}'::text[], OLD.updated_at);
        NEW.version := OLD.version + 1;
        NEW.updated_at := clock_timestamp();
    ELSE
        NEW.version := OLD.version;
    END IF;
    RETURN NEW;
END
$$;

CREATE OR REPLACE FUNCTION ensure_day_partition(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
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

CREATE OR REPLACE FUNCTION drop_day_partition(day date) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT
    SET timezone TO 'UTC'
    SET datestyle TO 'ISO' AS $$
DECLARE
    partition constant text := 'process_data_points_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF day >= current_date - 1 THEN
        RAISE EXCEPTION 'points of % are not dropped: today and yesterday are always kept', day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_inherits
                    WHERE inhparent = 'process_data_points'::regclass
                      AND inhrelid = to_regclass(quote_ident(partition))) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', partition);
    RETURN true;
END
$$;
COMMENT ON FUNCTION drop_day_partition IS
    'drops the partition of one UTC day before yesterday; true if there was one; waits no longer than lock_timeout';

-- The points once more, as a parent of their table: PostgreSQL refuses COPY into a table with row-level security, so
-- that stands here, where readers come by, and the writer goes below it
CREATE TABLE guarded_points (LIKE process_data_points) PARTITION BY RANGE ("timestamp");
COMMENT ON TABLE guarded_points IS
    'process_data_points as readers reach it: policies by machine stand here, where no COPY goes';
ALTER TABLE guarded_points ATTACH PARTITION process_data_points FOR VALUES FROM (MINVALUE) TO (MAXVALUE);

CREATE OR REPLACE VIEW process_data AS
    SELECT "timestamp", process_id, value, set_value, parameter_id, quality
      FROM guarded_points
    UNION ALL
    -- all arrays in one unnest: a subscript would decompress its whole array for every element
    SELECT t.started_at + point.offset_us * interval '1 microsecond', c.process_id,
           point.value, point.set_value, c.parameter_id, point.quality
      FROM process_data_chunks c
      JOIN process_data_times t USING (process_id, series, started_at)
     CROSS JOIN LATERAL unnest(t.offsets_us, c."values", c.set_values, c.quality)
           AS point (offset_us, value, set_value, quality);

CREATE TABLE machine_access (
    machine_id int NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    role_name name NOT NULL,
    PRIMARY KEY (role_name, machine_id)
);
COMMENT ON TABLE machine_access IS
    'which role sees which machine, where row-level security is on; a login sees what any role sees that it is in';

CREATE FUNCTION visible_machines() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT AS $$
    SELECT coalesce(array_agg(DISTINCT access.machine_id), '{}')
      FROM machine_access access
      JOIN pg_roles role ON role.rolname = access.role_name
     WHERE pg_has_role(current_user, role.oid, 'MEMBER')
$$;
COMMENT ON FUNCTION visible_machines IS 'ids of the machines that the present role may see, by machine_access';

CREATE FUNCTION visible_recorders() RETURNS int[] LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT AS $$
    SELECT coalesce(array_agg(recorder.number::int), '{}')
      FROM recorders recorder
      JOIN machines machine ON machine.name = recorder.machine
     WHERE machine.id = ANY (visible_machines())
$$;
COMMENT ON FUNCTION visible_recorders IS
    'numbers of the recorders of visible machines: ten bits of a process id are the number of its recorder';

CREATE FUNCTION is_guarded() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    SET search_path FROM CURRENT AS $$
    SELECT relrowsecurity FROM pg_class WHERE oid = 'guarded_points'::regclass
$$;
COMMENT ON FUNCTION is_guarded IS 'whether row-level security by machine is on';

-- by default PUBLIC may run every function; the schema alone would hold it back
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END
$$;

-- migrate: rollback
