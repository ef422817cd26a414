-- What `ald-recorder database health` asks. Each answers lines of subject, verdict (ok, warning, fault, not asked) and
-- what was found, and takes no arguments: in psql, SET search_path TO ald first.

-- name: health_indexes
-- Whether every index of this release is there and valid.
WITH expected (name) AS (
    SELECT unnest('{acquisition_minutes_pkey,component_parameter_versions_pkey,
        component_parameters_component_id_name_key,
        component_parameters_pkey,idx_component_parameters_component_active,idx_component_parameters_component_id,
        idx_component_parameters_active_set_value,idx_machine_components_activated,
        idx_machine_components_machine_activated,
        idx_process_data_points_process_timestamp,idx_process_data_points_timestamp_brin,
        idx_process_runs_machine_started_id,idx_process_runs_running,idx_process_runs_started,idx_process_runs_unsealed,
        idx_process_runs_to_audit,idx_process_runs_unsummarised,idx_recipe_statistics_stored_key,
        idx_recorder_quarantine_process,recorder_quarantine_pkey,idx_recorder_events_process,
        idx_recorder_events_recorder_occurred,idx_recorder_streams_recorder_epoch,
        idx_set_value_changes_parameter_changed,idx_set_value_changes_process,machine_access_pkey,
        machine_components_machine_id_name_key,machine_components_pkey,machines_name_key,machines_pkey,
        process_data_chunks_pkey,process_data_times_pkey,process_run_summaries_pkey,process_runs_pkey,
        process_steps_pkey,quality_codes_name_key,quality_codes_pkey,recorder_events_pkey,recorder_streams_pkey,
        recorders_pkey,schema_migrations_pkey,set_value_changes_pkey}'::text[])
), found AS (
    SELECT c.relname::text AS name, i.indisvalid AS is_valid
      FROM pg_index i
      JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relnamespace = current_schema()::regnamespace
)
SELECT expected.name AS subject, 'fault' AS verdict,
       'index is missing; run: ald-recorder database migrate, and if it is still missing, restore it' AS said
  FROM expected
  LEFT JOIN found USING (name)
 WHERE found.name IS NULL
UNION ALL
SELECT found.name, 'fault', 'index is invalid, of no use and kept up all the same; drop it and build it again'
  FROM found
 WHERE NOT found.is_valid
UNION ALL
SELECT 'indexes', 'ok', format('all %s are there and valid', (SELECT count(*) FROM expected))
 WHERE NOT EXISTS (SELECT FROM expected LEFT JOIN found USING (name) WHERE found.is_valid IS NOT TRUE)
   AND NOT EXISTS (SELECT FROM found WHERE NOT is_valid)
 ORDER BY 1;

-- name: health_unused_indexes
-- Indexes above 1 MiB that nobody has used since statistics began, where that is a week ago.
WITH used AS (
    -- an index of a day belongs to that of the whole table
    SELECT coalesce(parent.relname, i.indexrelname) AS name, sum(i.idx_scan) AS scans,
           sum(pg_relation_size(i.indexrelid)) AS bytes, bool_or(d.indisunique) AS is_unique
      FROM pg_stat_user_indexes i
      JOIN pg_index d ON d.indexrelid = i.indexrelid
      LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
      LEFT JOIN pg_class parent ON parent.oid = h.inhparent
     WHERE i.schemaname = current_schema()
     GROUP BY 1
), since AS (
    SELECT coalesce(stats_reset, pg_postmaster_start_time()) AS at
      FROM pg_stat_database WHERE datname = current_database()
), unused AS (
    SELECT name, bytes FROM used, since
     WHERE scans = 0 AND NOT is_unique AND bytes > 1048576 AND since.at < now() - interval '7 days'
)
SELECT name AS subject, 'warning' AS verdict,
       format('no scan since %s, %s', to_char(since.at, 'YYYY-MM-DD'), pg_size_pretty(bytes)) AS said
  FROM unused, since
UNION ALL
SELECT 'unused indexes', 'ok', format('none, as counted since %s', to_char(since.at, 'YYYY-MM-DD'))
  FROM since
 WHERE NOT EXISTS (SELECT FROM unused)
 ORDER BY 1;

-- name: health_bloat
-- Indexes that are much larger than their rows explain, as an estimate from what ANALYZE knows.
SELECT name AS subject, 'warning' AS verdict,
       format('%s where its rows explain %s; run: ald-recorder database maintain --monthly',
              pg_size_pretty(bytes), pg_size_pretty(expected_bytes)) AS said
  FROM bloated_indexes()
