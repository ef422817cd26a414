-- Summaries of runs by step, recipe statistics over them, and a run in one round trip
-- depends: 0010_rights

-- migrate: apply

SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

ALTER TABLE process_runs ADD COLUMN summarised_at timestamptz;
COMMENT ON COLUMN process_runs.summarised_at IS
    'when process_run_summaries was filled for this run; never for idle times';

ALTER TABLE process_run_summaries ADD COLUMN value_count int8 NOT NULL DEFAULT 0;
COMMENT ON COLUMN process_run_summaries.value_count IS
    'points that have a value, good or uncertain: what the sums are of';

CREATE FUNCTION summarise_run(process_id int8) RETURNS int8 LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    run process_runs;
    borders timestamptz[];
    numbers int[];
    written int8;
BEGIN
    SELECT * INTO run FROM process_runs r
     WHERE r.id = summarise_run.process_id AND r.ended_at IS NOT NULL AND r.kind <> 'idle';
    -- no lock on the run itself: this may take seconds, and the writer must not wait to store a verdict with the run
    IF NOT FOUND OR NOT pg_try_advisory_xact_lock(hashtextextended('summarise_run', run.id)) THEN
        RETURN 0;
    END IF;
    -- where a step begins its number holds, where one ends none does; at one moment the beginning counts
    SELECT array_agg(border.at ORDER BY border.at), array_agg(border.number ORDER BY border.at)
      INTO borders, numbers
      FROM (SELECT DISTINCT ON (edge.at) edge.at, edge.number
              FROM process_steps s
             CROSS JOIN LATERAL (VALUES (s.started_at, s.number), (s.ended_at, NULL)) AS edge (at, number)
             WHERE s.process_id = run.id AND s.kind = 'step' AND edge.at IS NOT NULL
             ORDER BY edge.at, edge.number NULLS LAST) AS border;
    DELETE FROM process_run_summaries s WHERE s.process_id = run.id;
    -- one pass over the points: a binary search finds the step of each, where a join would compare it with every step
    WITH piece AS MATERIALIZED (
        SELECT width_bucket(d."timestamp", borders) AS bucket, d.parameter_id,
               count(*) AS points, count(*) FILTER (WHERE d.quality >= 192) AS good_points,
               count(d.value) AS value_count, sum(d.value) AS value_sum, sum(d.value * d.value) AS value_square_sum,
               min(d.value) AS value_min, max(d.value) AS value_max
          FROM process_data d
         WHERE d.process_id = run.id
           AND d."timestamp" >= run.started_at - interval '1 minute'
           AND d."timestamp" <= run.ended_at + interval '1 minute'
         GROUP BY 1, 2
    ), counted AS (
        SELECT numbers[bucket] AS step, piece.* FROM piece WHERE numbers[bucket] IS NOT NULL
        UNION ALL
        SELECT -1, piece.* FROM piece
    )
    INSERT INTO process_run_summaries (process_id, step, parameter_id, points, good_points, value_count,
                                       value_sum, value_square_sum, value_min, value_max)
    SELECT run.id, counted.step, counted.parameter_id, sum(counted.points), sum(counted.good_points),
           sum(counted.value_count), coalesce(sum(counted.value_sum), 0), coalesce(sum(counted.value_square_sum), 0),
           min(counted.value_min), max(counted.value_max)
      FROM counted
     GROUP BY counted.step, counted.parameter_id;
    GET DIAGNOSTICS written = ROW_COUNT;
    UPDATE process_runs r SET summarised_at = clock_timestamp() WHERE r.id = run.id;
    RETURN written;
END
$$;
COMMENT ON FUNCTION summarise_run IS
    'fills the summaries of a run that has ended, by step and as a whole, in one pass over its points; how many rows';

CREATE MATERIALIZED VIEW recipe_statistics_stored AS
    SELECT run.machine_id, run.recipe, summary.step, summary.parameter_id, count(*) AS runs,
           sum(summary.points)::int8 AS points, sum(summary.good_points)::int8 AS good_points,
           avg(summary.mean) AS mean, stddev_samp(summary.mean) AS deviation_between_runs,
           min(summary.value_min) AS value_min, max(summary.value_max) AS value_max, max(run.started_at) AS last_run_at
      FROM process_runs run
      JOIN (SELECT process_id, step, parameter_id, points, good_points, value_min, value_max,
                   CASE WHEN value_count > 0 THEN value_sum / value_count END AS mean
              FROM process_run_summaries) AS summary ON summary.process_id = run.id
     WHERE run.kind = 'recipe' AND run.status = 'completed'
     GROUP BY run.machine_id, run.recipe, summary.step, summary.parameter_id
      WITH DATA;
CREATE UNIQUE INDEX idx_recipe_statistics_stored_key
    ON recipe_statistics_stored (machine_id, recipe, step, parameter_id);
COMMENT ON INDEX idx_recipe_statistics_stored_key IS 'refresh CONCURRENTLY needs it; statistics of a recipe';
COMMENT ON MATERIALIZED VIEW recipe_statistics_stored IS
    'over the summaries of all completed runs of a recipe, as of the last refresh; readers query recipe_statistics';

-- a materialized view can have no policies, so that this view is their stead
CREATE VIEW recipe_statistics WITH (security_barrier) AS
    SELECT machine_id, recipe, step, parameter_id, runs, points, good_points, mean, deviation_between_runs, value_min,
           value_max, last_run_at
      FROM recipe_statistics_stored
     WHERE (SELECT NOT is_guarded() OR pg_has_role(current_user, relowner, 'MEMBER')
              FROM pg_class WHERE oid = 'recipe_statistics_stored'::regclass)
        OR machine_id = ANY ((SELECT visible_machines())::int[]);
