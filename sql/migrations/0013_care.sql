-- What the care of the database asks the server: plans and statistics of statements, statistics of the points
-- depends: 0012_run_indexes

-- migrate: apply

SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- SQL's own PREPARE rather than EXPLAIN (GENERIC_PLAN), which is not in PostgreSQL 15
CREATE FUNCTION statement_plan(statement text) RETURNS jsonb LANGUAGE plpgsql
    SET search_path FROM CURRENT
    SET plan_cache_mode TO force_generic_plan AS $$
DECLARE
    parameters int;
    plan json;
BEGIN
    IF EXISTS (SELECT FROM pg_prepared_statements WHERE name = 'ald_statement_plan') THEN
        DEALLOCATE ald_statement_plan;
    END IF;
    EXECUTE 'PREPARE ald_statement_plan AS ' || statement;
    SELECT cardinality(parameter_types) INTO parameters
      FROM pg_prepared_statements WHERE name = 'ald_statement_plan';
    EXECUTE 'EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE ald_statement_plan'
            || CASE WHEN parameters > 0 THEN '(' || repeat('NULL,', parameters - 1) || 'NULL)' ELSE '' END INTO plan;
    DEALLOCATE ald_statement_plan;
    RETURN plan -> 0;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION statement_plan IS
    'the plan that a statement has whatever its parameters are, and its query identifier; does not run it; NULL where '
    'it has none. Planning may run functions that are constant: give it no statement of somebody else';

CREATE FUNCTION statement_statistics()
    RETURNS TABLE (query_id int8, query text, calls int8, total_ms float8, mean_ms float8, max_ms float8, rows int8)
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT AS $$
DECLARE
    place text;
BEGIN
    SELECT quote_ident(n.nspname) INTO place
      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
     WHERE e.extname = 'pg_stat_statements';
    IF place IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT queryid, query, sum(calls)::int8, sum(total_exec_time), sum(total_exec_time) / sum(calls),
                max(max_exec_time), sum(rows)::int8
           FROM %s.pg_stat_statements
          WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND toplevel AND calls > 0
          GROUP BY queryid, query', place);
EXCEPTION
    -- made in the database, but not loaded by the server; or not to be read by this role
    WHEN object_not_in_prerequisite_state OR insufficient_privilege THEN
        RETURN;
END
$$;
COMMENT ON FUNCTION statement_statistics IS
    'pg_stat_statements of this database, wherever the extension was put; empty where it is absent';

CREATE FUNCTION bloated_indexes() RETURNS TABLE (name text, bytes int8, expected_bytes int8) LANGUAGE sql STABLE
    SET search_path FROM CURRENT AS $$
    SELECT index.relname::text, index.relpages::int8 * setting.block, estimate.bytes
      FROM pg_index i
      JOIN pg_class index ON index.oid = i.indexrelid AND index.relkind = 'i'
      JOIN pg_class relation ON relation.oid = i.indrelid
      JOIN pg_am method ON method.oid = index.relam AND method.amname = 'btree'
     CROSS JOIN (SELECT current_setting('block_size')::int AS block) AS setting
     CROSS JOIN LATERAL (
           SELECT sum(coalesce(s.avg_width, 8)) AS width
             FROM pg_attribute a
             LEFT JOIN pg_stats s ON s.schemaname = current_schema() AND s.tablename = relation.relname
                  AND s.attname = (SELECT of_table.attname FROM pg_attribute of_table
                                    WHERE of_table.attrelid = i.indrelid AND of_table.attnum = i.indkey[a.attnum - 1])
            WHERE a.attrelid = i.indexrelid) AS columns
     CROSS JOIN LATERAL (
           -- 8 bytes of header and a line pointer of 4 a row, aligned to 8; pages filled to 90 %, less 40 bytes each
           SELECT ceil(index.reltuples * ((8 + columns.width + 7)::int / 8 * 8 + 4)
                       / (0.9 * (setting.block - 40)))::int8 * setting.block AS bytes) AS estimate
     WHERE relation.relnamespace = current_schema()::regnamespace AND index.reltuples > 0 AND i.indisvalid
       AND index.relpages::int8 * setting.block > greatest(1048576, 2 * estimate.bytes)
     ORDER BY index.relname
$$;
COMMENT ON FUNCTION bloated_indexes IS
    'B-trees above 1 MiB more than twice as large as their rows and the width of their columns explain: an estimate';

CREATE FUNCTION analyze_points() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
BEGIN
    -- before PostgreSQL 18 this analyses every partition as well, which autovacuum does by itself
    EXECUTE CASE WHEN current_setting('server_version_num')::int >= 180000 THEN 'ANALYZE ONLY process_data_points'
                 ELSE 'ANALYZE process_data_points' END;
END
$$;
COMMENT ON FUNCTION analyze_points IS
    'statistics of the points as a whole, which autovacuum makes of partitions alone';

REVOKE ALL ON FUNCTION statement_plan, statement_statistics, bloated_indexes, analyze_points FROM PUBLIC;

-- migrate: rollback
