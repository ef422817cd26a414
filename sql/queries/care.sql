-- name: ensure_days_ahead
-- Makes the partitions of today and of as many days to come as $1 says; how many were missing.
SELECT count(*) FILTER (WHERE ensure_day_partition((now() AT TIME ZONE 'UTC')::date + ahead)) AS made
  FROM generate_series(0, $1::int) AS ahead;

-- name: runs_to_summarise
-- Runs that have ended and are not summarised yet, oldest first.
SELECT id FROM process_runs
 WHERE summarised_at IS NULL AND ended_at IS NOT NULL AND kind <> 'idle'
 ORDER BY ended_at
 LIMIT 100;

-- name: summarise_run
-- Fills the summaries of a run that has ended; how many rows, 0 where another session is at it.
SELECT summarise_run($1::int8) AS rows;

-- name: refresh_recipe_statistics
-- Brings the statistics of recipes up to date; readers go on meanwhile.
SELECT refresh_recipe_statistics();

-- name: analyze_points
-- Makes statistics of the points as a whole.
SELECT analyze_points();

-- name: analyze_statements
-- Statements that make statistics of tables that have none, or of which a tenth has changed since.
SELECT format('ANALYZE %I.%I', s.schemaname, s.relname) AS statement
  FROM pg_stat_user_tables s
  JOIN pg_class c ON c.oid = s.relid
 WHERE s.schemaname = current_schema() AND c.relkind IN ('r', 'm')
   AND ((c.reltuples < 0 AND pg_relation_size(c.oid) > 0) OR s.n_mod_since_analyze > 50 + 0.1 * s.n_live_tup)
 ORDER BY s.relname;

-- name: vacuum_statements
-- Statements that clear away dead rows, and make look-ups by index alone of tables that were never vacuumed.
SELECT format('VACUUM (ANALYZE) %I.%I', s.schemaname, s.relname) AS statement
  FROM pg_stat_user_tables s
  JOIN pg_class c ON c.oid = s.relid
 WHERE s.schemaname = current_schema() AND c.relkind IN ('r', 'm')
   AND (s.n_dead_tup > 50 + 0.02 * s.n_live_tup
        OR c.relallvisible < 0.9 * c.relpages)
 ORDER BY s.relname;

-- name: reindex_statements
-- Statements that drop what an interrupted rebuild left, then rebuild indexes that are bloated, while others write.
SELECT statement
  FROM (SELECT 1 AS place, c.relname AS name,
               format('DROP INDEX CONCURRENTLY IF EXISTS %I.%I', current_schema(), c.relname) AS statement
          FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid
         WHERE NOT i.indisvalid AND c.relkind = 'i' AND c.relnamespace = current_schema()::regnamespace
           AND c.relname ~ '_cc(new|old)\d*$'
         UNION ALL
        SELECT 2, name, format('REINDEX INDEX CONCURRENTLY %I.%I', current_schema(), name)
          FROM bloated_indexes()) AS step
 ORDER BY place, name;

-- name: create_statement_statistics
-- Makes pg_stat_statements in this database, for a server that has loaded it.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
