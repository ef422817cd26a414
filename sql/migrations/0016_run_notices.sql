-- A notice at once to whoever keeps runs in a cache when one begins, ends, is audited, summarised or relabelled
-- depends: 0014_set_values

-- migrate: apply

-- One notice a machine and statement: an import or a clean-up changes thousands of rows. More ids than a notice can
-- hold (8000 bytes) are none at all, which says: any run may have changed. The writer pays for it where a run begins or
-- ends, and never for a point.
CREATE FUNCTION notify_runs() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    notice record;
BEGIN
    FOR notice IN
        SELECT machine.name AS machine, array_agg(changed.id) AS ids
          FROM changed
          JOIN machines machine ON machine.id = changed.machine_id
         GROUP BY machine.name
    LOOP
        PERFORM pg_notify('ald_runs', jsonb_build_object(
            'schema', current_schema(), 'machine', notice.machine,
            'runs', CASE WHEN cardinality(notice.ids) <= 300 THEN to_jsonb(notice.ids) END)::text);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION notify_runs IS 'tells listeners of channel ald_runs which runs of which machine are others';

CREATE FUNCTION notify_changed_runs() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
DECLARE
    notice record;
BEGIN
    FOR notice IN
        SELECT machine.name AS machine, array_agg(fresh.id) AS ids
          FROM fresh
          JOIN stale ON stale.id = fresh.id
          JOIN machines machine ON machine.id = fresh.machine_id
         -- not sealed_at: a sealed run reads as it did before
         WHERE (fresh.status, fresh.started_at, fresh.ended_at, fresh.audited_at, fresh.audit_verdict,
                fresh.summarised_at, fresh.kind, fresh.recipe, fresh.operator, fresh.lot, fresh.substrate, fresh.note)
               IS DISTINCT FROM
               (stale.status, stale.started_at, stale.ended_at, stale.audited_at, stale.audit_verdict,
                stale.summarised_at, stale.kind, stale.recipe, stale.operator, stale.lot, stale.substrate, stale.note)
         GROUP BY machine.name
    LOOP
        PERFORM pg_notify('ald_runs', jsonb_build_object(
            'schema', current_schema(), 'machine', notice.machine,
            'runs', CASE WHEN cardinality(notice.ids) <= 300 THEN to_jsonb(notice.ids) END)::text);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION notify_changed_runs IS
    'as notify_runs, of an update, and only where something that readers see is another';

CREATE TRIGGER notify_begun_runs AFTER INSERT ON process_runs
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_runs();
CREATE TRIGGER notify_changed_runs AFTER UPDATE ON process_runs
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION notify_changed_runs();
CREATE TRIGGER notify_deleted_runs AFTER DELETE ON process_runs
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notify_runs();

-- migrate: rollback
