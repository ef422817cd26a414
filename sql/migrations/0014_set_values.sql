-- A notice at once to whoever listens when a desired set-value or a write limit is changed
-- depends: 0013_care

-- migrate: apply

-- One notice a machine and statement, whatever the number of rows: an import changes thousands. More ids than a notice
-- can hold (8000 bytes) are none at all, which says: anything may have changed.
CREATE FUNCTION notify_set_values() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    notice record;
BEGIN
    FOR notice IN
        SELECT machine.name AS machine, array_agg(DISTINCT changed.id) AS ids
          FROM changed
          JOIN machine_components component ON component.id = changed.component_id
          JOIN machines machine ON machine.id = component.machine_id
         GROUP BY machine.name
    LOOP
        PERFORM pg_notify('ald_set_values', jsonb_build_object(
            'schema', current_schema(), 'machine', notice.machine,
            'parameters', CASE WHEN cardinality(notice.ids) <= 500 THEN to_jsonb(notice.ids) END)::text);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION notify_set_values IS
    'tells listeners of channel ald_set_values which parameters of which machine were changed';

CREATE FUNCTION notify_changed_set_values() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    notice record;
BEGIN
    FOR notice IN
        SELECT machine.name AS machine, array_agg(fresh.id) AS ids
          FROM fresh
          JOIN stale ON stale.id = fresh.id
          JOIN machine_components component ON component.id = fresh.component_id
          JOIN machines machine ON machine.id = component.machine_id
         WHERE (fresh.set_value, fresh.min_value, fresh.max_value, fresh.tolerance, fresh.is_writable, fresh.is_active)
               IS DISTINCT FROM
               (stale.set_value, stale.min_value, stale.max_value, stale.tolerance, stale.is_writable, stale.is_active)
         GROUP BY machine.name
    LOOP
        PERFORM pg_notify('ald_set_values', jsonb_build_object(
            'schema', current_schema(), 'machine', notice.machine,
            'parameters', CASE WHEN cardinality(notice.ids) <= 500 THEN to_jsonb(notice.ids) END)::text);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION notify_changed_set_values IS
    'as notify_set_values, of an update, and only where a set-value or what may be written is another';

CREATE FUNCTION notify_component() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM pg_notify('ald_set_values', jsonb_build_object(
                'schema', current_schema(), 'machine', machine.name, 'parameters', NULL)::text)
       FROM machines machine
      WHERE machine.id = NEW.machine_id;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION notify_component IS 'as notify_set_values, where a component is put in or out of service';

CREATE TRIGGER notify_made_set_values AFTER INSERT ON component_parameters
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_set_values();
CREATE TRIGGER notify_changed_set_values AFTER UPDATE ON component_parameters
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION notify_changed_set_values();
CREATE TRIGGER notify_deleted_set_values AFTER DELETE ON component_parameters
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_set_values();
CREATE TRIGGER notify_component AFTER UPDATE OF is_activated ON machine_components
    FOR EACH ROW WHEN (OLD.is_activated IS DISTINCT FROM NEW.is_activated) EXECUTE FUNCTION notify_component();

-- migrate: rollback