UNION ALL
SELECT 'bloated indexes', 'ok', 'none above 1 MiB and twice its expected size'
 WHERE NOT EXISTS (SELECT FROM bloated_indexes())
 ORDER BY 1;

-- name: health_statistics
-- Tables with rows of which the planner knows nothing.
WITH blind AS (
    SELECT c.oid::regclass::text AS name, pg_table_size(c.oid) AS bytes
      FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'm')
       AND c.reltuples < 0 AND pg_relation_size(c.oid) > 0
)
SELECT name AS subject, 'warning' AS verdict,
       format('never analysed, %s; run: ald-recorder database maintain', pg_size_pretty(bytes)) AS said
  FROM blind
UNION ALL
SELECT 'planner statistics', 'ok', 'every table with rows has been analysed'
 WHERE NOT EXISTS (SELECT FROM blind)
 ORDER BY 1;

-- name: health_scans
-- Tables above 1,000 rows that are read whole more often than by an index, since statistics began.
WITH read AS (
    SELECT s.relname AS name, s.seq_scan AS scans, coalesce(s.idx_scan, 0) AS by_index, c.reltuples::int8 AS rows
      FROM pg_stat_user_tables s
      JOIN pg_class c ON c.oid = s.relid
     WHERE s.schemaname = current_schema() AND c.reltuples > 1000
), whole AS (
    -- VACUUM and ANALYZE count no scans; a handful are reports and dumps
    SELECT * FROM read WHERE scans > 100 AND scans > by_index
)
SELECT name AS subject, 'warning' AS verdict,
       format('read whole %s times, by an index %s times, about %s rows', scans, by_index, rows) AS said
  FROM whole
UNION ALL
SELECT 'scans of whole tables', 'ok', format('none is usual among %s tables above 1,000 rows', count(*))
  FROM read
HAVING NOT EXISTS (SELECT FROM whole)
 ORDER BY 1;

-- name: health_connections
-- Connections of recorders, and of everybody against what the server allows.
WITH used AS (
    SELECT count(*) AS clients, count(*) FILTER (WHERE application_name LIKE 'ald-recorder%') AS ours,
           count(*) FILTER (WHERE application_name LIKE 'ald-recorder%' AND state = 'active') AS ours_busy,
           count(*) FILTER (WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '1 minute')
               AS forgotten,
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS allowed
      FROM pg_stat_activity
     WHERE backend_type = 'client backend'
)
SELECT 'connections' AS subject,
       CASE WHEN clients >= allowed THEN 'fault' WHEN clients > 0.8 * allowed OR forgotten > 0 THEN 'warning'
            ELSE 'ok' END AS verdict,
       format('%s of %s are open, %s by recorders, of which %s busy; %s idle in a transaction for over a minute',
              clients, allowed, ours, ours_busy, forgotten) AS said
  FROM used;

-- name: health_partitions
-- Whether the days to come have their partitions, so that no commit has to make one at midnight.
WITH ahead AS (
    SELECT count(*) FILTER (WHERE day >= today) AS days, bool_or(day = today) AS has_today,
           bool_or(day = today + 1) AS has_tomorrow
      FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) AS clock
      LEFT JOIN (SELECT to_date(substring(c.relname FROM '\d{8}$'), 'YYYYMMDD') AS day
                   FROM pg_inherits h
                   JOIN pg_class c ON c.oid = h.inhrelid
                  WHERE h.inhparent = to_regclass('process_data_points')) AS partition ON true
)
SELECT 'partitions ahead' AS subject,
       CASE WHEN has_today AND has_tomorrow THEN 'ok' WHEN has_today THEN 'warning' ELSE 'fault' END AS verdict,
       CASE WHEN has_today AND has_tomorrow THEN format('%s, today among them', days)
            ELSE format('%s has no partition; run: ald-recorder database maintain',
                        CASE WHEN has_today THEN 'tomorrow' ELSE 'today' END) END AS said
  FROM ahead;

