-- A notice at once to whoever keeps runs in a cache when somebody writes a note on one
-- depends: 0017_set_value_indexes

-- migrate: apply

CREATE FUNCTION notify_note() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify('ald_runs', jsonb_build_object(
                'schema', current_schema(), 'machine', machine.name, 'runs', jsonb_build_array(run.id))::text)
       FROM process_runs run
       JOIN machines machine ON machine.id = run.machine_id
      WHERE run.id = NEW.process_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION notify_note IS 'tells listeners of channel ald_runs that a run has another note';

-- the condition spares every other event the call
CREATE TRIGGER notify_note AFTER INSERT ON recorder_events
    FOR EACH ROW WHEN (NEW.kind = 'run_note') EXECUTE FUNCTION notify_note();

-- migrate: rollback
