-- name: server_version
-- Number of the server's version, as in 150004 or 180006.
SELECT current_setting('server_version_num')::int;

-- name: schema_state
-- Whether the schema of this name is there, what this role may do in it, and whether it has its bookkeeping.
SELECT n.oid IS NOT NULL AS is_there,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
       coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_create,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'schema_migrations')
           AS has_bookkeeping,
       current_user AS role
  FROM (SELECT $1::text AS name) wanted
  LEFT JOIN pg_namespace n ON n.nspname = wanted.name;

-- name: create_schema_statement
-- The statement that makes the schema of this name, quoted by the server.
SELECT format('CREATE SCHEMA %I', $1::text);

-- name: drop_schema_statement
-- The statement that drops the schema of this name with all that is in it, quoted by the server.
SELECT format('DROP SCHEMA IF EXISTS %I CASCADE', $1::text);

-- name: prepare_migration_session
-- Lets this session look at one schema alone, wait for no lock longer than given, and build indexes as long as it takes.
SELECT set_config('search_path', quote_ident($1::text), false),
       set_config('lock_timeout', $2::text, false),
       set_config('statement_timeout', '0', false),
       set_config('idle_in_transaction_session_timeout', '0', false);

-- name: create_schema_migrations
-- Makes the table of applied migrations in the schema that search_path names.
CREATE TABLE schema_migrations (
    name text PRIMARY KEY,
    content_hash text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by text NOT NULL DEFAULT current_user
);

-- name: applied_migrations
-- Names and hashes of the migrations that were applied, in their order.
SELECT name, content_hash FROM schema_migrations ORDER BY name;

-- name: record_migration
-- Keeps that a migration was applied, and what its file was then.
INSERT INTO schema_migrations (name, content_hash) VALUES ($1::text, $2::text);

-- name: try_migration_lock
-- Takes the lock of migrations of one schema if it is free; never waits.
SELECT pg_try_advisory_lock(hashtextextended('ald-recorder migration of ' || $1::text, 0));

-- name: migration_lock_holder
-- Who holds the lock of migrations of one schema in this database.
SELECT lock.pid, activity.application_name, coalesce(activity.client_addr::text, 'this host') AS host,
       activity.backend_start
  FROM pg_locks lock
  LEFT JOIN pg_stat_activity activity USING (pid)
 CROSS JOIN hashtextextended('ald-recorder migration of ' || $1::text, 0) AS key
 WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
   AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND lock.classid::int8 = (key >> 32) & 4294967295
   AND lock.objid::int8 = key & 4294967295;

-- name: read_lock_timeout
-- The lock time-out of this session.
SELECT current_setting('lock_timeout');

-- name: set_lock_timeout
-- Sets the lock time-out of this session, for example 2s or 0 for none.
SELECT set_config('lock_timeout', $1::text, false);

-- name: invalid_index_drops
-- Statements that drop those indexes named in a migration that an interrupted build left invalid.
SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %I', c.relname)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE NOT i.indisvalid AND c.relkind = 'i'
   AND c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
   AND c.relname = ANY (regexp_split_to_array($1::text, '[^a-z0-9_]+'))
 ORDER BY c.relname;

-- name: partitioned_index_steps
-- What is still to be run until an index of a partitioned table is whole.
SELECT statement, is_concurrent FROM partitioned_index_steps($1::text, $2::text, $3::text, $4::text);