-- name: health_sizes
-- Sizes with indexes, and how fast the points grow, by the whole days of the last week that there are.
WITH relation AS (
    SELECT coalesce(parent.relname, c.relname) AS name, sum(pg_total_relation_size(c.oid)) AS bytes,
           sum(greatest(c.reltuples, 0))::int8 AS rows
      FROM pg_class c
      LEFT JOIN pg_inherits h ON h.inhrelid = c.oid
      LEFT JOIN pg_class parent ON parent.oid = h.inhparent
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'm')
     GROUP BY 1
), day AS (
    SELECT pg_total_relation_size(c.oid) AS bytes
      FROM pg_inherits h
      JOIN pg_class c ON c.oid = h.inhrelid
     WHERE h.inhparent = to_regclass('process_data_points')
       AND to_date(substring(c.relname FROM '\d{8}$'), 'YYYYMMDD') < (now() AT TIME ZONE 'UTC')::date
       AND to_date(substring(c.relname FROM '\d{8}$'), 'YYYYMMDD') >= (now() AT TIME ZONE 'UTC')::date - 7
)
SELECT name AS subject, 'ok' AS verdict, format('%s, about %s rows', pg_size_pretty(bytes), rows) AS said
  FROM (SELECT * FROM relation ORDER BY bytes DESC LIMIT 5) AS largest
UNION ALL
SELECT 'growth', CASE WHEN count(*) = 0 THEN 'not asked' ELSE 'ok' END,
       CASE WHEN count(*) = 0 THEN 'no whole day of the last week is stored'
            ELSE format('%s a day of points, over %s whole days', pg_size_pretty(avg(bytes)), count(*)) END
  FROM day;

-- name: health_vacuum
-- Rows that VACUUM has not cleared away, and how far off the next forced one is.
WITH lagging AS (
    SELECT relname AS name, n_dead_tup AS dead, n_live_tup AS live,
           coalesce(greatest(last_vacuum, last_autovacuum)::text, 'never') AS vacuumed
      FROM pg_stat_user_tables
     WHERE schemaname = current_schema() AND n_dead_tup > 10000 AND n_dead_tup > 0.2 * n_live_tup
), oldest AS (
    SELECT max(age(relfrozenxid)) AS age, current_setting('autovacuum_freeze_max_age')::int AS limit
      FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'm')
)
SELECT name AS subject, 'warning' AS verdict,
       format('%s dead rows beside %s, last vacuum %s; run: ald-recorder database maintain --weekly',
              dead, live, vacuumed) AS said
  FROM lagging
UNION ALL
SELECT 'vacuum', CASE WHEN age > 1.5 * "limit" THEN 'fault' WHEN age > "limit" THEN 'warning' ELSE 'ok' END,
       format('oldest transaction %s of %s before a forced one; %s tables lag', age, "limit",
              (SELECT count(*) FROM lagging))
  FROM oldest
 ORDER BY 2, 1;

-- name: health_slow_statements
-- Statements whose mean is above 10 ms, the 20 that cost most in total.
SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 60) AS subject, 'warning' AS verdict,
       format('mean %s ms, longest %s ms, %s calls, %s s in all', round(mean_ms::numeric, 1), round(max_ms::numeric),
              calls, round((total_ms / 1000)::numeric, 1)) AS said, query_id
  FROM statement_statistics()
 WHERE mean_ms > 10
   -- what is done once, or for upkeep, is long by nature
   AND query !~* '^\s*(create|alter|drop|comment|grant|revoke|vacuum|analyze|reindex|refresh|explain|do|begin|commit)\M'
 ORDER BY total_ms DESC
 LIMIT 20;

-- name: statement_statistics_state
-- Whether pg_stat_statements is there: made in this database, loaded by the server, and to be read by this role.
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS is_made,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS is_available,
       EXISTS (SELECT FROM statement_statistics()) AS is_answering,
       pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER') AS may_read_all;

-- name: statement_calls
-- How often each statement was called and how long it took, by its query identifier.
SELECT query_id, sum(calls)::int8 AS calls FROM statement_statistics() WHERE query_id IS NOT NULL GROUP BY query_id;

-- name: recorder_connections
-- Connections of each recorder, and how many are busy.
SELECT application_name AS application, count(*) AS open, count(*) FILTER (WHERE state <> 'idle') AS busy
  FROM pg_stat_activity
 WHERE application_name LIKE 'ald-recorder/%' AND datname = current_database()
 GROUP BY application_name
 ORDER BY application_name;

-- name: statement_plans
-- The plans of statements ($2) with these names ($1) whatever their parameters are; runs none; NULL for no plan.
SELECT name, statement_plan(text) AS plan FROM unnest($1::text[], $2::text[]) AS statement (name, text);

-- name: large_relations
-- Relations of this schema above 1,000 rows.
SELECT relname AS name FROM pg_class
 WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'm') AND reltuples > 1000;