COMMENT ON VIEW recipe_statistics IS
    'what the runs of a recipe have in common, by machine, step (-1 for the whole run) and parameter';
COMMENT ON COLUMN recipe_statistics.deviation_between_runs IS 'standard deviation of the means of the runs';

CREATE FUNCTION refresh_recipe_statistics() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY recipe_statistics_stored;
END
$$;
COMMENT ON FUNCTION refresh_recipe_statistics IS 'refreshes recipe_statistics; readers go on meanwhile';

CREATE FUNCTION last_values_of_run(process_id int8) RETURNS jsonb LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    run process_runs;
    earliest timestamptz;
    last_point timestamptz;
    found jsonb;
BEGIN
    SELECT * INTO run FROM process_runs r WHERE r.id = last_values_of_run.process_id;
    earliest := run.started_at - interval '1 minute';
    SELECT max(d."timestamp") INTO last_point
      FROM guarded_points d
     WHERE d.process_id = run.id AND d."timestamp" >= earliest
       AND d."timestamp" <= coalesce(run.ended_at, now()) + interval '1 minute';
    IF last_point IS NULL THEN
        -- sealed: the last element of the last chunk of each parameter
        SELECT jsonb_agg(jsonb_build_object('parameter_id', c.parameter_id, 'timestamp',
                             c.started_at + t.offsets_us[cardinality(t.offsets_us)] * interval '1 microsecond',
                             'value', c."values"[cardinality(c."values")],
                             'set_value', c.set_values[cardinality(c.set_values)],
                             'quality', c.quality[cardinality(c.quality)]) ORDER BY c.parameter_id)
          INTO found
          FROM (SELECT DISTINCT ON (parameter_id) * FROM process_data_chunks chunk
                 WHERE chunk.process_id = run.id
                 ORDER BY parameter_id, started_at DESC LIMIT 1000) AS c
          JOIN process_data_times t ON t.process_id = c.process_id AND t.series = c.series
               AND t.started_at = c.started_at;
        RETURN coalesce(found, '[]');
    END IF;
    -- the last two scans of the slowest parameter, 10 minutes at most
    SELECT greatest(earliest, last_point - least(600000, 2 * max(p.scan_interval_ms)) * interval '1 millisecond')
      INTO earliest
      FROM component_parameters p
      JOIN machine_components c ON c.id = p.component_id
     WHERE c.machine_id = run.machine_id AND p.is_active;
    SELECT jsonb_agg(last ORDER BY last.parameter_id)
      INTO found
      FROM (SELECT DISTINCT ON (d.parameter_id) d.parameter_id, d."timestamp", d.value, d.set_value, d.quality
              FROM guarded_points d
             WHERE d.process_id = run.id AND d."timestamp" >= earliest AND d."timestamp" <= last_point
             ORDER BY d.parameter_id, d."timestamp" DESC
             LIMIT 1000) AS last;
    RETURN coalesce(found, '[]');
END
$$;
COMMENT ON FUNCTION last_values_of_run IS
    'last value of each parameter in a run: reads the end of the run, not all of it';

CREATE FUNCTION get_process_run(process_id int8) RETURNS jsonb LANGUAGE sql STABLE
    SET search_path FROM CURRENT AS $$
    SELECT to_jsonb(run) - '{machine_id,recipe_snapshot}'::text[] || jsonb_build_object(
               'machine', machine.name,
               'rows', (SELECT coalesce(sum(slot.rows), 0)
                          FROM acquisition_minutes slot WHERE slot.process_id = run.id),
               'slots', (SELECT coalesce(
                             jsonb_agg(slot ORDER BY slot.device, slot.interval_ms, slot.outcome, slot.cause), '[]')
                           FROM (SELECT device, interval_ms, outcome, cause, sum(slots) AS slots, sum(rows) AS rows
                                   FROM acquisition_minutes counted
                                  WHERE counted.process_id = run.id
                                  GROUP BY device, interval_ms, outcome, cause
                                  LIMIT 1000) AS slot),
               'step_count', (SELECT count(*) FROM process_steps s WHERE s.process_id = run.id AND s.kind = 'step'),
               'cycle_count', (SELECT count(*) FROM process_steps s WHERE s.process_id = run.id AND s.kind = 'cycle'),
               -- the last of them: what a screen shows, and no more however long the run is
               'steps', (SELECT coalesce(jsonb_agg(step ORDER BY step.started_at, step.kind), '[]')
                           FROM (SELECT kind, number, name, started_at, ended_at, source
                                   FROM process_steps s
                                  WHERE s.process_id = run.id
                                  ORDER BY s.started_at DESC, s.kind DESC
                                  LIMIT 200) AS step),
               'last_values', last_values_of_run(run.id))
      FROM process_runs run
      JOIN machines machine ON machine.id = run.machine_id
     WHERE run.id = get_process_run.process_id
$$;
COMMENT ON FUNCTION get_process_run IS
    'a run with its slots, its last 200 steps and cycles and its last values, as one document; NULL where there is '
    'none';

REVOKE ALL ON FUNCTION summarise_run, refresh_recipe_statistics, last_values_of_run, get_process_run FROM PUBLIC;

-- migrate: rollback
