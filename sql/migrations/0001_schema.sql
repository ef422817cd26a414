-- Tables, views and constraints of the recorder, in the schema that search_path names
-- depends:

-- migrate: apply

CREATE TABLE machines (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE machine_components (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine_id int NOT NULL REFERENCES machines (id),
    name text NOT NULL CHECK (name <> ''),
    is_activated boolean NOT NULL DEFAULT true,
    UNIQUE (machine_id, name)
);

CREATE TABLE component_parameters (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    component_id int NOT NULL REFERENCES machine_components (id),
    name text NOT NULL CHECK (name <> ''),
    unit text NOT NULL DEFAULT '',
    device text NOT NULL DEFAULT 'plc',
    -- address: all three empty where the parameter is not configured
    register_kind text CHECK (register_kind IN ('coil', 'discrete_input', 'holding_register', 'input_register')),
    address int CHECK (address BETWEEN 0 AND 65535),
    data_type text CHECK (data_type IN ('binary', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64',
                                        'float32', 'float64', 'ascii')),
    word_order text NOT NULL DEFAULT 'CDAB' CHECK (word_order IN ('ABCD', 'CDAB', 'BADC', 'DCBA')),
    bit smallint CHECK (bit BETWEEN 0 AND 15),
    length smallint NOT NULL DEFAULT 0 CHECK (length BETWEEN 0 AND 125),
    scale float8 NOT NULL DEFAULT 1,
    "offset" float8 NOT NULL DEFAULT 0,
    -- where the tool keeps its own set-value, and where one is written
    set_value_parameter_id int REFERENCES component_parameters (id),
    write_address int CHECK (write_address BETWEEN 0 AND 65535),
    -- desired set-value, and the limits a write must keep
    set_value float8,
    min_value float8,
    max_value float8,
    -- what a value can be
    range_low float8,
    range_high float8,
    sentinels float8[] NOT NULL DEFAULT '{}',
    tolerance float8 CHECK (tolerance >= 0),
    scan_interval_ms int NOT NULL DEFAULT 100 CHECK (scan_interval_ms BETWEEN 5 AND 3600000),
    is_writable boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    plc_symbol text NOT NULL DEFAULT '',
    version int NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (component_id, name)
);
COMMENT ON COLUMN component_parameters.set_value IS
    'desired set-value; never stored as if the tool had said it';

CREATE TABLE component_parameter_versions (
    parameter_id int NOT NULL REFERENCES component_parameters (id),
    version int NOT NULL,
    definition jsonb NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (parameter_id, version)
);
COMMENT ON TABLE component_parameter_versions IS
    'what a definition was before it was changed; the live set-value is no part of it';

-- SET search_path FROM CURRENT pins the schema being migrated, so that an UPDATE from a session
-- that looks elsewhere (psql, another tool) still finds the table of versions
CREATE FUNCTION keep_component_parameter_version() RETURNS trigger LANGUAGE plpgsql
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

CREATE TRIGGER component_parameters_version BEFORE UPDATE ON component_parameters
    FOR EACH ROW EXECUTE FUNCTION keep_component_parameter_version();

CREATE TABLE recorders (
    number smallint PRIMARY KEY CHECK (number BETWEEN 0 AND 1023),
    machine text NOT NULL,
    host text NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE recorders IS 'who mints process ids under which recorder number';

CREATE TABLE process_runs (
    id int8 PRIMARY KEY,
    machine_id int NOT NULL REFERENCES machines (id),
    kind text NOT NULL CHECK (kind IN ('recipe', 'manual', 'idle')),
    recipe text NOT NULL DEFAULT '',
    recipe_snapshot jsonb,
    recipe_hash text,
    operator text NOT NULL DEFAULT '',
    lot text NOT NULL DEFAULT '',
    substrate text NOT NULL DEFAULT '',
    note text NOT NULL DEFAULT '',
    run_counter int8,
    status text NOT NULL DEFAULT 'running'
        CHECK (status IN ('running', 'completed', 'aborted', 'stopped', 'unknown_end')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    definitions_version text NOT NULL DEFAULT '',
    time_scale float8 NOT NULL DEFAULT 1 CHECK (time_scale > 0),
    clock_synchronised boolean NOT NULL DEFAULT true,
    clock_offset_us int8 NOT NULL DEFAULT 0,
    audit_verdict text,
    sealed_at timestamptz,
    CHECK (ended_at >= started_at)
);
COMMENT ON COLUMN process_runs.definitions_version IS 'hash of the definitions in force when the run began';
COMMENT ON COLUMN process_runs.time_scale IS 'how many times faster than the tool a simulation ran; 1 on a tool';

CREATE TABLE process_steps (
    process_id int8 NOT NULL,
    kind text NOT NULL CHECK (kind IN ('step', 'cycle')),
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    number int NOT NULL,
    name text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT 'sampled' CHECK (source IN ('sampled', 'event')),
    PRIMARY KEY (process_id, kind, started_at)
);

CREATE TABLE process_data_points (
    "timestamp" timestamptz NOT NULL,
    process_id int8 NOT NULL,
    value float8,
    set_value float8,
    parameter_id int4 NOT NULL,
    quality int2 NOT NULL
) PARTITION BY RANGE ("timestamp");
COMMENT ON TABLE process_data_points IS
    'one row a parameter and slot; value is NULL where quality is bad; one partition a UTC day, no default partition';

CREATE TABLE process_data_times (
    process_id int8 NOT NULL,
    series int NOT NULL,
    started_at timestamptz NOT NULL,
    offsets_us int8[] NOT NULL,
    PRIMARY KEY (process_id, series, started_at)
);
COMMENT ON TABLE process_data_times IS
    'sealed runs: time offsets of one span, once for all parameters that came in the same blocks';

CREATE TABLE process_data_chunks (
    process_id int8 NOT NULL,
    parameter_id int4 NOT NULL,
    series int NOT NULL,
    started_at timestamptz NOT NULL,
    "values" float8[] NOT NULL,
    set_values float8[],
    quality int2[] NOT NULL,
    PRIMARY KEY (process_id, parameter_id, started_at),
    CHECK (cardinality(quality) = cardinality("values")),
    CHECK (cardinality(set_values) = cardinality("values"))
);
COMMENT ON TABLE process_data_chunks IS 'sealed runs: one row a run, parameter and span';

CREATE VIEW process_data AS
    SELECT "timestamp", process_id, value, set_value, parameter_id, quality
      FROM process_data_points
    UNION ALL
    -- all arrays in one unnest: a subscript would decompress its whole array for every element
    SELECT t.started_at + point.offset_us * interval '1 microsecond', c.process_id,
           point.value, point.set_value, c.parameter_id, point.quality
      FROM process_data_chunks c
      JOIN process_data_times t USING (process_id, series, started_at)
     CROSS JOIN LATERAL unnest(t.offsets_us, c."values", c.set_values, c.quality)
           AS point (offset_us, value, set_value, quality);
COMMENT ON VIEW process_data IS 'hot and sealed points as one relation: what readers query';

CREATE TABLE process_run_summaries (
    process_id int8 NOT NULL,
    step int NOT NULL DEFAULT -1,
    parameter_id int4 NOT NULL,
    points int8 NOT NULL DEFAULT 0,
    good_points int8 NOT NULL DEFAULT 0,
    value_sum float8 NOT NULL DEFAULT 0,
    value_square_sum float8 NOT NULL DEFAULT 0,
    value_min float8,
    value_max float8,
    PRIMARY KEY (process_id, step, parameter_id)
);
COMMENT ON COLUMN process_run_summaries.step IS 'number of the step, -1 for the whole run';

CREATE TABLE set_value_changes (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    changed_at timestamptz NOT NULL,
    parameter_id int4 NOT NULL,
    process_id int8,
    old_value float8,
    new_value float8,
    changed_by text NOT NULL,
    source text NOT NULL CHECK (source IN ('operator', 'tool', 'import')),
    reason text NOT NULL DEFAULT '',
    read_back float8,
    outcome text NOT NULL
);

CREATE TABLE recorder_streams (
    stream_id uuid PRIMARY KEY,
    recorder smallint NOT NULL REFERENCES recorders (number),
    epoch int8 NOT NULL,
    last_sequence int8 NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE recorder_streams IS
    'watermark of each spool: entries up to last_sequence are in this database, exactly once';

CREATE TABLE acquisition_minutes (
    process_id int8 NOT NULL,
    device text NOT NULL,
    interval_ms int NOT NULL,
    minute timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('completed', 'late', 'failed', 'skipped', 'shed')),
    cause text NOT NULL DEFAULT '',
    slots int8 NOT NULL,
    rows int8 NOT NULL,
    PRIMARY KEY (process_id, device, interval_ms, minute, outcome, cause)
) WITH (fillfactor = 70);
COMMENT ON TABLE acquisition_minutes IS
    'accounting: every slot ends in exactly one outcome; rows is what those slots must have stored';

CREATE TABLE recorder_events (
    id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorder smallint NOT NULL,
    occurred_at timestamptz NOT NULL,
    kind text NOT NULL,
    process_id int8,
    device text NOT NULL DEFAULT '',
    detail jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE quality_codes (
    code int2 PRIMARY KEY,
    name text NOT NULL UNIQUE,
    meaning text NOT NULL
);
INSERT INTO quality_codes (code, name, meaning) VALUES
    (0, 'bad', 'bad, cause unknown'),
    (4, 'refused', 'address refused by the device'),
    (8, 'not_connected', 'device not connected'),
    (16, 'sensor_failure', 'sensor failure or sentinel'),
    (24, 'communication_failure', 'communication failure'),
    (28, 'out_of_service', 'out of service'),
    (64, 'uncertain', 'uncertain: first value after a flushed line'),
    (68, 'frozen', 'uncertain: source is frozen'),
    (84, 'out_of_range', 'uncertain: outside the range of the signal'),
    (192, 'good', 'good');

-- migrate: rollback
